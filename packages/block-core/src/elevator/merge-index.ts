// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { ElvMerge } from '../merge/elv-merge.ts'
import { blkDiscardMergable } from '../merge/merge-limits.ts'
import { blkRqMergeOk, blkTryMerge, rqMergeable } from '../merge/merge-ok.ts'
import { blkAttemptReqMerge } from '../merge/req-merge.ts'
import type { Request } from '../mq/request.ts'
import { type ElvRq, elvRqOf } from './elv-rq.ts'
import { EndSectorHash } from './end-sector-hash.ts'

/** What any scheduler needs to find the request that a bio goes with. @see block/elevator.c */
export class MergeIndex {
  /** The request that `find` found. */
  found: Request | null
  readonly #limits: QueueLimits
  readonly #hash: EndSectorHash
  /** Where the last merge was: the next one often goes there. */
  #last: Request | null

  constructor(limits: QueueLimits) {
    this.found = null
    this.#limits = limits
    this.#hash = new EndSectorHash()
    this.#last = null
  }

  add(node: ElvRq): void {
    if (!rqMergeable(node.rq)) return
    this.#hash.add(node)
    this.#last ??= node.rq
  }

  remove(node: ElvRq): void {
    this.#hash.remove(node)
    if (this.#last === node.rq) this.#last = null
  }

  /** The request became longer. @see block/elevator.c elv_merged_request, elv_merge_requests */
  grown(rq: Request): void {
    this.#hash.reposition(elvRqOf(rq))
    this.#last = rq
  }

  /** How the bio goes with `found`; the scheduler itself looks for a front merge. @see block/elevator.c elv_merge */
  find(bio: Bio): ElvMerge {
    const last = this.#last
    if (last !== null && blkRqMergeOk(last, bio)) {
      this.found = last
      const way = blkTryMerge(last, bio, this.#limits)
      if (way !== ElvMerge.NO_MERGE) return way
    }
    const rq = this.#hash.find(bio.biIter.biSector)?.rq ?? null
    if (rq === null || !blkRqMergeOk(rq, bio)) return ElvMerge.NO_MERGE
    this.found = rq
    return blkDiscardMergable(rq, this.#limits) ? ElvMerge.DISCARD_MERGE : ElvMerge.BACK_MERGE
  }

  /** The request of the last merge, if it took over the bios of `rq`. @see block/elevator.c elv_attempt_insert_merge */
  mergeIntoLast(rq: Request): Request | null {
    const last = this.#last
    return last !== null && blkAttemptReqMerge(last, rq, this.#limits) ? last : null
  }

  /** The request that ends where `rq` begins, if it took over its bios. */
  mergeIntoAhead(rq: Request): Request | null {
    const ahead = this.#hash.find(rq.sector)?.rq ?? null
    return ahead !== null && blkAttemptReqMerge(ahead, rq, this.#limits) ? ahead : null
  }
}
