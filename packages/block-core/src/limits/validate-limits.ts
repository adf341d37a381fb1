// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SECTOR_SIZE } from '../req-flags.ts'
import {
  BLK_DEF_MAX_SECTORS_CAP,
  BLK_MAX_BLOCK_SIZE,
  BLK_MAX_SEGMENT_SIZE,
  BLK_MAX_SEGMENTS,
  BLK_MIN_SEGMENT_SIZE,
  BLK_SAFE_MAX_SECTORS,
  BLK_SEG_BOUNDARY_MASK,
  isPowerOfTwo,
  minNotZero,
  requireCount,
  requireLimit,
  requireMask,
  requirePowerOfTwo,
  roundDown,
  UINT_MAX,
  USHRT_MAX,
} from './limit-checks.ts'
import type { QueueLimits } from './queue-limits.ts'
import { validateAtomicLimits } from './validate-atomic.ts'

const PAGE_SIZE = 4096
const PAGE_SECTORS = PAGE_SIZE / SECTOR_SIZE

/** What validation works out from the others. */
type DerivedLimit =
  | 'maxSectors'
  | 'maxFastSegmentSizeBytes'
  | 'maxDiscardSectors'
  | 'maxWzeroesUnmapSectors'
  | 'atomicWriteMaxSectors'
  | 'atomicWriteBoundarySectors'
  | 'atomicWriteUnitMinBytes'
  | 'atomicWriteUnitMaxBytes'

/** What a driver says; what it leaves out gets the kernel's default. */
export type QueueLimitsInit = Partial<Omit<QueueLimits, DerivedLimit>>

type BlockLimits = Pick<
  QueueLimits,
  | 'logicalBlockSizeBytes'
  | 'physicalBlockSizeBytes'
  | 'ioMinBytes'
  | 'ioOptBytes'
  | 'alignmentOffsetBytes'
  | 'misaligned'
>

/** A physical block smaller than the logical one is raised to it. */
function blockLimits(init: QueueLimitsInit): BlockLimits {
  const logical = init.logicalBlockSizeBytes ?? SECTOR_SIZE
  requirePowerOfTwo('logicalBlockSizeBytes', logical, SECTOR_SIZE, BLK_MAX_BLOCK_SIZE)
  const given = init.physicalBlockSizeBytes ?? 0
  const isPhysical = given < logical || isPowerOfTwo(given)
  requireLimit(isPhysical, 'physicalBlockSizeBytes', given, 'a power of two')
  const physical = Math.max(given, logical)
  requireCount('ioMinBytes', init.ioMinBytes ?? 0, 0, UINT_MAX)
  requireCount('ioOptBytes', init.ioOptBytes ?? 0, 0, UINT_MAX)
  const offset = init.alignmentOffsetBytes ?? 0
  requireCount('alignmentOffsetBytes', offset, 0, UINT_MAX)
  return {
    logicalBlockSizeBytes: logical,
    physicalBlockSizeBytes: physical,
    ioMinBytes: Math.max(init.ioMinBytes ?? 0, physical),
    ioOptBytes: roundDown(init.ioOptBytes ?? 0, physical),
    alignmentOffsetBytes: offset % physical,
    // Who gives an offset means it.
    misaligned: offset === 0 && (init.misaligned ?? false),
  }
}

type SizeLimits = Pick<
  QueueLimits,
  'maxHwSectors' | 'maxDevSectors' | 'maxUserSectors' | 'maxSectors' | 'chunkSectors'
>

function sizeLimits(init: QueueLimitsInit, blocks: BlockLimits): SizeLimits {
  const blockSectors = blocks.logicalBlockSizeBytes / SECTOR_SIZE
  const hw = init.maxHwSectors ?? BLK_SAFE_MAX_SECTORS
  requireCount('maxHwSectors', hw, Math.max(PAGE_SECTORS, blockSectors), UINT_MAX)
  const maxHwSectors = roundDown(hw, blockSectors)
  const maxDevSectors = init.maxDevSectors ?? 0
  requireCount('maxDevSectors', maxDevSectors, 0, UINT_MAX)
  const maxUserSectors = init.maxUserSectors ?? 0
  if (maxUserSectors > 0) requireCount('maxUserSectors', maxUserSectors, PAGE_SECTORS, UINT_MAX)
  const most = Math.min(minNotZero(maxHwSectors, maxDevSectors), wantedSectors(init, blocks))
  const maxSectors = roundDown(most, blockSectors)
  const block = `at least a logical block of ${blocks.logicalBlockSizeBytes}`
  requireLimit(maxSectors > 0, 'maxSectors', maxSectors, block)
  const chunkSectors = init.chunkSectors ?? 0
  requireCount('chunkSectors', chunkSectors, 0, UINT_MAX)
  const multiple = `a multiple of the logical block of ${blocks.logicalBlockSizeBytes} bytes`
  requireLimit(chunkSectors % blockSectors === 0, 'chunkSectors', chunkSectors, multiple)
  return { maxHwSectors, maxDevSectors, maxUserSectors, maxSectors, chunkSectors }
}

