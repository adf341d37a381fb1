// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaSegmentTable } from '@iolayers/dma-mapping'
import { Errno } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bioAdvance,
  bioSplitToLimits,
  maxIoSizeBytes,
  ReqFlags,
  ReqOp,
  splitDmabufBytes,
} from '../../src/index.ts'
import { dmabufBio, FakeMap, limitsOf } from '../support.ts'

/** Counts granules one block at a time, in integers of any size. */
function naiveSplit(init: {
  offset: bigint
  size: bigint
  granule: bigint
  maxSegments: bigint
  maxBytes: bigint
  block: bigint
}): bigint {
  const { offset, size, granule, maxSegments, maxBytes, block } = init
  const fits = (bytes: bigint): boolean => {
    const touched = (offset + bytes - 1n) / granule - offset / granule + 1n
    return bytes <= maxBytes && touched <= maxSegments
  }
  if (fits(size)) return 0n
  let low = 0n
  let high = size / block
  while (low < high) {
    const middle = (low + high + 1n) / 2n
    if (fits(middle * block)) low = middle
    else high = middle - 1n
  }
  return low === 0n ? -BigInt(Errno.EINVAL) : low * block
}

const cases = fc.record({
  blockShift: fc.integer({ min: 9, max: 12 }),
  granuleShift: fc.integer({ min: 9, max: 34 }),
  maxSegments: fc.integer({ min: 1, max: 300 }),
  maxBlocks: fc.integer({ min: 8, max: 1 << 16 }),
  offsetUnits: fc.integer({ min: 0, max: 2 ** 40 }),
  sizeBlocks: fc.integer({ min: 1, max: 1 << 20 }),
})

describe('splitting a dmabuf bio', () => {
  it('R-BIO-4: equals a naive model that counts granules in big integers', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const block = 2 ** c.blockShift
        const limits = limitsOf({
          logicalBlockSizeBytes: block,
          maxSegments: c.maxSegments,
          dmaAlignmentMask: 511,
        })
        const bytes = c.sizeBlocks * block
        const offset = c.offsetUnits * 512
        const map = new FakeMap(offset + bytes, c.granuleShift)
        const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset, bytes })
        const maxBytes = c.maxBlocks * 512
        const got = splitDmabufBytes(bio, limits, maxBytes)
        const want = naiveSplit({
          offset: BigInt(offset),
          size: BigInt(bytes),
          granule: 1n << BigInt(c.granuleShift),
          maxSegments: BigInt(c.maxSegments),
          maxBytes: BigInt(maxBytes),
          block: BigInt(block),
        })
        expect(BigInt(got)).toBe(want)
      }),
      { numRuns: 20_000, seed: 7 },
    )
  })

  it('R-BIO-4: the pieces are the original in order, and none touches more real segments than the limit', () => {
    const tables = fc.record({
      granuleShift: fc.integer({ min: 12, max: 16 }),
      multiples: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 40 }),
      maxSegments: fc.integer({ min: 1, max: 8 }),
      maxHwSectors: fc.integer({ min: 8, max: 600 }),
      startShare: fc.integer({ min: 0, max: 99 }),
      endShare: fc.integer({ min: 1, max: 100 }),
    })
    fc.assert(
      fc.property(tables, (c) => {
        const granule = 2 ** c.granuleShift
        const starts = [0]
        for (const n of c.multiples) starts.push((starts.at(-1) ?? 0) + n * granule)
        const total = starts.at(-1) ?? 0
        const table = new DmaSegmentTable(
          Float64Array.from(starts.slice(0, -1), (start) => start * 2),
          Float64Array.from(starts),
        )
        const map = new FakeMap(total, table.granuleShift)
        const limits = limitsOf({ maxSegments: c.maxSegments, maxHwSectors: c.maxHwSectors })
        const begin = Math.floor((total * c.startShare) / 100 / 512) * 512
        const bytes = Math.max(512, Math.floor(((total - begin) * c.endShare) / 100 / 512) * 512)
        const bio = dmabufBio(map, { op: ReqOp.READ, sector: 40, offset: begin, bytes })
        let at = begin
        while (bio.biIter.biSize > 0) {
          const cut = bioSplitToLimits(bio, limits)
          expect(cut).toBeGreaterThanOrEqual(0)
          const size = cut === 0 ? bio.biIter.biSize : cut
          expect(bio.biIter.biBvecDone).toBe(at)
          expect(bio.biIter.biSector).toBe(40 + (at - begin) / 512)
          expect(size % 512).toBe(0)
          expect(size).toBeLessThanOrEqual(maxIoSizeBytes(bio, limits))
          expect(table.find(at + size - 1) - table.find(at) + 1).toBeLessThanOrEqual(c.maxSegments)
          bioAdvance(bio, size)
          at += size
        }
        expect(at).toBe(begin + bytes)
      }),
      { numRuns: 2000, seed: 11 },
    )
  })

  it('S3: one segment of 1 GiB and 128 segments do not overflow 32 bits', () => {
    const limits = limitsOf({
      maxSegments: 128,
      maxHwSectors: 0xffff_ffff,
      maxUserSectors: 1 << 23,
    })
    const map = new FakeMap(2 ** 30, 30)
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 2 ** 30 })
    expect(splitDmabufBytes(bio, limits, 2 ** 32)).toBe(0)
    expect(splitDmabufBytes(bio, limits, 2 ** 20)).toBe(2 ** 20)
    const one = limitsOf({ maxSegments: 1, maxHwSectors: 0xffff_ffff })
    const late = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 2 ** 30 - 1024, bytes: 4096 })
    expect(splitDmabufBytes(late, one, 2 ** 32)).toBe(1024)
  })

  it('R-BIO-4: a cut that leaves no logical block is EINVAL', () => {
    const limits = limitsOf({ logicalBlockSizeBytes: 4096, maxSegments: 1 })
    const map = new FakeMap(1 << 20, 12)
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 512, bytes: 8192 })
    expect(splitDmabufBytes(bio, limits, 65_536)).toBe(-Errno.EINVAL)
  })

  it('R-BIO-4: offset against the DMA alignment, size against the logical block: EINVAL', () => {
    const limits = limitsOf({ logicalBlockSizeBytes: 4096, dmaAlignmentMask: 3 })
    const map = new FakeMap(1 << 20, 12)
    const at = (offset: number, bytes: number) =>
      splitDmabufBytes(dmabufBio(map, { op: ReqOp.READ, sector: 0, offset, bytes }), limits, 65_536)
    expect(at(2, 4096)).toBe(-Errno.EINVAL)
    expect(at(4, 4096)).toBe(0)
    expect(at(0, 512)).toBe(-Errno.EINVAL)
    const without = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 })
    without.biDmabufMap = null
    expect(splitDmabufBytes(without, limits, 65_536)).toBe(-Errno.EINVAL)
  })

  it('R-BIO-5: a needed split is EAGAIN for NOWAIT and EINVAL for an atomic write', () => {
    const limits = limitsOf({ maxSegments: 1 })
    const map = new FakeMap(1 << 20, 12)
    const bio = dmabufBio(map, { op: ReqOp.WRITE, sector: 0, offset: 0, bytes: 8192 })
    bio.biOpf |= ReqFlags.NOWAIT
    expect(bioSplitToLimits(bio, limits)).toBe(-Errno.EAGAIN)
    bio.biOpf |= ReqFlags.ATOMIC
    expect(bioSplitToLimits(bio, limits)).toBe(-Errno.EINVAL)
  })
})
