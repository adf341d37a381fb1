// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Doorbells, aborts, deletions, resets, losses of the bus and faults in any order: the controller does not throw, ends each command at most
// once, and touches memory only while it may.

import { type Op, yieldNow } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSimulatedStore, type SimulatedStore } from '../../../src/controller/index.ts'
import { AdminOpcode, Cc, Csts, NvmOpcode, Reg, Status } from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const PAGE = 4096
const DATA_PAGES = 8
const MS = 1_000_000

class Unlucky {
  readonly driver: RawDriver
  readonly store: SimulatedStore
  readonly data: number
  readonly guard: number
  /** Pushed since the last reset and not ended. */
  readonly pending: Set<number> = new Set()
  readonly #rules: { release(): number }[] = []
  #last = 0
  #pushed = 0
  #deleted = false

  constructor(seed: number) {
    this.driver = new RawDriver({ seed, withFaults: true, ramBytes: 2 << 20 })
    const { kernel } = this.driver
    const sizeBytes = DATA_PAGES * PAGE
    this.store = createSimulatedStore({ kernel }, { sizeBytes, stepBytes: 1024 })
    this.store.bytes.fill(0x77)
    this.driver.controller.addNamespace(1, { store: this.store })
    this.guard = this.driver.alloc(4 * PAGE)
    this.data = this.driver.alloc(DATA_PAGES * PAGE)
    this.driver.bytes.fill(0xaa, this.guard, this.guard + 4 * PAGE)
    this.#bringUp()
  }

  do(kind: number, a: number): void {
    const { driver } = this
    const actions = [
      () => this.#push(a),
      () => this.#push(a + 1),
      () => driver.ring(1),
      () => this.#push(a * 5),
      () => this.#abort(a),
      () => this.#deleteQueue(),
      () => this.#rules.push(driver.faults.hold({ nth: 1 + (a % 3) }, { after: a % 2 === 0 })),
      () => this.#rules.push(driver.faults.hold({ nth: 1 }, { abortable: false })),
      () => driver.faults.delay({ nth: 1 }, MS, { after: a % 2 === 0 }),
      () => driver.faults.fail({ nth: 1 }, Status.UNRECOVERED_READ),
      () => driver.faults.dropCompletion({ nth: 1 }),
      () => driver.faults.dropInterrupt({ nth: 1 }),
      () => this.#rules[a % Math.max(1, this.#rules.length)]?.release(),
      () => this.store.hold(undefined, (a % 4) * 1024),
      () => this.store.releaseHeld(),
      () => (a % 8 === 0 ? this.#reset() : this.#push(a)),
      () => (a % 8 === 1 ? this.#loseBus() : driver.ring(1)),
      () => driver.idle(),
      () => this.reap(),
    ]
    actions[kind % actions.length]?.()
    // Some of the work, not all of it.
    driver.scheduler.runSync('some', some(driver, a % 6))
  }

  /** From here on, nothing but the queues may change. */
  expectNoDma(): void {
    const { driver, data } = this
    const end = data + DATA_PAGES * PAGE
    driver.bytes.fill(0xee, data, end)
    this.store.releaseHeld()
    for (const rule of this.#rules.splice(0)) rule.release()
    driver.idle()
    expect(driver.bytes.subarray(data, end).every((byte) => byte === 0xee)).toBe(true)
  }

  reap(): void {
    for (const id of [0, 1]) {
      for (const { cid } of this.driver.reap(id)) {
        expect(this.pending.delete(cid)).toBe(true)
      }
    }
  }

  finish(): void {
    const { driver } = this
    this.#reset()
    this.expectNoDma()
    const guard = driver.bytes.subarray(this.guard, this.guard + 4 * PAGE)
    expect(guard.every((byte) => byte === 0xaa)).toBe(true)
    driver.expectQuiet()
  }

  #push(a: number): void {
    if (this.#deleted || this.#pushed >= 30) return
    this.#pushed++
    const opcode = [NvmOpcode.READ, NvmOpcode.WRITE, NvmOpcode.FLUSH][a % 3] ?? 0
    const prp1 = this.data + (a % DATA_PAGES) * PAGE
    this.#last = this.driver.push(1, {
      opcode,
      nsid: 1,
      prp1,
      cdw10: (a % DATA_PAGES) * 8,
      cdw12: 7,
    })
    this.pending.add(this.#last)
    if (a % 5 < 2) this.driver.ring(1)
  }

  #admin(opcode: number, cdw10: number): void {
    if (this.#pushed >= 30) return
    this.#pushed++
    this.pending.add(this.driver.push(0, { opcode, cdw10 }))
    this.driver.ring(0)
  }

  #abort(a: number): void {
    const sqid = a % 4 === 0 ? 0 : 1
    this.#admin(AdminOpcode.ABORT, sqid | (((this.#last - (a % 4)) & 0xffff) << 16))
  }

  #deleteQueue(): void {
    if (this.#deleted) return
    this.#deleted = true
    this.#admin(AdminOpcode.DELETE_IO_SQ, 1)
  }

  #bringUp(): void {
    const { driver } = this
    expect(driver.enable()).toBe(Csts.RDY)
    driver.createQueuePair(1)
    this.#deleted = false
    this.#pushed = 0
  }

  #reset(): void {
    const { driver } = this
    driver.write(Reg.CC, driver.cc & ~Cc.EN)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(0)
    expect(driver.controller.outstanding).toBe(0)
    this.reap()
    this.pending.clear()
    this.expectNoDma()
    this.#bringUp()
  }

  #loseBus(): void {
    const { driver } = this
    driver.device.bus.enabled = false
    this.expectNoDma()
    driver.device.bus.enabled = true
    this.#reset()
  }
}

function* some(driver: RawDriver, steps: number): Op<void> {
  for (let i = 0; i < steps; i++) yield* yieldNow(driver.scheduler)
}

describe('unlucky sequences', () => {
  it('H15 D3 F13 R-MQ-7: no command ends twice, no memory is touched that was not given', () => {
    const steps = fc.array(fc.tuple(fc.nat(18), fc.nat(40)), { maxLength: 60 })
    fc.assert(
      fc.property(fc.nat(1000), steps, (seed, list) => {
        const one = new Unlucky(seed)
        for (const [kind, a] of list) one.do(kind, a)
        one.finish()
      }),
      { numRuns: 800, seed: 7 },
    )
  })

  it('H15: pulled out at any moment, it touches nothing any more', () => {
    const steps = fc.array(fc.tuple(fc.nat(18), fc.nat(40)), { maxLength: 40 })
    fc.assert(
      fc.property(fc.nat(1000), steps, (seed, list) => {
        const one = new Unlucky(seed)
        for (const [kind, a] of list) one.do(kind, a)
        one.driver.faults.surpriseRemoval()
        one.expectNoDma()
        expect(one.driver.read(Reg.CSTS)).toBe(0xffff_ffff)
        one.driver.expectQuiet()
      }),
      { numRuns: 150, seed: 8 },
    )
  })
})
