// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SECTOR_SIZE } from '../req-flags.ts'
import type { QueueLimits } from './queue-limits.ts'

/**
 * Bytes that one request at a sector may have. Where a request has to end before the bio does, it ends at a physical block if
 * that leaves anything, so that the next one begins aligned; else at a logical block.
 * @see block/blk-merge.c get_max_io_size
 */
export function maxIoSizeBytes(limits: QueueLimits, sector: number): number {
  // Nothing to align to but the logical block, which both the sector and the bound are multiples of.
  if (limits.chunkSectors === 0 && limits.physicalBlockSizeBytes === limits.logicalBlockSizeBytes) {
    return limits.maxSectors * SECTOR_SIZE
  }
  const physicalSectors = limits.physicalBlockSizeBytes / SECTOR_SIZE
  const logicalSectors = limits.logicalBlockSizeBytes / SECTOR_SIZE
  const maxSectors = Math.min(limits.maxSectors, chunkSectorsLeft(limits, sector))
  const start = sector % physicalSectors
  const end = start + maxSectors
  const alignedEnd = end - (end % physicalSectors)
  if (alignedEnd > start) return (alignedEnd - start) * SECTOR_SIZE
  return (maxSectors - (maxSectors % logicalSectors)) * SECTOR_SIZE
}

/** @see include/linux/blkdev.h blk_boundary_sectors_left */
function chunkSectorsLeft(limits: QueueLimits, sector: number): number {
  if (limits.chunkSectors === 0) return limits.maxSectors
  return limits.chunkSectors - (sector % limits.chunkSectors)
}
