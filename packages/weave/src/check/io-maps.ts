// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import { type Bio, bioRoot, type DmabufIoMap } from '@iolayers/block-core'
import type { VirtualScheduler } from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'

/** A request, as far as it uses a map. */
export interface MapUser {
  readonly dmaSegments: object | null
  readonly dmabufMap: DmabufIoMap | null
  readonly bio: Bio | null
  readonly tag: number
}

/** The requests that are with a driver: a tag set of @iolayers/block-core. */
export interface MapUsers {
  busyIter(visit: (rq: MapUser) => void): void
}

/**
 * What requests and maps say of each other: as many hold `active` of a map as it counts, in every state between two steps, and all
 * fragments of an I/O use the map that was imported for it.
 */
export class IoMaps implements Checker {
  readonly name = 'maps of requests'
  readonly #scheduler: VirtualScheduler
  readonly #tagSets: readonly MapUsers[]
  /** Maps that requests were seen with, and how many hold `active` now. */
  readonly #holders: Map<MapGeneration, number> = new Map()
  readonly #visit: (rq: MapUser) => void
  #fault: Fault | null = null

  /** The stack may add to `tagSets`. */
  constructor(scheduler: VirtualScheduler, tagSets: readonly MapUsers[]) {
    this.#scheduler = scheduler
    this.#tagSets = tagSets
    this.#visit = (rq) => this.#look(rq)
  }

  afterStep(): Fault | null {
    // Inside a section of plain code a count may be ahead of who is to hold it.
    if (this.#scheduler.nesting > 0) return null
    for (const map of this.#holders.keys()) this.#holders.set(map, 0)
    for (const tagSet of this.#tagSets) tagSet.busyIter(this.#visit)
    if (this.#fault !== null) return this.#fault
    for (const [map, holders] of this.#holders) {
      if (map.active !== holders) {
        const message = `map ${map.generation} counts ${map.active} that may do DMA, and ${holders} requests do`
        return { check: 'active-count', message }
      }
    }
    return null
  }

  #look(rq: MapUser): void {
    const map = rq.dmabufMap
    if (!(map instanceof MapGeneration)) return
    const imported = rq.bio === null ? map : bioRoot(rq.bio).biDmabufMap
    if (imported !== map) {
      this.#fault ??= {
        check: 'mixed-generations',
        message: `request ${rq.tag} uses map ${map.generation}, which was not imported for its I/O`,
      }
    }
    const holds = rq.dmaSegments === null ? 0 : 1
    this.#holders.set(map, (this.#holders.get(map) ?? 0) + holds)
  }
}
