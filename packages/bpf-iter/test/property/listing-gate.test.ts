// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDmabufIterTarget, dmabufTextProgram } from '../../src/dmabuf/index.ts'
import { ITER_BUFFER_BYTES, type IterContext, type IterSource } from '../../src/index.ts'
import { Bench, EAGAIN, type TestBuffer } from '../support.ts'

/** A list of n buffers that counts what a listing costs. */
class CountedSource implements IterSource<TestBuffer> {
  readonly #list: readonly TestBuffer[]
  readonly #at = new Map<TestBuffer, number>()
  calls = 0
  returned = 0
  held = 0
  heldMax = 0

  constructor(count: number) {
    this.#list = Array.from({ length: count }, (_, i) => ({
      inode: count - i,
      sizeBytes: 4096,
      name: '',
      exporterName: 'system',
      refs: 1,
    }))
    for (const [i, buffer] of this.#list.entries()) this.#at.set(buffer, i)
  }

  begin(): TestBuffer | null {
    return this.#take(0)
  }

  next(current: TestBuffer): TestBuffer | null {
    this.put()
    return this.#take((this.#at.get(current) ?? 0) + 1)
  }

  put(): void {
    this.held -= 1
  }

  show(): string {
    throw new Error('the program shows')
  }

  #take(index: number): TestBuffer | null {
    this.calls += 1
    const buffer = this.#list[index] ?? null
    if (buffer === null) return null
    this.returned += 1
    this.held += 1
    this.heldMax = Math.max(this.held, this.heldMax)
    return buffer
  }
}

interface Cost {
  readonly source: CountedSource
  readonly inodes: readonly number[]
  readonly buffers: ReadonlySet<ArrayBufferLike>
}

/** Lists n buffers, with reads of the given sizes in turn, and a program that wants some objects again. */
function list(count: number, sizes: readonly number[], retries: readonly number[]): Cost {
  const bench = new Bench()
  const source = new CountedSource(count)
  const buffers = new Set<ArrayBufferLike>()
  let shows = 0
  const file = bench.open(createDmabufIterTarget(source), (context: IterContext<TestBuffer>) => {
    buffers.add(context.meta.seq.bytes.buffer)
    shows += 1
    if (retries.includes(shows)) return 1
    return dmabufTextProgram(context)
  })
  let text = ''
  for (let reads = 0; ; reads += 1) {
    const got = bench.read(file, sizes[reads % sizes.length] ?? 1)
    if (got === '') break
    if (got !== EAGAIN) text += got
  }
  file.put()
  const inodes = text.split('\n').filter((_, i) => i % 4 === 0)
  return { source, inodes: inodes.slice(0, -1).map(Number), buffers }
}

describe('what a listing costs', () => {
  it('R-ITER-1, R-ITER-3, R-ITER-7: begin and next return a buffer n times in n + 1 calls, whatever the reads and retries', () => {
    fc.assert(
      fc.property(
        fc.nat(120),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40_000 })), {
          minLength: 1,
          maxLength: 4,
        }),
        // From the first show on: retries of the first element among them, several in a row.
        fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }))),
        (count, sizes, retries) => {
          const { source, inodes, buffers } = list(count, sizes, retries)
          expect(inodes).toEqual(Array.from({ length: count }, (_, i) => count - i))
          expect([source.returned, source.calls]).toEqual([count, count + 1])
          expect(source.heldMax).toBe(Math.min(count, 1))
          expect(source.held).toBe(0)
          expect(buffers.size).toBe(Math.min(count, 1))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('R-ITER-3, R-ITER-4: 10,000 buffers take no more than one buffer of 8 pages and one reference', () => {
    for (const size of [46, 4096, 1 << 20]) {
      const { source, inodes, buffers } = list(10_000, [size], [])
      expect(inodes.length).toBe(10_000)
      expect([source.returned, source.calls, source.heldMax]).toEqual([10_000, 10_001, 1])
      expect([...buffers].map(({ byteLength }) => byteLength)).toEqual([ITER_BUFFER_BYTES])
    }
  })

  it('R-ITER-7: k retries of the first element in a row lose, double and keep nothing', () => {
    for (let k = 1; k <= 20; k += 1) {
      for (const size of [1, 64, 1 << 20]) {
        const { source, inodes } = list(
          5,
          [size],
          Array.from({ length: k }, (_, i) => i + 1),
        )
        expect(inodes).toEqual([5, 4, 3, 2, 1])
        expect([source.calls, source.heldMax, source.held]).toEqual([6, 1, 0])
      }
    }
  })
})
