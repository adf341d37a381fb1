// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IovaAllocator } from '../../src/iommu/iova-allocator.ts'
import { IovaRanges } from '../../src/iommu/iova-ranges.ts'

const step = fc.record({
  free: fc.boolean(),
  pages: fc.integer({ min: 1, max: 70 }),
  pick: fc.nat(),
})

describe('IOVA ranges', () => {
  it('allocates exactly where a naive first fit from the top does', () => {
    const ranged = fc.record({
      free: fc.boolean(),
      pages: fc.integer({ min: 1, max: 20 }),
      align: fc.constantFrom(1, 2, 8, 16),
      limit: fc.integer({ min: 1, max: 130 }),
      pick: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(ranged, { maxLength: 60 }), (steps) => {
        const ranges = new IovaRanges(1, 120)
        const taken = new Array<boolean>(120).fill(false)
        const held: { pfn: number; pages: number }[] = []
        const naive = (pages: number, align: number, limit: number): number => {
          for (let pfn = Math.min(limit, 120) - pages; pfn >= 1; pfn--) {
            if (pfn % align === 0 && !taken.slice(pfn, pfn + pages).includes(true)) return pfn
          }
          return -1
        }
        for (const { free, pages, align, limit, pick } of steps) {
          if (free && held.length > 0) {
            const [item] = held.splice(pick % held.length, 1)
            if (!item) throw new Error('nothing held')
            ranges.free(item.pfn, item.pages)
            taken.fill(false, item.pfn, item.pfn + item.pages)
          } else {
            const pfn = ranges.alloc(pages, align, limit)
            expect(pfn).toBe(naive(pages, align, limit))
            if (pfn >= 0) {
              taken.fill(true, pfn, pfn + pages)
              held.push({ pfn, pages })
            }
          }
          expect(ranges.freePages).toBe(taken.slice(1).filter((used) => !used).length)
        }
        for (const { pfn, pages } of held) ranges.free(pfn, pages)
        expect(ranges.count).toBe(1)
        expect(ranges.freePages).toBe(119)
      }),
      { numRuns: 300, seed: 21 },
    )
  })

  it('asserts that nothing is freed twice', () => {
    const ranges = new IovaRanges(1, 100)
    const pfn = ranges.alloc(4, 4, 100)
    ranges.free(pfn, 4)
    expect(() => ranges.free(pfn, 4)).toThrow('twice')
    expect(() => new IovaRanges(5, 5)).toThrow('empty')
  })

  it('holds many holes', () => {
    const ranges = new IovaRanges(1, 1000)
    const pfns = Array.from({ length: 999 }, () => ranges.alloc(1, 1, 1000))
    expect(ranges.alloc(1, 1, 1000)).toBe(-1)
    for (const pfn of pfns) if (pfn % 2 === 0) ranges.free(pfn, 1)
    expect(ranges.count).toBe(499)
    expect(ranges.alloc(2, 1, 1000)).toBe(-1)
    for (const pfn of pfns) if (pfn % 2 === 1) ranges.free(pfn, 1)
    expect(ranges.count).toBe(1)
  })
})

describe('IOVA allocator with caches', () => {
  it('never gives out a page twice, aligns to the rounded size, and fails only when it must', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 64, max: 300 }),
        fc.array(step, { maxLength: 120 }),
        (limit, steps) => {
          const iova = new IovaAllocator(limit)
          const taken = new Array<boolean>(limit).fill(false)
          const held: { pfn: number; pages: number; rounded: number }[] = []
          for (const { free, pages, pick } of steps) {
            if (free && held.length > 0) {
              const [item] = held.splice(pick % held.length, 1)
              if (!item) throw new Error('nothing held')
              iova.free(item.pfn, item.pages)
              taken.fill(false, item.pfn, item.pfn + item.rounded)
              continue
            }
            const rounded = iova.roundedPages(pages)
            const pfn = iova.alloc(pages)
            const align = 2 ** Math.ceil(Math.log2(pages))
            if (pfn < 0) {
              for (let at = align; at + rounded <= limit; at += align) {
                expect(taken.slice(at, at + rounded)).toContain(true)
              }
              continue
            }
            expect(pfn).toBeGreaterThan(0)
            expect(pfn % align).toBe(0)
            expect(pfn + rounded).toBeLessThanOrEqual(limit)
            expect(taken.slice(pfn, pfn + rounded)).not.toContain(true)
            taken.fill(true, pfn, pfn + rounded)
            held.push({ pfn, pages, rounded })
          }
          const used = taken.filter((value) => value).length
          expect(iova.freePages + iova.cachedPages + used).toBe(limit - 1)
        },
      ),
      { numRuns: 300, seed: 22 },
    )
  })

  it('gives a freed page number to the next request of its size', () => {
    const iova = new IovaAllocator(2 ** 30)
    const a = iova.alloc(3)
    iova.free(a, 3)
    expect(iova.cachedPages).toBe(4)
    expect(iova.alloc(4)).toBe(a)
    const large = iova.alloc(33)
    iova.free(large, 33)
    expect(iova.cachedPages).toBe(0)
  })

  it('gives back what no longer fits in a cache', () => {
    const iova = new IovaAllocator(2 ** 30)
    const before = iova.freePages
    const pfns = Array.from({ length: 5000 }, () => iova.alloc(1))
    for (const pfn of pfns) iova.free(pfn, 1)
    expect(iova.cachedPages).toBeLessThanOrEqual(34 * 127)
    expect(iova.freePages + iova.cachedPages).toBe(before)
    expect(new Set(Array.from({ length: 5000 }, () => iova.alloc(1))).size).toBe(5000)
  })

  it('stays below 2 GiB as long as there is room, then goes above', () => {
    const iova = new IovaAllocator(2 ** 30)
    expect(iova.alloc(1)).toBe(2 ** 19 - 1)
    const high = iova.alloc(2 ** 18)
    expect(high).toBeGreaterThanOrEqual(2 ** 19)
    expect(iova.alloc(2 ** 18)).toBeGreaterThanOrEqual(2 ** 19)
    iova.free(high, 2 ** 18)
    expect(iova.alloc(1)).toBe(2 ** 19 - 2)
    expect(() => iova.alloc(2 ** 30 + 1)).toThrow('too many')
  })

  it('takes a cached page above the low limit before it breaks a range', () => {
    const iova = new IovaAllocator(2 ** 20)
    const low: number[] = []
    // Uses all of the low half up: 2^19 - 1 pages, in runs of 2^15 and below.
    for (let size = 2 ** 15; size >= 1; size /= 2) {
      for (;;) {
        const pfn = iova.alloc(size)
        if (pfn >= 2 ** 19) {
          iova.free(pfn, size)
          break
        }
        low.push(pfn)
      }
    }
    const high = iova.alloc(1)
    expect(high).toBeGreaterThanOrEqual(2 ** 19)
    iova.free(high, 1)
    expect(iova.alloc(1)).toBe(high)
  })
})