/** What an administrator, or else the preferred sizes of the device, ask for. */
function wantedSectors(init: QueueLimitsInit, blocks: BlockLimits): number {
  const user = init.maxUserSectors ?? 0
  if (user > 0) return user
  const ioOptSectors = Math.floor(blocks.ioOptBytes / SECTOR_SIZE)
  if (ioOptSectors > BLK_DEF_MAX_SECTORS_CAP) return ioOptSectors
  const ioMinSectors = Math.floor(blocks.ioMinBytes / SECTOR_SIZE)
  return Math.max(ioMinSectors, BLK_DEF_MAX_SECTORS_CAP)
}

type SegmentLimits = Pick<
  QueueLimits,
  | 'maxSegments'
  | 'maxSegmentSizeBytes'
  | 'maxFastSegmentSizeBytes'
  | 'segBoundaryMask'
  | 'virtBoundaryMask'
  | 'dmaAlignmentMask'
>

function segmentLimits(init: QueueLimitsInit): SegmentLimits {
  const maxSegments = init.maxSegments ?? BLK_MAX_SEGMENTS
  requireCount('maxSegments', maxSegments, 1, USHRT_MAX)
  const segBoundaryMask = init.segBoundaryMask ?? BLK_SEG_BOUNDARY_MASK
  requireMask('segBoundaryMask', segBoundaryMask, PAGE_SIZE - 1, Number.MAX_SAFE_INTEGER)
  const virtBoundaryMask = init.virtBoundaryMask ?? 0
  requireMask('virtBoundaryMask', virtBoundaryMask, 0, 0x7fff_ffff)
  const dmaAlignmentMask = init.dmaAlignmentMask ?? SECTOR_SIZE - 1
  requireMask('dmaAlignmentMask', dmaAlignmentMask, 0, PAGE_SIZE - 1)
  const size = init.maxSegmentSizeBytes ?? (virtBoundaryMask > 0 ? UINT_MAX : BLK_MAX_SEGMENT_SIZE)
  requireCount('maxSegmentSizeBytes', size, BLK_MIN_SEGMENT_SIZE, UINT_MAX)
  return {
    maxSegments,
    maxSegmentSizeBytes: size,
    maxFastSegmentSizeBytes: Math.min(size, segBoundaryMask + 1, PAGE_SIZE),
    segBoundaryMask,
    virtBoundaryMask,
    dmaAlignmentMask,
  }
}

type DiscardLimits = Pick<
  QueueLimits,
  | 'maxHwDiscardSectors'
  | 'maxUserDiscardSectors'
  | 'maxDiscardSectors'
  | 'maxDiscardSegments'
  | 'discardGranularityBytes'
  | 'discardAlignmentBytes'
  | 'maxSecureEraseSectors'
>

function discardLimits(init: QueueLimitsInit, blocks: BlockLimits): DiscardLimits {
  const hw = init.maxHwDiscardSectors ?? 0
  requireCount('maxHwDiscardSectors', hw, 0, UINT_MAX)
  const user = init.maxUserDiscardSectors ?? UINT_MAX
  requireCount('maxUserDiscardSectors', user, 0, UINT_MAX)
  const maxDiscardSegments = init.maxDiscardSegments ?? 1
  requireCount('maxDiscardSegments', maxDiscardSegments, 1, USHRT_MAX)
  const granularity = init.discardGranularityBytes ?? 0
  requireCount('discardGranularityBytes', granularity, 0, UINT_MAX)
  const discardAlignmentBytes = init.discardAlignmentBytes ?? 0
  requireCount('discardAlignmentBytes', discardAlignmentBytes, 0, UINT_MAX)
  const secure = init.maxSecureEraseSectors ?? 0
  requireCount('maxSecureEraseSectors', secure, 0, UINT_MAX)
  const blockSectors = blocks.logicalBlockSizeBytes / SECTOR_SIZE
  const maxDiscardSectors = roundDown(Math.min(hw, user), blockSectors)
  return {
    maxHwDiscardSectors: hw,
    maxUserDiscardSectors: user,
    maxDiscardSectors,
    maxDiscardSegments,
    discardGranularityBytes:
      maxDiscardSectors > 0 ? Math.max(granularity, blocks.physicalBlockSizeBytes) : 0,
    discardAlignmentBytes,
    maxSecureEraseSectors: roundDown(secure, blockSectors),
  }
}

type ZeroLimits = Pick<
  QueueLimits,
  | 'maxWriteZeroesSectors'
  | 'maxHwWzeroesUnmapSectors'
  | 'maxUserWzeroesUnmapSectors'
  | 'maxWzeroesUnmapSectors'
