// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { SECTOR_SIZE } from '../req-flags.ts'
import type { QueueLimits } from './queue-limits.ts'

const PAGE_SIZE = 4096
/** @see include/linux/blkdev.h for these and their reasons */
export const BLK_SAFE_MAX_SECTORS = 255
export const BLK_DEF_MAX_SECTORS_CAP = 8192
export const BLK_MAX_SEGMENTS = 128
export const BLK_MAX_SEGMENT_SIZE = 65_536
export const BLK_SEG_BOUNDARY_MASK = 0xffff_ffff
const BLK_MAX_BLOCK_SIZE = 65_536
const UINT_MAX = 0xffff_ffff

function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value))
}

function refuse(name: string, value: number, accepted: string): never {
  throw new KernelError('EINVAL', `queue limits: ${name} is ${value}, but must be ${accepted}`)
}

function require(condition: boolean, name: string, value: number, accepted: string): void {
  if (!condition) refuse(name, value, accepted)
}

function roundDown(value: number, step: number): number {
  return value - (value % step)
}

function requireMask(name: string, mask: number, least: number, most: number): void {
  require(isPowerOfTwo(mask + 1) &&
    mask >= least &&
    mask <= most, name, mask, `one less than a power of two, from ${least} to ${most}`)
}

function requireCount(name: string, value: number, least: number, most: number): void {
  require(Number.isSafeInteger(value) &&
    value >= least &&
    value <= most, name, value, `an integer from ${least} to ${most}`)
}

/** What a driver says; what it leaves out is derived. */
export type QueueLimitsInit = Partial<Omit<QueueLimits, 'maxSectors'>>

interface BlockSizes {
  readonly logical: number
  readonly physical: number
  readonly ioMin: number
}

function blockSizes(init: QueueLimitsInit): BlockSizes {
  const logical = init.logicalBlockSizeBytes ?? SECTOR_SIZE
  require(isPowerOfTwo(logical) &&
    logical >= SECTOR_SIZE &&
    logical <=
      BLK_MAX_BLOCK_SIZE, 'logicalBlockSizeBytes', logical, `a power of two from ${SECTOR_SIZE} to ${BLK_MAX_BLOCK_SIZE}`)
  const physical = init.physicalBlockSizeBytes ?? logical
  require(isPowerOfTwo(physical) &&
    physical >=
      logical, 'physicalBlockSizeBytes', physical, `a power of two, at least the logical block of ${logical}`)
  return { logical, physical, ioMin: Math.max(init.ioMinBytes ?? 0, physical) }
}

function maxSectorsOf(init: QueueLimitsInit, sizes: BlockSizes, maxHwSectors: number): number {
  const user = init.maxUserSectors ?? 0
  const ioOptSectors = Math.floor((init.ioOptBytes ?? 0) / SECTOR_SIZE)
  const ioMinSectors = sizes.ioMin / SECTOR_SIZE
  let wanted = BLK_DEF_MAX_SECTORS_CAP
  if (user > 0) {
    requireCount('maxUserSectors', user, PAGE_SIZE / SECTOR_SIZE, UINT_MAX)
    wanted = user
  } else if (ioOptSectors > 0) wanted = ioOptSectors
  else if (ioMinSectors > BLK_DEF_MAX_SECTORS_CAP) wanted = ioMinSectors
  const maxSectors = roundDown(Math.min(maxHwSectors, wanted), sizes.logical / SECTOR_SIZE)
  require(maxSectors > 0, 'maxSectors', maxSectors, `at least a logical block of ${sizes.logical}`)
  return maxSectors
}

