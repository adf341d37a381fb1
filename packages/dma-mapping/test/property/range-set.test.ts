// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RangeSet } from '../../src/debug/range-set.ts'

const SIZE = 40

describe('RangeSet', () => {
  it('agrees with a set of bytes after every step', () => {
    const step = fc.record({ add: fc.boolean(), a: fc.nat(SIZE), b: fc.nat(SIZE) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const set = new RangeSet()
        const model = new Set<number>()
        for (const { add, a, b } of steps) {
          if (add) set.add(a, b)
          else set.remove(a, b)
          for (let i = a; i < b; i++) {
            if (add) model.add(i)
            else model.delete(i)
          }
          expect(set.isEmpty).toBe(model.size === 0)
          for (let i = 0; i < SIZE; i++) expect(set.covers(i, i + 1)).toBe(model.has(i))
          const inside = Array.from({ length: Math.max(0, b - a) }, (_, i) => model.has(a + i))
          expect(set.covers(a, b)).toBe(!inside.includes(false))
          expect(set.intersects(a, b)).toBe(inside.includes(true))
        }
        let runs = 0
        for (let i = 0; i < SIZE; i++) if (model.has(i) && !model.has(i - 1)) runs++
        expect(set.count).toBe(runs)
        expect(set.clone().count).toBe(runs)
      }),
      { numRuns: 300, seed: 3 },
    )
  })

  it('is made of ranges in any order', () => {
    const set = RangeSet.of(Float64Array.of(30, 0, 10, 5), Float64Array.of(5, 10, 5, 2))
    expect(set.count).toBe(2)
    expect(set.covers(0, 15)).toBe(true)
    expect(set.covers(30, 35)).toBe(true)
    expect(set.intersects(15, 30)).toBe(false)
  })
})
