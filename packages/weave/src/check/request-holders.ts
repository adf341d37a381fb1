// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import type { Blocker, Park } from '@iolayers/kernel'
import type { WaitKnowledge } from './wait-graph.ts'

/** A request, as far as it can hold a drain up. */
export interface HolderRequest {
  /** Not null: it holds `active` of its map. */
  readonly dmaSegments: object | null
  readonly dmabufMap: object | null
  readonly tag: number
  readonly mqHctx: { readonly disk: { readonly name: string } } | null
}

/** The requests that are with a driver: a tag set of @iolayers/block-core. */
export interface BusyRequests {
  busyIter(visit: (rq: HolderRequest) => void): void
}

const AT_THE_DEVICE: readonly Blocker[] = ['which is at the device']

/** A drain, by fence or by wait, needs the requests that hold `active` of its map: those of `tagSets`, by name. The stack may add to them. */
export function requestHolders(tagSets: Iterable<BusyRequests>): WaitKnowledge {
  return (subject) => {
    const holders: Park[] = []
    for (const tagSet of tagSets) {
      tagSet.busyIter((rq) => {
        const map = rq.dmaSegments === null ? null : rq.dmabufMap
        if (!(map instanceof MapGeneration)) return
        if (map.fence !== subject && map.drained !== subject) return
        const disk = rq.mqHctx?.disk.name ?? 'no disk'
        holders.push({ what: `request ${disk} tag ${rq.tag}`, blockers: () => AT_THE_DEVICE })
      })
    }
    return holders
  }
}
