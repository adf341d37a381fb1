// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Commands that are at a slow store when the host resets, shuts down, or deletes their queue: under many schedules.

import { type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createSimulatedStore } from '../../../src/controller/index.ts'
import {
  AdminOpcode,
  Cc,
  Csts,
  NvmOpcode,
  Reg,
  Shst,
  STATUS_CODE_MASK,
  Status,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const SEEDS = 200
const COMMANDS = 8
const PAGE = 4096

interface Slow {
  readonly driver: RawDriver
  readonly data: number
  /** Pushes reads, rings, and lets some of the work be done. */
  startReads(steps: number): Op<void>
  until(done: () => boolean): Op<void>
  /** From here on memory of the data does not change. */
  expectNoMoreDma(): Op<void>
}

function slow(seed: number): Slow {
  const driver = new RawDriver({ seed, ramBytes: 1 << 20 })
  const { kernel, scheduler } = driver
  const store = createSimulatedStore({ kernel }, { sizeBytes: COMMANDS * PAGE, stepBytes: 512 })
  store.bytes.fill(0x77)
  driver.controller.addNamespace(1, { store })
  driver.enable()
  driver.createQueuePair(1, 16)
  const data = driver.alloc(COMMANDS * PAGE)
  const end = data + COMMANDS * PAGE
  return {
    driver,
    data,
    *startReads(steps) {
      for (let i = 0; i < COMMANDS; i++) {
        const prp1 = data + i * PAGE
        driver.push(1, { opcode: NvmOpcode.READ, nsid: 1, prp1, cdw10: i * 8, cdw12: 7 })
      }
      driver.ring(1)
      for (let i = 0; i < steps; i++) yield* yieldNow(scheduler)
    },
    *until(done) {
      for (let i = 0; i < 10_000 && !done(); i++) yield* yieldNow(scheduler)
      expect(done()).toBe(true)
    },
    *expectNoMoreDma() {
      driver.bytes.fill(0xee, data, end)
      for (let i = 0; i < 300; i++) yield* yieldNow(scheduler)
      expect(driver.bytes.subarray(data, end).every((byte) => byte === 0xee)).toBe(true)
    },
  }
}

function forSeeds(test: (one: Slow, seed: number) => Op<void>): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const one = slow(seed)
    one.driver.scheduler.runSync(`seed ${seed}`, test(one, seed))
    one.driver.expectQuiet()
  }
}

describe('with commands at a slow store', () => {
  it('RDY goes away when the last of them can touch memory no more; nobody is told of them', () => {
    let early = 0
    forSeeds(function* ({ driver, startReads, until, expectNoMoreDma }, seed) {
      yield* startReads(seed % 40)
      driver.write(Reg.CC, driver.cc & ~Cc.EN)
      if (driver.controller.outstanding > 0) early++
      yield* until(() => driver.read(Reg.CSTS) === 0)
      expect(driver.controller.outstanding).toBe(0)
      yield* expectNoMoreDma()
      driver.write(Reg.CC, driver.cc)
      yield* until(() => driver.read(Reg.CSTS) === Csts.RDY)
    })
    // The schedules did reach what this is about.
    expect(early).toBeGreaterThan(SEEDS / 4)
  })

  it('a shutdown is complete when they are, and what was not fetched never is', () => {
    forSeeds(function* ({ driver, startReads, until, expectNoMoreDma }, seed) {
      yield* startReads(seed % 40)
      driver.write(Reg.CC, driver.cc | (1 << Cc.SHN_SHIFT))
      const shst = () => (driver.read(Reg.CSTS) & Csts.SHST_MASK) >> Csts.SHST_SHIFT
      yield* until(() => shst() === Shst.COMPLETE)
      expect(driver.controller.outstanding).toBe(0)
      yield* expectNoMoreDma()
    })
  })

  it('the deletion of their queue ends after each of them has', () => {
    let pending = 0
    forSeeds(function* ({ driver, startReads, until, expectNoMoreDma }, seed) {
      yield* startReads(2 + (seed % 40))
      driver.push(0, { opcode: AdminOpcode.DELETE_IO_SQ, cdw10: 1 })
      driver.ring(0)
      if (driver.controller.outstanding > 0) pending++
      let done = driver.reap(0)
      yield* until(() => {
        if (done.length === 0) done = driver.reap(0)
        return done.length > 0
      })
      expect(done.map((completion) => completion.status)).toEqual([0])
      expect(driver.controller.outstanding).toBe(0)
      // What was fetched has been answered, successfully; the rest was still in the queue, and was aborted there.
      const codes = driver.reap(1).map(({ status }) => status & STATUS_CODE_MASK)
      expect(codes).toHaveLength(COMMANDS)
      const fetched = codes.filter((code) => code === Status.SUCCESS).length
      expect(fetched).toBe(driver.controller.stats.ioCommands)
      const aborted = codes.filter((code) => code === Status.ABORTED_SQ_DELETION).length
      expect(aborted).toBe(COMMANDS - fetched)
      yield* expectNoMoreDma()
    })
    expect(pending).toBeGreaterThan(SEEDS / 4)
  })

  it('destroy leaves them to the store: memory is theirs until they end, and nothing is told', () => {
    forSeeds(function* ({ driver, startReads, until }, seed) {
      yield* startReads(seed % 40)
      driver.controller.destroy()
      yield* until(() => driver.controller.outstanding === 0)
    })
  })

  it('the same seed gives the same run', () => {
    const run = (seed: number) => {
      const one = slow(seed)
      one.driver.scheduler.runSync('reads', one.startReads(20))
      one.driver.idle()
      return [
        one.driver.scheduler.choices.join(),
        one.driver
          .reap(1)
          .map((c) => c.cid)
          .join(),
      ]
    }
    expect(run(9)).toEqual(run(9))
    expect(run(9)).not.toEqual(run(10))
  })
})
