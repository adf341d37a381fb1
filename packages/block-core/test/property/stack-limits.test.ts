// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng, type Prng } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  bioAdvance,
  bioSplitToLimits,
  blkSetStackingLimits,
  blkStackLimits,
  type QueueLimits,
  ReqOp,
  type StackingLimits,
  validateLimits,
} from '../../src/index.ts'
import { EndRecorder } from '../support.ts'

const OPS = [ReqOp.READ, ReqOp.WRITE, ReqOp.DISCARD, ReqOp.WRITE_ZEROES, ReqOp.SECURE_ERASE]
const OFTEN = 1500

/**
 * Lower limits of which all vary, but for what the kernel's rules of stacking do not keep: virtual boundaries that differ, or
 * stand beside a segment size, preferred sizes beyond the cap, and bounds of an administrator on discards.
 */
function lowerLimits(random: Prng, virtBoundaryMask: number): QueueLimits {
  const logical = 512 << random.below(4)
  const granularity = logical << random.below(5)
  const virt = random.below(2) * virtBoundaryMask
  return validateLimits({
    logicalBlockSizeBytes: logical,
    physicalBlockSizeBytes: logical << random.below(3),
    maxHwSectors: 16 + random.below(200),
    maxUserSectors: random.below(2) * (16 + random.below(100)),
    maxSegments: 1 + random.below(12),
    maxSegmentSizeBytes: virt > 0 ? 0xffff_ffff : 4096 * (1 + random.below(5)),
    segBoundaryMask: 4096 * 2 ** random.below(5) - 1,
    virtBoundaryMask: virt,
    dmaAlignmentMask: 2 ** random.below(10) - 1,
    chunkSectors: random.below(2) * 64 * (1 + random.below(6)),
    maxHwDiscardSectors: 256 + random.below(300),
    discardGranularityBytes: granularity,
    maxSecureEraseSectors: 256 + random.below(300),
    maxWriteZeroesSectors: 16 + random.below(300),
  })
}

function stacked(lowers: readonly QueueLimits[], chunkSectors = 0): StackingLimits {
  const top = blkSetStackingLimits()
  top.chunkSectors = chunkSectors
  for (const lower of lowers) blkStackLimits(top, lower, 0)
  return top
}

function randomBio(random: Prng, limits: QueueLimits): Bio {
  const bio = new Bio()
  const op = OPS[random.below(OPS.length)] ?? ReqOp.READ
  const block = limits.logicalBlockSizeBytes
  bio.init(op, (block / 512) * random.below(1000), new EndRecorder())
  if (op !== ReqOp.READ && op !== ReqOp.WRITE) {
    bio.biIter.biSize = block * (1 + random.below(300))
    return bio
  }
  const vecs: BioVec[] = []
  for (let i = random.below(6); i >= 0; i--) {
    const offset = random.below(2) * 512 * random.below(8)
    vecs.push({
      frame: random.below(256),
      offsetBytes: offset,
      lengthBytes: block * (1 + random.below(20)),
    })
  }
  bio.biIoVec = vecs
  bio.biVcnt = vecs.length
  bio.biIter.biSize = vecs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
  return bio
}

/** One piece of a bio, at a place of a lower device. */
function pieceOf(bio: Bio, bytes: number, startSector: number): Bio {
  const piece = new Bio()
  piece.init(bio.biOpf, bio.biIter.biSector + startSector, bio.biEndIo)
  piece.biIoVec = bio.biIoVec
  piece.biVcnt = bio.biVcnt
  piece.biIter.biIdx = bio.biIter.biIdx
  piece.biIter.biBvecDone = bio.biIter.biBvecDone
  piece.biIter.biSize = bytes
  return piece
}

function lcm(values: readonly number[]): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
  return values.reduce((all, value) => (all / gcd(all, value)) * value, 1)
}

