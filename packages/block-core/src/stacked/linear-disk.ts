// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, KernelError } from '@iolayers/kernel'
import type { BioDisk } from '../disk/bio-disk.ts'
import type { Disk } from '../disk/disk.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import { createStackedDisk, type StackedDiskComponents } from './stacked-disk.ts'
import type { StackedPlace, StackedTarget } from './stacked-target.ts'

/** A range of a lower disk; sectors are of 512 bytes. */
export interface LinearTarget {
  readonly disk: Disk
  /** 0 by default. */
  readonly startSector?: number
  /** By default all that the disk has from there on. */
  readonly nrSectors?: number
}

export interface LinearDiskInit {
  readonly name: string
  /** One after the other. A disk may be there more than once. */
  readonly targets: readonly LinearTarget[]
  readonly limits?: QueueLimitsInit
  readonly nrRequests?: number
}

interface LinearRange {
  readonly lower: number
  readonly startSector: number
  readonly nrSectors: number
}

/** @see drivers/md/dm-linear.c linear_map_sector; drivers/md/dm-table.c dm_table_find_target */
class LinearTable implements StackedTarget {
  readonly nrSectors: number
  readonly #ranges: readonly LinearRange[]
  /** Where each begins on the disk, and where the last one ends. */
  readonly #starts: Float64Array

  constructor(ranges: readonly LinearRange[]) {
    this.#ranges = ranges
    this.#starts = new Float64Array(ranges.length + 1)
    let at = 0
    for (const [i, { nrSectors }] of ranges.entries()) {
      this.#starts[i] = at
      at += nrSectors
    }
    this.#starts[ranges.length] = at
    this.nrSectors = at
  }

  mapSector(sector: number, place: StackedPlace): void {
    const index = this.#find(sector)
    const range = this.#ranges[index]
    assert(range !== undefined, 'linear: a sector that is in no target')
    const into = sector - (this.#starts[index] ?? 0)
    place.lower = range.lower
    place.sector = range.startSector + into
    place.sectors = range.nrSectors - into
  }

  /** The last range that begins at the sector or before it. */
  #find(sector: number): number {
    let low = 0
    let high = this.#ranges.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] ?? 0) <= sector) low = middle
      else high = middle
    }
    return low
  }
}

/**
 * A disk of ranges of other disks, one after the other. Its capacity is theirs together. Throws KernelError EINVAL for a table without targets, a
 * range that is empty, lies beyond the end of its disk, or does not begin and end at a logical block of the largest size below.
 * @see drivers/md/dm-linear.c
 */
export function createLinearDisk(components: StackedDiskComponents, init: LinearDiskInit): BioDisk {
  const { name, targets } = init
  const lowers = [...new Set(targets.map(({ disk }) => disk))]
  const blockBytes = Math.max(0, ...lowers.map(({ limits }) => limits.logicalBlockSizeBytes))
  const ranges = targets.map((target) => {
    const range = rangeOf(name, target, blockBytes / SECTOR_SIZE)
    return { lower: lowers.indexOf(target.disk), ...range }
  })
  const table = new LinearTable(ranges)
  const { limits, nrRequests } = init
  return createStackedDisk(components, {
    name,
    lowers,
    capacitySectors: table.nrSectors,
    ranges: targets.map(({ disk, startSector = 0 }) => ({ disk, startSector })),
    target: table,
    ...(limits === undefined ? {} : { limits }),
    ...(nrRequests === undefined ? {} : { nrRequests }),
  })
}

function rangeOf(
  name: string,
  target: LinearTarget,
  blockSectors: number,
): { startSector: number; nrSectors: number } {
  const { disk } = target
  const capacity = disk.capacitySectors
  const startSector = target.startSector ?? 0
  const rest = capacity - startSector
  const nrSectors = target.nrSectors ?? rest - (rest % blockSectors)
  const isAligned = startSector % blockSectors === 0 && nrSectors % blockSectors === 0
  const isInside = startSector >= 0 && nrSectors > 0 && startSector + nrSectors <= capacity
  if (isAligned && isInside) return { startSector, nrSectors }
  throw new KernelError('EINVAL', `${name}: a range that ${disk.name} does not have`, {
    value: `${nrSectors} sectors at ${startSector}`,
    accepted: `multiples of ${blockSectors} within its ${capacity} sectors, at least one`,
  })
}