function maxSegmentSizeOf(init: QueueLimitsInit): number {
  const virtBoundaryMask = init.virtBoundaryMask ?? 0
  const given = init.maxSegmentSizeBytes
  if (virtBoundaryMask > 0) {
    // A device with a virtual boundary is programmed in pieces of it, so a segment size says nothing.
    require(given === undefined || given === UINT_MAX, 'maxSegmentSizeBytes', given ??
      0, 'left out beside a virtBoundaryMask')
    return UINT_MAX
  }
  const size = given ?? BLK_MAX_SEGMENT_SIZE
  requireCount('maxSegmentSizeBytes', size, PAGE_SIZE, UINT_MAX)
  return size
}

function masksOf(
  init: QueueLimitsInit,
): Pick<QueueLimits, 'segBoundaryMask' | 'virtBoundaryMask' | 'dmaAlignmentMask'> {
  const segBoundaryMask = init.segBoundaryMask ?? BLK_SEG_BOUNDARY_MASK
  requireMask('segBoundaryMask', segBoundaryMask, PAGE_SIZE - 1, Number.MAX_SAFE_INTEGER)
  const virtBoundaryMask = init.virtBoundaryMask ?? 0
  requireMask('virtBoundaryMask', virtBoundaryMask, 0, 0x7fff_ffff)
  const dmaAlignmentMask = init.dmaAlignmentMask ?? SECTOR_SIZE - 1
  requireMask('dmaAlignmentMask', dmaAlignmentMask, 0, PAGE_SIZE - 1)
  return { segBoundaryMask, virtBoundaryMask, dmaAlignmentMask }
}

function discardGranularityOf(init: QueueLimitsInit, sizes: BlockSizes): number {
  const given = init.discardGranularityBytes ?? 0
  return (init.maxDiscardSectors ?? 0) > 0 ? Math.max(given, sizes.physical) : given
}

/**
 * Fills in what was left out and refuses what contradicts itself. Throws KernelError EINVAL naming value and bound.
 * @see block/blk-settings.c blk_validate_limits
 */
export function validateLimits(init: QueueLimitsInit): QueueLimits {
  const sizes = blockSizes(init)
  const blockSectors = sizes.logical / SECTOR_SIZE
  const wantedHw = init.maxHwSectors ?? BLK_SAFE_MAX_SECTORS
  requireCount('maxHwSectors', wantedHw, PAGE_SIZE / SECTOR_SIZE, UINT_MAX)
  const maxHwSectors = roundDown(wantedHw, blockSectors)
  const chunkSectors = init.chunkSectors ?? 0
  requireCount('chunkSectors', chunkSectors, 0, UINT_MAX)
  require(chunkSectors % blockSectors ===
    0, 'chunkSectors', chunkSectors, `a multiple of the logical block of ${sizes.logical} bytes`)
  const maxSegments = init.maxSegments ?? BLK_MAX_SEGMENTS
  requireCount('maxSegments', maxSegments, 1, 65_535)
  const maxDiscardSegments = init.maxDiscardSegments ?? 1
  requireCount('maxDiscardSegments', maxDiscardSegments, 1, 65_535)
  const masks = masksOf(init)
  const writeCache = init.writeCache ?? false
  return {
    logicalBlockSizeBytes: sizes.logical,
    physicalBlockSizeBytes: sizes.physical,
    ioMinBytes: sizes.ioMin,
    ioOptBytes: roundDown(init.ioOptBytes ?? 0, sizes.physical),
    maxHwSectors,
    maxUserSectors: init.maxUserSectors ?? 0,
    maxSectors: maxSectorsOf(init, sizes, maxHwSectors),
    maxSegments,
    maxSegmentSizeBytes: maxSegmentSizeOf(init),
    ...masks,
    chunkSectors,
    maxDiscardSectors: roundDown(init.maxDiscardSectors ?? 0, blockSectors),
    maxDiscardSegments,
    discardGranularityBytes: discardGranularityOf(init, sizes),
    maxWriteZeroesSectors: roundDown(init.maxWriteZeroesSectors ?? 0, blockSectors),
    atomicWriteMaxSectors: init.atomicWriteMaxSectors ?? 0,
    writeCache,
    fua: writeCache && (init.fua ?? false),
  }
}