describe('stacking of limits', () => {
  it('what is cut for the device above, those below can do, wherever aligned data begin there', () => {
    let pieces = 0
    for (let seed = 1; seed <= OFTEN; seed++) {
      const random = createPrng(seed)
      const virtBoundaryMask = [511, 4095][random.below(2)] ?? 0
      const lowers = Array.from({ length: 1 + random.below(3) }, () =>
        lowerLimits(random, virtBoundaryMask),
      )
      const top = validateLimits(stacked(lowers))
      // A chunk that is no multiple of the physical block is given up, and then those below cut again.
      if (top.misaligned) continue
      const unit = lcm([
        ...lowers.map(({ chunkSectors }) => chunkSectors || 1),
        top.physicalBlockSizeBytes / 512,
        top.discardGranularityBytes / 512,
      ])
      const bio = randomBio(random, top)
      while (bio.biIter.biSize > 0) {
        const cut = bioSplitToLimits(bio, top)
        if (cut < 0) break
        const bytes = cut === 0 ? bio.biIter.biSize : cut
        for (const lower of lowers) {
          // Only what it cannot do, not where it had better end: above, another block decides that.
          const hard = { ...lower, physicalBlockSizeBytes: lower.logicalBlockSizeBytes }
          const piece = pieceOf(bio, bytes, unit * random.below(5))
          expect(bioSplitToLimits(piece, hard), `seed ${seed}`).toBe(0)
        }
        pieces++
        bioAdvance(bio, bytes)
      }
    }
    expect(pieces).toBeGreaterThan(OFTEN)
  })

  it('is that of a naive model, in whatever order devices are stacked', () => {
    for (let seed = 1; seed <= OFTEN; seed++) {
      const random = createPrng(seed)
      const lowers = Array.from({ length: 1 + random.below(4) }, () => lowerLimits(random, 4095))
      const of = (key: 'maxHwSectors' | 'maxUserSectors' | 'chunkSectors' | 'virtBoundaryMask') =>
        lowers.map((lower) => lower[key]).filter((value) => value > 0)
      const top = stacked(lowers)
      const most = (key: 'logicalBlockSizeBytes' | 'physicalBlockSizeBytes' | 'dmaAlignmentMask') =>
        Math.max(...lowers.map((lower) => lower[key]))
      const least = (key: 'maxSegments' | 'maxSegmentSizeBytes' | 'segBoundaryMask') =>
        Math.min(...lowers.map((lower) => lower[key]))
      const block = most('logicalBlockSizeBytes') / 512
      const down = (sectors: number) => Math.max(8, Math.floor(sectors / block) * block)
      const chunk = Math.max(0, ...divisors(of('chunkSectors')))
      const keepsChunk = chunk % (most('physicalBlockSizeBytes') / 512) === 0
      expect(top, `seed ${seed}`).toMatchObject({
        logicalBlockSizeBytes: block * 512,
        physicalBlockSizeBytes: most('physicalBlockSizeBytes'),
        dmaAlignmentMask: Math.max(511, most('dmaAlignmentMask')),
        maxHwSectors: down(Math.min(...of('maxHwSectors'))),
        maxUserSectors: Math.min(...of('maxUserSectors'), 2 ** 32) % 2 ** 32,
        maxSegments: least('maxSegments'),
        maxSegmentSizeBytes: least('maxSegmentSizeBytes'),
        segBoundaryMask: least('segBoundaryMask'),
        virtBoundaryMask: of('virtBoundaryMask')[0] ?? 0,
        ...(keepsChunk && !top.misaligned ? { chunkSectors: chunk } : {}),
      })
      if (top.misaligned) continue
      expect(stacked(lowers.toReversed()), `seed ${seed}, reversed`).toEqual(top)
    }
  })

  /** All that divide every value. */
  function divisors(values: readonly number[]): number[] {
    const least = Math.min(...values, 2 ** 12)
    const found: number[] = []
    for (let n = 1; values.length > 0 && n <= least; n++) {
      if (values.every((value) => value % n === 0)) found.push(n)
    }
    return found
  }
})
