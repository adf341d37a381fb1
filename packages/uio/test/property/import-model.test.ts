// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { Errno } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Iovec,
  IovIter,
  ITER_DEST,
  ITER_SOURCE,
  IterType,
  importIovec,
  importUbuf,
  MAX_RW_COUNT,
  UIO_MAXIOV,
} from '../../src/index.ts'

const USER_END = 2 ** 43

const lengths = fc.oneof(
  { weight: 8, arbitrary: fc.nat(100_000) },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, MAX_RW_COUNT - 1, MAX_RW_COUNT, 2 ** 32, 2 ** 40) },
  { weight: 1, arbitrary: fc.constantFrom(-1, -(2 ** 40), 0.5, 2 ** 53) },
)
const ranges: fc.Arbitrary<Iovec> = fc.record({
  frame: fc.oneof(
    { weight: 8, arbitrary: fc.nat(2 ** 30) },
    { weight: 1, arbitrary: fc.constantFrom(-1, USER_END / PAGE_SIZE - 1, USER_END / PAGE_SIZE) },
  ),
  offsetBytes: fc.nat(PAGE_SIZE - 1),
  lengthBytes: lengths,
})

/** What import gives: an error, or the length that each range is cut to. */
function predict(vector: readonly Iovec[], nrSegs: number): number | number[] {
  if (nrSegs < 0 || nrSegs > UIO_MAXIOV) return -Errno.EINVAL
  if (nrSegs > vector.length) return -Errno.EFAULT
  const used = vector.slice(0, nrSegs)
  if (used.some(({ lengthBytes }) => !Number.isSafeInteger(lengthBytes) || lengthBytes < 0)) {
    return -Errno.EINVAL
  }
  let left = MAX_RW_COUNT
  const cut: number[] = []
  for (const { frame, offsetBytes, lengthBytes } of used) {
    const address = frame * PAGE_SIZE + offsetBytes
    // One range is cut before it is looked at, several after: as the kernel does.
    const looked = nrSegs === 1 ? Math.min(lengthBytes, MAX_RW_COUNT) : lengthBytes
    if (address < 0 || address + looked > USER_END) return -Errno.EFAULT
    cut.push(Math.min(lengthBytes, left))
    left -= Math.min(lengthBytes, left)
  }
  return cut
}

describe('import against a naive check', () => {
  it('any vector gives what its ranges say one by one, or the error of the first that is wrong', () => {
    const met = new Set<number>()
    fc.assert(
      fc.property(
        fc.array(ranges, { maxLength: 6 }),
        fc.constantFrom(ITER_DEST, ITER_SOURCE),
        fc.oneof(fc.constant(0), fc.constantFrom(-1, 1, UIO_MAXIOV + 1)),
        (vector, direction, extra) => {
          const nrSegs = vector.length + extra
          const given = structuredClone(vector)
          const copies: Iovec[] = []
          const iter = new IovIter()
          iter.initDiscard(ITER_DEST, 77)
          const result = importIovec(direction, vector, nrSegs, copies, iter)
          const wanted = predict(vector, nrSegs)
          expect(vector).toEqual(given)
          if (typeof wanted === 'number') {
            met.add(wanted)
            expect(result).toBe(wanted)
            expect([iter.iterType, iter.countBytes]).toEqual([IterType.DISCARD, 77])
            return
          }
          const total = wanted.reduce((sum, length) => sum + length, 0)
          met.add(Math.min(total, 1))
          expect(result).toBe(total)
          expect([iter.countBytes, iter.dataSource]).toEqual([total, direction])
          if (nrSegs === 1) {
            expect(iter.iterType).toBe(IterType.UBUF)
            return
          }
          expect([iter.iterType, iter.nrSegs]).toEqual([IterType.IOVEC, nrSegs])
          expect(iter.segments.slice(0, nrSegs).map((each) => each.lengthBytes)).toEqual(wanted)
        },
      ),
      { numRuns: 2000, seed: 11 },
    )
    expect(met).toEqual(new Set([-Errno.EINVAL, -Errno.EFAULT, 0, 1]))
  })

  it('so does a single range', () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const iter = new IovIter()
        const wanted = predict([range], 1)
        const result = importUbuf(ITER_SOURCE, range, iter)
        expect(result).toBe(typeof wanted === 'number' ? wanted : 0)
        expect(iter.countBytes).toBe(typeof wanted === 'number' ? 0 : wanted[0])
      }),
      { numRuns: 1000 },
    )
  })
})
