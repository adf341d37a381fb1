// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SECTOR_SIZE } from '../req-flags.ts'
import { queueLimitAlignmentOffset, queueLimitDiscardAlignment } from './limit-alignment.ts'
import {
  BLK_SEG_BOUNDARY_MASK,
  gcd,
  lcmNotZero,
  minNotZero,
  roundDown,
  UINT_MAX,
  USHRT_MAX,
} from './limit-checks.ts'
import type { QueueLimits, StackingLimits } from './queue-limits.ts'
import { stackAtomicLimits } from './stack-atomic.ts'

const PAGE_SECTORS = 4096 / SECTOR_SIZE

/**
 * Limits without a bound, for a device over others: the caller sets what is its own, stacks the limits of each lower device onto it
 * with blkStackLimits, and gives the result to the disk, which validates it.
 * @see block/blk-settings.c blk_set_stacking_limits
 */
export function blkSetStackingLimits(): StackingLimits {
  return {
    logicalBlockSizeBytes: SECTOR_SIZE,
    physicalBlockSizeBytes: SECTOR_SIZE,
    ioMinBytes: SECTOR_SIZE,
    ioOptBytes: 0,
    alignmentOffsetBytes: 0,
    misaligned: false,
    maxHwSectors: UINT_MAX,
    maxDevSectors: UINT_MAX,
    maxUserSectors: 0,
    maxSectors: UINT_MAX,
    maxSegments: USHRT_MAX,
    maxSegmentSizeBytes: UINT_MAX,
    maxFastSegmentSizeBytes: 0,
    segBoundaryMask: BLK_SEG_BOUNDARY_MASK,
    virtBoundaryMask: 0,
    dmaAlignmentMask: SECTOR_SIZE - 1,
    chunkSectors: 0,
    maxHwDiscardSectors: 0,
    maxUserDiscardSectors: UINT_MAX,
    maxDiscardSectors: 0,
    maxDiscardSegments: USHRT_MAX,
    discardGranularityBytes: SECTOR_SIZE,
    discardAlignmentBytes: 0,
    maxSecureEraseSectors: 0,
    maxWriteZeroesSectors: UINT_MAX,
    maxHwWzeroesUnmapSectors: UINT_MAX,
    maxUserWzeroesUnmapSectors: UINT_MAX,
    maxWzeroesUnmapSectors: 0,
    atomicWriteHwMaxBytes: UINT_MAX,
    atomicWriteHwBoundaryBytes: 0,
    atomicWriteHwUnitMinBytes: 0,
    atomicWriteHwUnitMaxBytes: 0,
    atomicWriteMaxSectors: 0,
    atomicWriteBoundarySectors: 0,
    atomicWriteUnitMinBytes: 0,
    atomicWriteUnitMaxBytes: 0,
    writeCache: false,
    fua: false,
    rotational: false,
    stableWrites: false,
  }
}

/**
 * Puts the limits of a device below to those of the one above, whose data begin at sector `start` of it. False where their blocks
 * do not lie on each other: `top.misaligned` then stays set, and I/O is right but slow.
 *
 * Virtual boundaries are stacked as the kernel does: of two different ones the smaller is taken, so that the device with the larger
 * one cuts again what comes to it.
 * @see block/blk-settings.c blk_stack_limits
 */
export function blkStackLimits(top: StackingLimits, bottom: QueueLimits, start: number): boolean {
  top.writeCache ||= bottom.writeCache
  top.fua ||= bottom.fua
  top.rotational ||= bottom.rotational
  top.stableWrites ||= bottom.stableWrites
  top.misaligned ||= bottom.misaligned
  stackBounds(top, bottom)
  const aligned = stackBlocks(top, bottom, queueLimitAlignmentOffset(bottom, start))
  if (!aligned) top.misaligned = true
  top.maxSectors = roundDownSectors(top.maxSectors, top)
  top.maxHwSectors = roundDownSectors(top.maxHwSectors, top)
  top.maxDevSectors = roundDownSectors(top.maxDevSectors, top)
  stackDiscard(top, bottom, start)
  stackAtomicLimits(top, bottom, start)
  return aligned
}

