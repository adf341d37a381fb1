// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { BioDisk } from '../disk/bio-disk.ts'
import type { Disk } from '../disk/disk.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import { createStackedDisk, type StackedDiskComponents } from './stacked-disk.ts'
import type { StackedPlace, StackedTarget } from './stacked-target.ts'

export interface StripedDiskInit {
  readonly name: string
  /** In the order of the stripes. */
  readonly disks: readonly Disk[]
  /** What lies on one disk before the next one follows, in sectors of 512 bytes: a multiple of every disk's logical block. */
  readonly chunkSectors: number
  /** Where the stripes begin on each disk; 0 by default. */
  readonly startSector?: number
  readonly limits?: QueueLimitsInit
  readonly nrRequests?: number
}

/** @see drivers/md/dm-stripe.c stripe_map_sector, stripe_map_range_sector */
class Stripes implements StackedTarget {
  readonly #count: number
  readonly #chunkSectors: number
  readonly #startSector: number

  constructor(count: number, chunkSectors: number, startSector: number) {
    this.#count = count
    this.#chunkSectors = chunkSectors
    this.#startSector = startSector
  }

  mapSector(sector: number, place: StackedPlace): void {
    const into = sector % this.#chunkSectors
    const chunk = (sector - into) / this.#chunkSectors
    const lower = chunk % this.#count
    place.lower = lower
    place.sector = this.#startSector + ((chunk - lower) / this.#count) * this.#chunkSectors + into
    place.sectors = this.#chunkSectors - into
  }

  mapRange(sector: number, sectors: number, place: StackedPlace): void {
    const begin = this.#firstAtOrAfter(sector, place.lower)
    const end = this.#firstAtOrAfter(sector + sectors, place.lower)
    place.sector = this.#startSector + begin
    place.sectors = end - begin
  }

  /** How many sectors of a lower disk lie before a sector of the whole. */
  #firstAtOrAfter(sector: number, lower: number): number {
    const into = sector % this.#chunkSectors
    const chunk = (sector - into) / this.#chunkSectors
    const there = chunk % this.#count
    const row = ((chunk - there) / this.#count) * this.#chunkSectors
    if (there === lower) return row + into
    return there > lower ? row + this.#chunkSectors : row
  }
}

/**
 * A disk whose chunks lie on others in turn. Its capacity is that of the smallest, in whole chunks, times their number. A discard or zeroes
 * over many chunks are one bio for each disk. Throws KernelError EINVAL for no disks, a chunk size that is no multiple of a logical block, or disks without room
 * for a chunk.
 * @see drivers/md/dm-stripe.c
 */
export function createStripedDisk(
  components: StackedDiskComponents,
  init: StripedDiskInit,
): BioDisk {
  const { name, disks, chunkSectors } = init
  const startSector = init.startSector ?? 0
  const blockBytes = Math.max(
    SECTOR_SIZE,
    ...disks.map((disk) => disk.limits.logicalBlockSizeBytes),
  )
  requireMultiple(`${name}: chunkSectors`, chunkSectors, blockBytes / SECTOR_SIZE, 1)
  requireMultiple(`${name}: startSector`, startSector, blockBytes / SECTOR_SIZE, 0)
  const chunks = disks.map(({ capacitySectors }) =>
    Math.floor((capacitySectors - startSector) / chunkSectors),
  )
  const smallest = disks[chunks.indexOf(Math.min(...chunks))]
  const chunksEach = Math.min(...chunks)
  if (smallest !== undefined && chunksEach < 1) {
    throw new KernelError('EINVAL', `${name}: ${smallest.name} has no room for a chunk`, {
      value: `${smallest.capacitySectors} sectors`,
      accepted: `at least ${startSector + chunkSectors}`,
    })
  }
  const { nrRequests } = init
  return createStackedDisk(components, {
    name,
    lowers: disks,
    capacitySectors: disks.length === 0 ? 0 : chunksEach * chunkSectors * disks.length,
    ranges: disks.map((disk) => ({ disk, startSector })),
    target: new Stripes(disks.length, chunkSectors, startSector),
    limits: {
      chunkSectors,
      ioMinBytes: chunkSectors * SECTOR_SIZE,
      ioOptBytes: chunkSectors * SECTOR_SIZE * disks.length,
      ...init.limits,
    },
    ...(nrRequests === undefined ? {} : { nrRequests }),
  })
}

function requireMultiple(what: string, value: number, step: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least && value % step === 0) return
  throw new KernelError('EINVAL', `${what} is ${value}, but must be a multiple of ${step}`, {
    value,
    accepted: `a multiple of ${step}, at least ${least * step}`,
  })
}
