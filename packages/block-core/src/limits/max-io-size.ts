// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { ReqFlags, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import type { QueueLimits } from './queue-limits.ts'

/**
 * Bytes from the begin of a bio that one request may have. Where a request has to end before the bio does, it ends at a physical
 * block if that leaves anything, so that the next one begins aligned; else at a logical block. An atomic write, which cannot be cut,
 * goes by limits of its own, and so does write zeroes: 0 where the device says none.
 * @see block/blk-merge.c get_max_io_size
 */
export function maxIoSizeBytes(bio: Bio, limits: QueueLimits): number {
  const isAtomic = (bio.biOpf & ReqFlags.ATOMIC) !== 0
  const maxSectors = maxSectorsOf(bio, limits, isAtomic)
  const boundarySectors = blkBoundarySectors(limits, isAtomic)
  const { physicalBlockSizeBytes, logicalBlockSizeBytes } = limits
  // Nothing to align to but the logical block, which both the sector and the bound are multiples of.
  if (boundarySectors === 0 && physicalBlockSizeBytes === logicalBlockSizeBytes) {
    return maxSectors * SECTOR_SIZE
  }
  const { biSector } = bio.biIter
  const left = boundarySectors - (biSector % boundarySectors)
  const most = boundarySectors === 0 ? maxSectors : Math.min(maxSectors, left)
  const physicalSectors = physicalBlockSizeBytes / SECTOR_SIZE
  const start = biSector % physicalSectors
  const end = start + most
  const alignedEnd = end - (end % physicalSectors)
  if (alignedEnd > start) return (alignedEnd - start) * SECTOR_SIZE
  return (most - (most % (logicalBlockSizeBytes / SECTOR_SIZE))) * SECTOR_SIZE
}

function maxSectorsOf(bio: Bio, limits: QueueLimits, isAtomic: boolean): number {
  if (reqOp(bio.biOpf) === ReqOp.WRITE_ZEROES) return limits.maxWriteZeroesSectors
  return isAtomic ? limits.atomicWriteMaxSectors : limits.maxSectors
}

/**
 * What a request may not cross a multiple of; 0: no rule. A chunk is a multiple of the boundary of atomic writes, or the other way
 * round, and then the device does nothing whole that does not fit a chunk.
 * @see block/blk-merge.c blk_boundary_sectors
 */
export function blkBoundarySectors(limits: QueueLimits, isAtomic: boolean): number {
  const { atomicWriteBoundarySectors, chunkSectors } = limits
  return isAtomic && atomicWriteBoundarySectors > 0 ? atomicWriteBoundarySectors : chunkSectors
}
