// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The power goes at any step, in the middle of writes, copies, zeros and flushes: what a flush or a FUA write had ended before is there, and each logical
// block is one of those that were written since.

import { type Op, yieldNow } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSimulatedStore } from '../../../src/controller/index.ts'
import { createVolatileStore } from '../../../src/faults/index.ts'
import { Csts, NvmOpcode, setUint64 } from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const BLOCKS = 16
const PAGE = 4096
const FUA = 1 << 30
const { WRITE, FLUSH, WRITE_ZEROES, COPY } = NvmOpcode

/** Contents of a block: a number that each write has for itself, 0 for zeros. */
type Generation = number

class Drive {
  readonly driver: RawDriver
  readonly blockBytes: 512 | 4096
  readonly #store
  /** All that was sent for each block, in order: one after the other. */
  readonly #sent: Generation[][] = Array.from({ length: BLOCKS }, () => [0])
  /** Which of them is certain to be there, unless a later one is; and the last that has ended. */
  readonly #certain: number[] = new Array<number>(BLOCKS).fill(0)
  readonly #ended: number[] = new Array<number>(BLOCKS).fill(0)
  readonly #underWay: Map<number, { readonly ended: () => void }> = new Map()
  /** Blocks that a command writes or copies from now, and how many do. */
  readonly #busyBlocks: Map<number, number> = new Map()
  readonly #pages: number
  #generation = 0
  #slot = 0
  flushes = 0
  cutInFlight = 0

  constructor(seed: number, blockBytes: 512 | 4096) {
    this.blockBytes = blockBytes
    this.driver = new RawDriver({ seed, withFaults: true })
    const { kernel, controller } = this.driver
    const medium = createSimulatedStore(
      { kernel },
      { sizeBytes: BLOCKS * blockBytes, stepBytes: 512 },
    )
    this.#store = createVolatileStore({ store: medium, sectorBytes: blockBytes, seed })
    controller.addNamespace(1, { store: this.#store, logicalBlockBytes: blockBytes })
    this.#pages = this.driver.alloc(64 * PAGE)
    this.powerOn()
  }

  powerOn(): void {
    expect(this.driver.enable()).toBe(Csts.RDY)
    this.driver.createQueuePair(1)
  }

  do(kind: number, block: number): void {
    if (kind < 5) this.#write(block, kind === 0)
    else if (kind < 6) this.#zero(block)
    else if (kind < 7) this.#copy(block, (block + 5) % BLOCKS)
    else if (kind < 8) this.#flush()
    else this.#goOn(kind - 8)
  }

  /** Between any two steps of whatever is under way. */
  cut(): void {
    this.#reap()
    this.cutInFlight += this.#underWay.size
    this.#underWay.clear()
    this.#busyBlocks.clear()
    this.driver.faults.powerCut()
    this.driver.idle()
    expect(this.driver.controller.outstanding).toBe(0)
    this.powerOn()
    const at = this.#pages
    for (let block = 0; block < BLOCKS; block++) {
      const read = { opcode: NvmOpcode.READ, nsid: 1, cdw10: block, prp1: at }
      expect(this.driver.exec(1, read).status).toBe(0)
      const bytes = this.driver.bytes.subarray(at, at + this.blockBytes)
      const found = bytes[0] ?? -1
      // Not a block of which a part is older.
      expect(bytes.every((byte) => byte === found)).toBe(true)
      expect(this.#sent[block]?.slice(this.#certain[block])).toContain(found)
      this.#sent[block] = [found]
      this.#certain[block] = 0
      this.#ended[block] = 0
    }
  }

  finish(): void {
    this.driver.idle()
    this.#reap()
    expect(this.#underWay.size).toBe(0)
    this.driver.expectQuiet()
  }

  #write(block: number, fua: boolean): void {
    if (this.#busy(block)) return
    const generation = this.#next()
    const at = this.#pages + PAGE * (1 + (this.#slot++ % 60))
    this.driver.bytes.fill(generation, at, at + this.blockBytes)
    const cdw12 = fua ? FUA : 0
    this.#send({ opcode: WRITE, nsid: 1, cdw10: block, cdw12, prp1: at }, block, generation, fua)
  }

  #zero(block: number): void {
    if (this.#busy(block)) return
    this.#send({ opcode: WRITE_ZEROES, nsid: 1, cdw10: block }, block, 0, false)
  }

  #copy(block: number, from: number): void {
    if (this.#busy(block) || this.#busy(from)) return
    const at = this.#pages + PAGE * (1 + (this.#slot++ % 60))
    this.driver.bytes.fill(0, at, at + 32)
    setUint64(this.driver.view, at + 8, from)
    const command = { opcode: COPY, nsid: 1, cdw10: block, prp1: at }
    // The source may be written while it is read: it is kept busy too.
    this.#busyBlocks.set(from, (this.#busyBlocks.get(from) ?? 0) + 1)
    this.#send(command, block, this.#sent[from]?.at(-1) ?? 0, false, () => this.#free(from))
  }

  #flush(): void {
    this.flushes++
    // Certain afterwards: what had ended when it was sent.
    const before = [...this.#ended]
    const cid = this.driver.push(1, { opcode: FLUSH, nsid: 1 })
    this.driver.ring(1)
    this.#underWay.set(cid, {
      ended: () => {
        for (const [block, at] of before.entries()) this.#isCertain(block, at)
      },
    })
  }

  #isCertain(block: number, at: number): void {
    this.#certain[block] = Math.max(this.#certain[block] ?? 0, at)
  }

  #busy(block: number): boolean {
    return this.#underWay.size > 20 || this.#generation > 240 || this.#busyBlocks.has(block)
  }

