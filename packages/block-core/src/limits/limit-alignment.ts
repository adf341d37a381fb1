// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SECTOR_SIZE } from '../req-flags.ts'
import type { QueueLimits } from './queue-limits.ts'

/**
 * Bytes from a sector of a device to where its next physical block, or preferred least I/O, begins.
 * @see block/blk-settings.c queue_limit_alignment_offset
 */
export function queueLimitAlignmentOffset(limits: QueueLimits, sector: number): number {
  const granularity = Math.max(limits.physicalBlockSizeBytes, limits.ioMinBytes)
  const within = (sector % Math.floor(granularity / SECTOR_SIZE)) * SECTOR_SIZE
  return (granularity + limits.alignmentOffsetBytes - within) % granularity
}

/** The same for granules of discard; 0 without discard. @see block/blk-settings.c queue_limit_discard_alignment */
export function queueLimitDiscardAlignment(limits: QueueLimits, sector: number): number {
  const granularity = Math.floor(limits.discardGranularityBytes / SECTOR_SIZE)
  if (limits.maxDiscardSectors === 0 || granularity === 0) return 0
  const alignment = Math.floor(limits.discardAlignmentBytes / SECTOR_SIZE) % granularity
  return ((granularity + alignment - (sector % granularity)) % granularity) * SECTOR_SIZE
}
