// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from './disk.ts'
import type { IoGroupStats } from './disk-stats.ts'

const NS_PER_MS = 1_000_000

/**
 * The statistics of a disk as `/sys/block/<disk>/stat` shows them, a line of 17 numbers without its newline: I/Os, merges, sectors and
 * milliseconds of reads, then of writes; I/Os in flight; milliseconds in which any was; their times in sum; I/Os,
 * merges, sectors and milliseconds of discards; flushes of the device's cache and their milliseconds.
 * @see Documentation/block/stat.rst
 * @see block/genhd.c part_stat_show
 */
export function diskStatLine(disk: Disk): string {
  const { stats } = disk
  const { read, write, discard, flush } = stats
  const queueNs = read.timeNs + write.timeNs + discard.timeNs + flush.timeNs
  const fields: readonly (readonly [width: number, value: number])[] = [
    ...groupFields(read),
    ...groupFields(write),
    [8, stats.inFlightReads + stats.inFlightWrites],
    [8, ms(stats.busyNs)],
    [8, ms(queueNs)],
    ...groupFields(discard),
    [8, flush.ios],
    [8, ms(flush.timeNs)],
  ]
  return fields.map(([width, value]) => String(value).padStart(width)).join(' ')
}

function groupFields(group: IoGroupStats): [width: number, value: number][] {
  return [
    [8, group.ios],
    [8, group.merges],
    [8, group.sectors],
    [8, ms(group.timeNs)],
  ]
}

function ms(ns: number): number {
  return Math.floor(ns / NS_PER_MS)
}