function stackBounds(top: StackingLimits, bottom: QueueLimits): void {
  top.maxSectors = minNotZero(top.maxSectors, bottom.maxSectors)
  top.maxUserSectors = minNotZero(top.maxUserSectors, bottom.maxUserSectors)
  top.maxHwSectors = minNotZero(top.maxHwSectors, bottom.maxHwSectors)
  top.maxDevSectors = minNotZero(top.maxDevSectors, bottom.maxDevSectors)
  top.maxWriteZeroesSectors = Math.min(top.maxWriteZeroesSectors, bottom.maxWriteZeroesSectors)
  top.maxUserWzeroesUnmapSectors = Math.min(
    top.maxUserWzeroesUnmapSectors,
    bottom.maxUserWzeroesUnmapSectors,
  )
  top.maxHwWzeroesUnmapSectors = Math.min(
    top.maxHwWzeroesUnmapSectors,
    bottom.maxHwWzeroesUnmapSectors,
  )
  top.segBoundaryMask = Math.min(top.segBoundaryMask, bottom.segBoundaryMask)
  top.virtBoundaryMask = minNotZero(top.virtBoundaryMask, bottom.virtBoundaryMask)
  top.maxSegments = Math.min(top.maxSegments, bottom.maxSegments)
  top.maxDiscardSegments = Math.min(top.maxDiscardSegments, bottom.maxDiscardSegments)
  top.maxSegmentSizeBytes = Math.min(top.maxSegmentSizeBytes, bottom.maxSegmentSizeBytes)
  top.dmaAlignmentMask = Math.max(top.dmaAlignmentMask, bottom.dmaAlignmentMask)
}

/** Whether the intervals that begin at both offsets line up. */
function linesUp(top: StackingLimits, bottom: QueueLimits, alignment: number): boolean {
  if (top.alignmentOffsetBytes === alignment) return true
  const above = Math.max(top.physicalBlockSizeBytes, top.ioMinBytes) + top.alignmentOffsetBytes
  const below = Math.max(bottom.physicalBlockSizeBytes, bottom.ioMinBytes) + alignment
  return Math.max(above, below) % Math.min(above, below) === 0
}

function stackBlocks(top: StackingLimits, bottom: QueueLimits, alignment: number): boolean {
  let aligned = linesUp(top, bottom, alignment)
  const physical = Math.max(top.physicalBlockSizeBytes, bottom.physicalBlockSizeBytes)
  top.logicalBlockSizeBytes = Math.max(top.logicalBlockSizeBytes, bottom.logicalBlockSizeBytes)
  top.physicalBlockSizeBytes = physical
  top.ioMinBytes = Math.max(top.ioMinBytes, bottom.ioMinBytes)
  top.ioOptBytes = lcmNotZero(top.ioOptBytes, bottom.ioOptBytes)
  if (bottom.chunkSectors > 0) top.chunkSectors = gcd(top.chunkSectors, bottom.chunkSectors)
  if (top.ioMinBytes % physical !== 0) {
    top.ioMinBytes = physical
    aligned = false
  }
  if (top.ioOptBytes % physical !== 0 || top.ioOptBytes > UINT_MAX) {
    top.ioOptBytes = 0
    aligned = false
  }
  if (top.chunkSectors % (physical / SECTOR_SIZE) !== 0) {
    top.chunkSectors = 0
    aligned = false
  }
  const offset = lcmNotZero(top.alignmentOffsetBytes, alignment)
  top.alignmentOffsetBytes = offset % Math.max(physical, top.ioMinBytes)
  return aligned && top.alignmentOffsetBytes % top.logicalBlockSizeBytes === 0
}

/** @see block/blk-settings.c blk_round_down_sectors */
function roundDownSectors(sectors: number, top: StackingLimits): number {
  return Math.max(PAGE_SECTORS, roundDown(sectors, top.logicalBlockSizeBytes / SECTOR_SIZE))
}

/** A device without discard does not take it from the others: what has none answers NOTSUPP for its part. */
function stackDiscard(top: StackingLimits, bottom: QueueLimits, start: number): void {
  top.maxSecureEraseSectors = minNotZero(top.maxSecureEraseSectors, bottom.maxSecureEraseSectors)
  if (bottom.discardGranularityBytes === 0) return
  const alignment = queueLimitDiscardAlignment(bottom, start)
  const granularity = Math.max(top.discardGranularityBytes, bottom.discardGranularityBytes)
  top.maxDiscardSectors = minNotZero(top.maxDiscardSectors, bottom.maxDiscardSectors)
  top.maxHwDiscardSectors = minNotZero(top.maxHwDiscardSectors, bottom.maxHwDiscardSectors)
  top.discardGranularityBytes = granularity
  top.discardAlignmentBytes = lcmNotZero(top.discardAlignmentBytes, alignment) % granularity
}
