// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '@iolayers/kernel'

/**
 * When each tag was last taken, and how often, from the moment that somebody wants to know. Until then a tag map has none of this,
 * and taking a tag costs one comparison.
 * @see block/blk-mq.c blk_mq_rq_time_init: without QUEUE_FLAG_STATS a request carries no time either
 */
export class RqStamps {
  readonly #scheduler: Scheduler
  readonly #takenNs: Float64Array
  readonly #uses: Float64Array

  constructor(scheduler: Scheduler, depth: number) {
    this.#scheduler = scheduler
    this.#takenNs = new Float64Array(depth).fill(Number.NaN)
    this.#uses = new Float64Array(depth)
  }

  taken(tag: number): void {
    this.#takenNs[tag] = this.#scheduler.nowNs()
    this.#uses[tag] = this.usesOf(tag) + 1
  }

  /** Tells one use of a tag from the next; 0 for a use that began before the stamps. */
  usesOf(tag: number): number {
    return this.#uses[tag] ?? 0
  }

  /** Since the tag was taken; null where that was before the stamps. */
  ageNsOf(tag: number): number | null {
    const takenNs = this.#takenNs[tag] ?? Number.NaN
    return Number.isNaN(takenNs) ? null : Math.max(0, this.#scheduler.nowNs() - takenNs)
  }
}
