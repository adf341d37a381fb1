// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BIO_MAX_VECS } from '../bio/bio-build.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import {
  isPowerOfTwo,
  requireCount,
  requireLimit,
  requirePowerOfTwo,
  rounddownPowOfTwo,
  UINT_MAX,
} from './limit-checks.ts'
import type { QueueLimits } from './queue-limits.ts'

const PAGE_SIZE = 4096

type AtomicHwLimits = Pick<
  QueueLimits,
  | 'atomicWriteHwMaxBytes'
  | 'atomicWriteHwBoundaryBytes'
  | 'atomicWriteHwUnitMinBytes'
  | 'atomicWriteHwUnitMaxBytes'
>

export type AtomicLimits = AtomicHwLimits &
  Pick<
    QueueLimits,
    | 'atomicWriteMaxSectors'
    | 'atomicWriteBoundarySectors'
    | 'atomicWriteUnitMinBytes'
    | 'atomicWriteUnitMaxBytes'
  >

const NONE: AtomicLimits = {
  atomicWriteHwMaxBytes: 0,
  atomicWriteHwBoundaryBytes: 0,
  atomicWriteHwUnitMinBytes: 0,
  atomicWriteHwUnitMaxBytes: 0,
  atomicWriteMaxSectors: 0,
  atomicWriteBoundarySectors: 0,
  atomicWriteUnitMinBytes: 0,
  atomicWriteUnitMaxBytes: 0,
}

/** One of the two is a multiple of the other. @see block/blk-settings.c blk_valid_atomic_writes_boundary */
export function validAtomicWritesBoundary(chunkSectors: number, boundarySectors: number): boolean {
  if (chunkSectors === 0 || boundarySectors === 0) return true
  return boundarySectors > chunkSectors
    ? boundarySectors % chunkSectors === 0
    : chunkSectors % boundarySectors === 0
}

/** Bytes that fit one bio and one request wherever they lie. @see block/blk-settings.c blk_queue_max_guaranteed_bio */
function maxGuaranteedBytes(blockBytes: number, maxSegments: number): number {
  const segments = Math.min(BIO_MAX_VECS, maxSegments)
  const ends = Math.min(segments, 2) * blockBytes
  return ends + Math.max(segments - 2, 0) * PAGE_SIZE
}

/**
 * The limits of atomic writes. A device that says only how much it does whole has units from its logical block to the largest power of
 * two in that.
 *
 * The kernel warns of a contradiction and goes on without atomic writes; here it is refused, as every other one.
 * @see block/blk-settings.c blk_validate_atomic_write_limits
 */
export function validateAtomicLimits(
  init: Partial<AtomicHwLimits>,
  blockBytes: number,
  sizes: Pick<QueueLimits, 'maxHwSectors' | 'chunkSectors'>,
  segments: Pick<QueueLimits, 'maxSegments'>,
): AtomicLimits {
  const hwMax = init.atomicWriteHwMaxBytes ?? 0
  // UINT_MAX: of stacking limits on which nothing was stacked.
  if (hwMax === 0 || hwMax === UINT_MAX) return NONE
  requireCount('atomicWriteHwMaxBytes', hwMax, SECTOR_SIZE, UINT_MAX)
  const unitMin = init.atomicWriteHwUnitMinBytes ?? blockBytes
  const unitMax = init.atomicWriteHwUnitMaxBytes ?? rounddownPowOfTwo(hwMax)
  requirePowerOfTwo('atomicWriteHwUnitMaxBytes', unitMax, SECTOR_SIZE, hwMax)
  requirePowerOfTwo('atomicWriteHwUnitMinBytes', unitMin, SECTOR_SIZE, unitMax)
  const chunkBytes = sizes.chunkSectors * SECTOR_SIZE
  const fitsChunk = chunkBytes === 0 || hwMax <= chunkBytes
  requireLimit(fitsChunk, 'atomicWriteHwMaxBytes', hwMax, `at most the chunk of ${chunkBytes}`)
  const boundary = init.atomicWriteHwBoundaryBytes ?? 0
  if (boundary !== 0) requireBoundary(boundary, hwMax, sizes.chunkSectors)
  const guaranteed = Math.min(
    sizes.maxHwSectors * SECTOR_SIZE,
    maxGuaranteedBytes(blockBytes, segments.maxSegments),
  )
  const unitLimit = rounddownPowOfTwo(guaranteed)
  return {
    atomicWriteHwMaxBytes: hwMax,
    atomicWriteHwBoundaryBytes: boundary,
    atomicWriteHwUnitMinBytes: unitMin,
    atomicWriteHwUnitMaxBytes: unitMax,
    atomicWriteMaxSectors: Math.min(Math.floor(hwMax / SECTOR_SIZE), sizes.maxHwSectors),
    atomicWriteBoundarySectors: boundary / SECTOR_SIZE,
    atomicWriteUnitMinBytes: Math.min(unitMin, unitLimit),
    atomicWriteUnitMaxBytes: Math.min(unitMax, unitLimit),
  }
}

function requireBoundary(boundary: number, hwMax: number, chunkSectors: number): void {
  const name = 'atomicWriteHwBoundaryBytes'
  const fits = isPowerOfTwo(boundary) && boundary >= hwMax
  requireLimit(fits, name, boundary, `0 or a power of two, at least the ${hwMax} written whole`)
  const meets = validAtomicWritesBoundary(chunkSectors, boundary / SECTOR_SIZE)
  const chunkBytes = chunkSectors * SECTOR_SIZE
  requireLimit(meets, name, boundary, `a divisor or a multiple of the chunk of ${chunkBytes}`)
}
