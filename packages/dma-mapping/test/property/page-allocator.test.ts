// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { orderFor, PageAllocator } from '../../src/memory/page-allocator.ts'

interface Held {
  index: number
  count: number
  order: number
}

/** Which frames are taken, and nothing else. */
class Model {
  readonly taken: boolean[]
  constructor(frames: number) {
    this.taken = new Array<boolean>(frames).fill(false)
  }

  set(index: number, count: number, value: boolean): void {
    for (let i = index; i < index + count; i++) {
      expect(this.taken[i]).toBe(!value)
      this.taken[i] = value
    }
  }

  get free(): number {
    return this.taken.filter((taken) => !taken).length
  }

  /** True if a free run of `count` frames begins at a multiple of `align`. */
  hasRun(count: number, align: number): boolean {
    for (let start = 0; start + count <= this.taken.length; start += align) {
      if (!this.taken.slice(start, start + count).includes(true)) return true
    }
    return false
  }
}

function checkBlocks(pages: PageAllocator, model: Model): void {
  const free = new Map<number, number>()
  let end = 0
  pages.forEachBlock((index, order, allocated) => {
    expect(index).toBe(end)
    expect(index % (1 << order)).toBe(0)
    end = index + (1 << order)
    for (let i = index; i < end; i++) expect(model.taken[i]).toBe(allocated)
    if (!allocated) free.set(index, order)
  })
  expect(end).toBe(model.taken.length)
  for (const [index, order] of free) {
    if (order < 10) expect(free.get(index ^ (1 << order))).not.toBe(order)
  }
}

const step = fc.oneof(
  fc.record({ op: fc.constant('alloc' as const), order: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ op: fc.constant('contiguous' as const), count: fc.integer({ min: 1, max: 70 }) }),
  fc.record({ op: fc.constant('free' as const), pick: fc.nat() }),
)

describe('buddy allocator', () => {
  it('agrees with a naive model after every step, merges all buddies, and leaks nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 150 }),
        fc.array(step, { maxLength: 60 }),
        (frames, steps) => {
          const pages = new PageAllocator(frames)
          const model = new Model(frames)
          const held: Held[] = []
          for (const action of steps) {
            if (action.op === 'alloc') {
              const index = pages.alloc(action.order)
              const count = 1 << action.order
              expect(index >= 0).toBe(model.hasRun(count, count))
              if (index >= 0) {
                model.set(index, count, true)
                held.push({ index, count, order: action.order })
              }
            } else if (action.op === 'contiguous') {
              const index = pages.allocContiguous(action.count)
              if (index < 0) expect(model.hasRun(action.count, 1)).toBe(false)
              else {
                model.set(index, action.count, true)
                held.push({ index, count: action.count, order: -1 })
              }
            } else if (held.length > 0) {
              const [item] = held.splice(action.pick % held.length, 1)
              if (!item) throw new Error('nothing held')
              if (item.order >= 0) pages.free(item.index, item.order)
              else pages.freeContiguous(item.index, item.count)
              model.set(item.index, item.count, false)
            }
            checkBlocks(pages, model)
            expect(pages.freeFrames).toBe(model.free)
          }
          for (const item of held) {
            if (item.order >= 0) pages.free(item.index, item.order)
            else pages.freeContiguous(item.index, item.count)
            model.set(item.index, item.count, false)
          }
          checkBlocks(pages, model)
          expect(pages.freeFrames).toBe(frames)
        },
      ),
      { numRuns: 300, seed: 11 },
    )
  })

  it('serves runs larger than the largest block', () => {
    const pages = new PageAllocator(5000)
    const small = pages.alloc(0)
    const index = pages.allocContiguous(3001)
    expect(index).toBe(0)
    expect(pages.freeFrames).toBe(5000 - 3002)
    expect(pages.allocContiguous(3001)).toBe(-1)
    pages.freeContiguous(index, 3001)
    pages.free(small, 0)
    expect(pages.allocContiguous(5000)).toBe(0)
  })

  it('frees a contiguous range only as a whole', () => {
    const pages = new PageAllocator(64)
    const a = pages.allocContiguous(8)
    const b = pages.allocContiguous(7)
    expect(b).toBe(a + 8)
    expect(() => pages.freeContiguous(a, 7)).toThrow('longer')
    expect(() => pages.freeContiguous(a, 15)).toThrow('shorter')
    expect(() => pages.freeContiguous(a, 4)).toThrow('longer')
    expect(() => pages.freeContiguous(b, 6)).toThrow('longer')
    expect(() => pages.freeContiguous(b + 4, 3)).toThrow('begins')
    expect(() => pages.free(a, 3)).toThrow('no such')
    pages.freeContiguous(b, 7)
    pages.freeContiguous(a, 8)
    expect(pages.freeFrames).toBe(64)
  })

  it('rounds to orders as get_order does', () => {
    expect([1, 2, 3, 4, 5, 1023, 1024, 1025].map(orderFor)).toEqual([0, 1, 2, 2, 3, 10, 10, 11])
  })
})
