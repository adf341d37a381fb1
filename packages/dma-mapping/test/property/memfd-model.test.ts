// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemfd, MemfdFlags, MemfdSeals, PAGE_SIZE } from '../../src/index.ts'
import { makeBench, pattern, same } from '../support.ts'

const { F_SEAL_GROW, F_SEAL_SHRINK } = MemfdSeals
const SIZE_MAX = 6 * PAGE_SIZE

const place = fc.oneof(
  fc.integer({ min: 0, max: SIZE_MAX }),
  fc.integer({ min: 0, max: 6 }).map((page) => page * PAGE_SIZE),
)
const action = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), at: place, length: fc.nat(3 * PAGE_SIZE) }),
  fc.record({ kind: fc.constant('truncate' as const), at: place, length: fc.constant(0) }),
  fc.record({
    kind: fc.constant('punch' as const),
    at: place,
    length: fc.integer({ min: 1, max: 3 * PAGE_SIZE }),
  }),
  fc.record({ kind: fc.constant('pin' as const), at: place, length: fc.constant(0) }),
)

/** A file as one array; a byte is absent behind its end. */
class Model {
  bytes: Uint8Array = new Uint8Array(0)

  write(data: Uint8Array, at: number): void {
    if (data.length === 0) return
    this.truncate(Math.max(this.bytes.length, at + data.length))
    this.bytes.set(data, at)
  }

  truncate(size: number): void {
    const bytes = new Uint8Array(size)
    bytes.set(this.bytes.subarray(0, size))
    this.bytes = bytes
  }

  punch(at: number, length: number): void {
    this.bytes.fill(0, at, at + length)
  }
}

describe('a memory file against an array', () => {
  it('has the same bytes and size after every step, under any size seals, and gives every page back', () => {
    const property = fc.property(
      fc.array(action, { maxLength: 20 }),
      fc.constantFrom(0, F_SEAL_GROW, F_SEAL_SHRINK),
      fc.nat(20),
      (actions, seal, sealAt) => {
        const bench = makeBench(64, { checked: true })
        const { memory, scheduler } = bench
        const free = memory.stats.pagesFree
        const run = <T>(op: Op<T>): T => scheduler.runSync('test', op)
        const memfd = createMemfd(bench, 'model', { flags: MemfdFlags.MFD_ALLOW_SEALING })
        const model = new Model()
        const pins: { unpin(): void }[] = []
        actions.forEach((step, i) => {
          if (i === sealAt) run(memfd.addSeals(seal))
          const sealed = memfd.getSeals()
          const data = pattern(step.length, i)
          if (step.kind === 'write') {
            const written = attempt(() => run(memfd.write(data, step.at)))
            const fits =
              (sealed & F_SEAL_GROW) === 0 ? data.length : fitting(model, step.at, data.length)
            expect(written).toBe(fits === 0 && data.length > 0 ? 'EPERM' : fits)
            model.write(data.subarray(0, fits), step.at)
          } else if (step.kind === 'truncate') {
            const refused = step.at < model.bytes.length ? F_SEAL_SHRINK : F_SEAL_GROW
            const denied = step.at !== model.bytes.length && (sealed & refused) !== 0
            expect(attempt(() => run(memfd.truncate(step.at)))).toBe(denied ? 'EPERM' : undefined)
            if (!denied) model.truncate(step.at)
          } else if (step.kind === 'punch') {
            run(memfd.punchHole(step.at, step.length))
            model.punch(step.at, step.length)
          } else {
            const first = Math.floor(step.at / PAGE_SIZE) * PAGE_SIZE
            const inside = first + PAGE_SIZE <= model.bytes.length
            const pin = attempt(() => run(memfd.pin(first, PAGE_SIZE)))
            if (typeof pin === 'object') pins.push(pin)
            expect(inside ? typeof pin : pin).toBe(inside ? 'object' : 'EINVAL')
          }
          expect(memfd.sizeBytes).toBe(model.bytes.length)
          const found = new Uint8Array(model.bytes.length)
          expect(memfd.read(found, 0)).toBe(found.length)
          expect(same(found, model.bytes)).toBe(true)
        })
        memfd.file.put()
        for (const pin of pins) pin.unpin()
        expect(memory.stats.pagesFree).toBe(free)
        expect(bench.kernel.reports).toEqual([])
      },
    )
    fc.assert(property, { numRuns: 200, seed: 7 })
  })
})

/** How much of a write fits when the file may not grow: what goes into a page goes in as a whole. */
function fitting(model: Model, at: number, length: number): number {
  let done = 0
  while (done < length) {
    const count = Math.min(length - done, PAGE_SIZE - ((at + done) % PAGE_SIZE))
    if (at + done + count > model.bytes.length) break
    done += count
  }
  return done
}

function attempt<T>(body: () => T): T | string {
  try {
    return body()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    throw error
  }
}