>

function zeroLimits(init: QueueLimitsInit, blocks: BlockLimits): ZeroLimits {
  const most = init.maxWriteZeroesSectors ?? 0
  requireCount('maxWriteZeroesSectors', most, 0, UINT_MAX)
  const hw = init.maxHwWzeroesUnmapSectors ?? 0
  const same = hw === 0 || hw === most
  requireLimit(same, 'maxHwWzeroesUnmapSectors', hw, `0 or maxWriteZeroesSectors, ${most}`)
  const user = init.maxUserWzeroesUnmapSectors ?? UINT_MAX
  requireCount('maxUserWzeroesUnmapSectors', user, 0, UINT_MAX)
  const blockSectors = blocks.logicalBlockSizeBytes / SECTOR_SIZE
  const maxWriteZeroesSectors = roundDown(most, blockSectors)
  const maxHwWzeroesUnmapSectors = roundDown(hw, blockSectors)
  return {
    maxWriteZeroesSectors,
    maxHwWzeroesUnmapSectors,
    maxUserWzeroesUnmapSectors: user,
    maxWzeroesUnmapSectors: Math.min(maxHwWzeroesUnmapSectors, user),
  }
}

/**
 * Fills in what was left out, works out what follows, and refuses what contradicts itself. Throws KernelError EINVAL naming value and
 * bound. Unlike the kernel, cuts the limits of operations without data to whole logical blocks, so that no cut lies inside one.
 * @see block/blk-settings.c blk_validate_limits
 */
export function validateLimits(init: QueueLimitsInit): QueueLimits {
  const blocks = blockLimits(init)
  const sizes = sizeLimits(init, blocks)
  const segments = segmentLimits(init)
  const discard = discardLimits(init, blocks)
  const zero = zeroLimits(init, blocks)
  const atomic = validateAtomicLimits(init, blocks.logicalBlockSizeBytes, sizes, segments)
  const writeCache = init.writeCache ?? false
  // Field by field: spreading so many leaves an object whose fields are slow to read, and every I/O reads them.
  return {
    logicalBlockSizeBytes: blocks.logicalBlockSizeBytes,
    physicalBlockSizeBytes: blocks.physicalBlockSizeBytes,
    ioMinBytes: blocks.ioMinBytes,
    ioOptBytes: blocks.ioOptBytes,
    alignmentOffsetBytes: blocks.alignmentOffsetBytes,
    misaligned: blocks.misaligned,
    maxHwSectors: sizes.maxHwSectors,
    maxDevSectors: sizes.maxDevSectors,
    maxUserSectors: sizes.maxUserSectors,
    maxSectors: sizes.maxSectors,
    chunkSectors: sizes.chunkSectors,
    maxSegments: segments.maxSegments,
    maxSegmentSizeBytes: segments.maxSegmentSizeBytes,
    maxFastSegmentSizeBytes: segments.maxFastSegmentSizeBytes,
    segBoundaryMask: segments.segBoundaryMask,
    virtBoundaryMask: segments.virtBoundaryMask,
    dmaAlignmentMask: segments.dmaAlignmentMask,
    maxHwDiscardSectors: discard.maxHwDiscardSectors,
    maxUserDiscardSectors: discard.maxUserDiscardSectors,
    maxDiscardSectors: discard.maxDiscardSectors,
    maxDiscardSegments: discard.maxDiscardSegments,
    discardGranularityBytes: discard.discardGranularityBytes,
    discardAlignmentBytes: discard.discardAlignmentBytes,
    maxSecureEraseSectors: discard.maxSecureEraseSectors,
    maxWriteZeroesSectors: zero.maxWriteZeroesSectors,
    maxHwWzeroesUnmapSectors: zero.maxHwWzeroesUnmapSectors,
    maxUserWzeroesUnmapSectors: zero.maxUserWzeroesUnmapSectors,
    maxWzeroesUnmapSectors: zero.maxWzeroesUnmapSectors,
    atomicWriteHwMaxBytes: atomic.atomicWriteHwMaxBytes,
    atomicWriteHwBoundaryBytes: atomic.atomicWriteHwBoundaryBytes,
    atomicWriteHwUnitMinBytes: atomic.atomicWriteHwUnitMinBytes,
    atomicWriteHwUnitMaxBytes: atomic.atomicWriteHwUnitMaxBytes,
    atomicWriteMaxSectors: atomic.atomicWriteMaxSectors,
    atomicWriteBoundarySectors: atomic.atomicWriteBoundarySectors,
    atomicWriteUnitMinBytes: atomic.atomicWriteUnitMinBytes,
    atomicWriteUnitMaxBytes: atomic.atomicWriteUnitMaxBytes,
    writeCache,
    fua: writeCache && (init.fua ?? false),
    rotational: init.rotational ?? false,
    stableWrites: init.stableWrites ?? false,
  }
}
