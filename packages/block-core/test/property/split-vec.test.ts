// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  BlkStatus,
  bioAdvance,
  bioSplitToLimits,
  maxIoSizeBytes,
  type QueueLimits,
  ReqOp,
  splitVecBytes,
} from '../../src/index.ts'
import { EndRecorder, limitsOf, runBio } from '../support.ts'

/** Adds one sector after the other to the request, and stops at the first that breaks a rule. */
function naiveSplit(vecs: readonly BioVec[], limits: QueueLimits, maxBytes: number): number {
  let segments = 0
  let segmentBytes = 0
  let bytes = 0
  let previousEnd = -1
  const total = vecs.reduce((sum, vec) => sum + vec.lengthBytes, 0)
  for (const vec of vecs) {
    const start = vec.frame * 4096 + vec.offsetBytes
    for (let done = 0; done < vec.lengthBytes; done += 512) {
      const addr = start + done
      const begins = done === 0
      const virt = limits.virtBoundaryMask
      if (begins && previousEnd >= 0 && virt > 0) {
        if (previousEnd % (virt + 1) !== 0 || addr % (virt + 1) !== 0) return round(bytes, limits)
      }
      const atBoundary = addr % (limits.segBoundaryMask + 1) === 0
      const full = segmentBytes + 512 > limits.maxSegmentSizeBytes
      if (begins || atBoundary || full) {
        segments++
        segmentBytes = 0
      }
      if (segments > limits.maxSegments || bytes + 512 > maxBytes) return round(bytes, limits)
      segmentBytes += 512
      bytes += 512
    }
    previousEnd = start + vec.lengthBytes
  }
  return bytes === total ? 0 : round(bytes, limits)
}

function round(bytes: number, limits: QueueLimits): number {
  const cut = bytes - (bytes % limits.logicalBlockSizeBytes)
  return cut > 0 ? cut : -Errno.EINVAL
}

const vecs = fc.array(
  fc.record({
    frame: fc.integer({ min: 0, max: 64 }),
    offsetBytes: fc.integer({ min: 0, max: 7 }).map((n) => n * 512),
    lengthBytes: fc.integer({ min: 1, max: 40 }).map((n) => n * 512),
  }),
  { minLength: 1, maxLength: 12 },
)
const limitInits = fc.record({
  logicalBlockSizeBytes: fc.constantFrom(512, 1024, 4096),
  maxSegments: fc.integer({ min: 1, max: 10 }),
  maxSegmentSizeBytes: fc.constantFrom(4096, 8192, 12_288, 65_536),
  segBoundaryMask: fc.constantFrom(4095, 16_383, 0xffff_ffff),
  maxHwSectors: fc.integer({ min: 8, max: 200 }),
})

function vecBio(list: readonly BioVec[], sector = 0): Bio {
  const bio = new Bio()
  bio.init(ReqOp.READ, sector, new EndRecorder())
  bio.biIoVec = list
  bio.biVcnt = list.length
  bio.biIter.biSize = list.reduce((sum, vec) => sum + vec.lengthBytes, 0)
  return bio
}

describe('splitting a bio with a vector', () => {
  it('equals a naive model that adds sector after sector', () => {
    fc.assert(
      fc.property(vecs, limitInits, (list, init) => {
        const limits = limitsOf(init)
        const maxBytes = limits.maxSectors * 512
        expect(splitVecBytes(vecBio(list), limits, maxBytes)).toBe(
          naiveSplit(list, limits, maxBytes),
        )
      }),
      { numRuns: 10_000, seed: 3 },
    )
  })

  it('the same with a virtual boundary', () => {
    fc.assert(
      fc.property(vecs, fc.integer({ min: 1, max: 10 }), (list, maxSegments) => {
        const limits = limitsOf({ maxSegments, virtBoundaryMask: 4095 })
        const maxBytes = limits.maxSectors * 512
        expect(splitVecBytes(vecBio(list), limits, maxBytes)).toBe(
          naiveSplit(list, limits, maxBytes),
        )
      }),
      { numRuns: 5000, seed: 4 },
    )
  })

  it('the pieces are the original in order, and end at chunks and physical blocks', () => {
    const more = fc.record({
      chunkSectors: fc.constantFrom(0, 16, 24, 64),
      physicalBlockSizeBytes: fc.constantFrom(512, 4096),
      maxHwSectors: fc.integer({ min: 8, max: 200 }),
      sector: fc.integer({ min: 0, max: 100 }),
    })
    fc.assert(
      fc.property(vecs, more, (list, c) => {
        const limits = limitsOf(c)
        const bio = vecBio(list, c.sector)
        const end = c.sector + bio.biIter.biSize / 512
        while (bio.biIter.biSize > 0) {
          const cut = bioSplitToLimits(bio, limits)
          expect(cut).toBeGreaterThanOrEqual(0)
          const size = cut === 0 ? bio.biIter.biSize : cut
          const { biSector } = bio.biIter
          expect(size).toBeLessThanOrEqual(maxIoSizeBytes(bio, limits))
          if (c.chunkSectors > 0) {
            const last = biSector + size / 512 - 1
            expect(Math.floor(last / c.chunkSectors)).toBe(Math.floor(biSector / c.chunkSectors))
          }
          bioAdvance(bio, size)
        }
        expect(bio.biIter.biSector).toBe(end)
      }),
      { numRuns: 3000, seed: 5 },
    )
  })

  it('memory off the DMA alignment is EINVAL', () => {
    const limits = limitsOf({ dmaAlignmentMask: 3 })
    const bio = vecBio([{ frame: 1, offsetBytes: 2, lengthBytes: 512 }])
    expect(bioSplitToLimits(bio, limits)).toBe(-Errno.EINVAL)
  })

  it('empty entries are stepped over', () => {
    const limits = limitsOf({ maxSegments: 1 })
    const none = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
    const bio = vecBio([none, { frame: 1, offsetBytes: 0, lengthBytes: 512 }, none])
    expect(bioSplitToLimits(bio, limits)).toBe(0)
  })
})

describe('splitting bios without data', () => {
  it('discard is cut at its granularity, write zeroes at its bound', () => {
    const limits = limitsOf({
      maxHwDiscardSectors: 100,
      discardGranularityBytes: 8 * 512,
      maxWriteZeroesSectors: 64,
    })
    const discard = runBio({ op: ReqOp.DISCARD, sector: 3, bytes: 512 * 1000 })
    expect(bioSplitToLimits(discard, limits)).toBe(93 * 512)
    const small = runBio({ op: ReqOp.DISCARD, sector: 3, bytes: 512 * 90 })
    expect(bioSplitToLimits(small, limits)).toBe(0)
    const zeroes = runBio({ op: ReqOp.WRITE_ZEROES, sector: 3, bytes: 512 * 65 })
    expect(bioSplitToLimits(zeroes, limits)).toBe(64 * 512)
    const other = runBio({ op: ReqOp.DRV_IN, sector: 0, bytes: 1 << 20 })
    expect(bioSplitToLimits(other, limits)).toBe(0)
    expect(bioSplitToLimits(runBio({ op: ReqOp.READ, sector: 0, bytes: 0 }), limits)).toBe(
      BlkStatus.OK,
    )
  })
})