  #free(block: number): void {
    const left = (this.#busyBlocks.get(block) ?? 1) - 1
    if (left === 0) this.#busyBlocks.delete(block)
    else this.#busyBlocks.set(block, left)
  }

  #next(): Generation {
    this.#generation++
    return this.#generation
  }

  #send(
    command: Parameters<RawDriver['push']>[1],
    block: number,
    generation: Generation,
    fua: boolean,
    over: () => void = () => {},
  ): void {
    this.#busyBlocks.set(block, (this.#busyBlocks.get(block) ?? 0) + 1)
    const sent = this.#sent[block] ?? []
    const at = sent.push(generation) - 1
    const cid = this.driver.push(1, command)
    this.driver.ring(1)
    this.#underWay.set(cid, {
      ended: () => {
        this.#free(block)
        over()
        this.#ended[block] = at
        if (fua) this.#isCertain(block, at)
      },
    })
  }

  #goOn(steps: number): void {
    const { scheduler } = this.driver
    function* some(): Op<void> {
      for (let i = 0; i < steps; i++) yield* yieldNow(scheduler)
    }
    scheduler.runSync('some', some())
    this.#reap()
  }

  #reap(): void {
    for (const { cid, status } of this.driver.reap(1)) {
      expect(status).toBe(0)
      this.#underWay.get(cid)?.ended()
      this.#underWay.delete(cid)
    }
  }
}

describe('the power goes at any step', () => {
  it.each([512, 4096] as const)('blocks of %i bytes: what was flushed is there', (blockBytes) => {
    let cutInFlight = 0
    let flushes = 0
    const steps = fc.array(fc.tuple(fc.nat(20), fc.nat(BLOCKS - 1)), { maxLength: 40 })
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.array(steps, { minLength: 1, maxLength: 4 }),
        (seed, lives) => {
          const drive = new Drive(seed, blockBytes)
          for (const life of lives) {
            for (const [kind, block] of life) drive.do(kind, block)
            drive.cut()
          }
          drive.finish()
          cutInFlight += drive.cutInFlight
          flushes += drive.flushes
        },
      ),
      { numRuns: 250, seed: 11 },
    )
    expect(cutInFlight).toBeGreaterThan(300)
    expect(flushes).toBeGreaterThan(150)
  })
})
