// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '@iolayers/kernel'

/**
 * The time of a queue, read once for a batch of requests and not for each of them.
 * @see include/linux/blkdev.h struct blk_plug cur_ktime
 */
export class QueueClock {
  readonly #scheduler: Scheduler
  readonly #now: Float64Array

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.#now = new Float64Array(1)
  }

  /** As of the last refresh. */
  get nowNs(): number {
    return this.#now[0] ?? 0
  }

  /** For a batch that other disks are part of: the time goes to a cell, from which the next clock takes it. */
  saveTo(cell: Float64Array): void {
    cell[0] = this.#now[0] ?? 0
  }

  /** The time is at least what was saved. */
  advanceTo(cell: Float64Array): void {
    const nowNs = cell[0] ?? 0
    if (nowNs > (this.#now[0] ?? 0)) this.#now[0] = nowNs
  }

  refresh(): void {
    this.#scheduler.readClock(this.#now)
  }
}
