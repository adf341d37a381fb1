// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '../disk/disk.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'

/**
 * The limits of a disk over others: what each of them takes, so that a clone of what fits here is seldom cut again below.
 * Discards and zeroes only where all of the lower disks have them. No atomic writes.
 * @see block/blk-settings.c blk_stack_limits; drivers/md/dm-table.c dm_table_set_restrictions
 */
export function lowerLimits(lowers: readonly Disk[]): QueueLimitsInit {
  const all = lowers.map(({ limits }) => limits)
  const of = (key: NumericLimit): number[] => all.map((limits) => limits[key])
  const virtBoundaryMask = minNotZero(of('virtBoundaryMask'))
  const writeCache = all.some((limits) => limits.writeCache)
  return {
    logicalBlockSizeBytes: Math.max(...of('logicalBlockSizeBytes')),
    physicalBlockSizeBytes: Math.max(...of('physicalBlockSizeBytes')),
    ioMinBytes: Math.max(...of('ioMinBytes')),
    ioOptBytes: of('ioOptBytes').reduce(lcmNotZero, 0),
    maxHwSectors: Math.min(...of('maxHwSectors')),
    maxUserSectors: minNotZero(of('maxUserSectors')),
    maxSegments: Math.min(...of('maxSegments')),
    // Beside a virtual boundary a segment size says nothing.
    ...(virtBoundaryMask > 0
      ? {}
      : { maxSegmentSizeBytes: Math.min(...of('maxSegmentSizeBytes')) }),
    segBoundaryMask: Math.min(...of('segBoundaryMask')),
    virtBoundaryMask,
    dmaAlignmentMask: Math.max(...of('dmaAlignmentMask')),
    chunkSectors: of('chunkSectors').reduce(gcd, 0),
    maxHwDiscardSectors: Math.min(...of('maxDiscardSectors')),
    maxDiscardSegments: Math.min(...of('maxDiscardSegments')),
    discardGranularityBytes: Math.max(...of('discardGranularityBytes')),
    maxWriteZeroesSectors: Math.min(...of('maxWriteZeroesSectors')),
    writeCache,
    fua: writeCache && all.every((limits) => limits.fua || !limits.writeCache),
  }
}

type NumericLimit = {
  [K in keyof QueueLimits]: QueueLimits[K] extends number ? K : never
}[keyof QueueLimits]

function minNotZero(values: readonly number[]): number {
  const some = values.filter((value) => value > 0)
  return some.length === 0 ? 0 : Math.min(...some)
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y > 0) [x, y] = [y, x % y]
  return x
}

function lcmNotZero(a: number, b: number): number {
  if (a === 0 || b === 0) return a + b
  return (a / gcd(a, b)) * b
}
