// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '../disk/disk.ts'
import { UINT_MAX } from '../limits/limit-checks.ts'
import { blkSetStackingLimits, blkStackLimits } from '../limits/stack-limits.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'

/** A disk below, and where on it the data of the one above begin. */
export interface LowerRange {
  readonly disk: Disk
  readonly startSector: number
}

/**
 * The limits of a disk over others: its own, with those of each disk below stacked onto them, so that a clone of what fits here is
 * seldom cut again. Discards and secure erases only where all of the disks below have them.
 * @see drivers/md/dm-table.c dm_calculate_queue_limits, dm_table_set_restrictions
 */
export function lowerLimits(own: QueueLimitsInit, ranges: readonly LowerRange[]): QueueLimitsInit {
  const top = { ...blkSetStackingLimits(), ...own }
  for (const { disk, startSector } of ranges) blkStackLimits(top, disk.limits, startSector)
  const all = ranges.map(({ disk }) => disk.limits)
  if (all.some(({ maxDiscardSectors }) => maxDiscardSectors === 0)) top.maxHwDiscardSectors = 0
  if (all.some((lower) => lower.maxSecureEraseSectors === 0)) top.maxSecureEraseSectors = 0
  // Beside a virtual boundary a segment size says nothing; the disk that has one cuts again.
  if (top.virtBoundaryMask > 0) top.maxSegmentSizeBytes = UINT_MAX
  return top
}
