// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { Timer } from '../sched/timer.ts'
import { WorkItem } from './work-item.ts'
import type { WorkQueue } from './work-queue.ts'

/** Work that is queued after a delay. @see include/linux/workqueue.h struct delayed_work */
export class DelayedWork {
  readonly work: WorkItem
  readonly #queue: WorkQueue
  readonly #timer: Timer

  constructor(scheduler: Scheduler, queue: WorkQueue, name: string, fn: () => Op<void>) {
    this.work = new WorkItem(name, fn)
    this.#queue = queue
    this.#timer = new Timer(scheduler, name, () => {
      queue.queue(this.work)
    })
  }

  /** The delay runs, or the work is queued and has not begun. */
  get pending(): boolean {
    return this.#timer.pending || this.work.pending
  }

  /**
   * The work is queued `delayNs` from now, and not before: a delay that runs is moved, and work that was queued and has not begun is
   * taken off again.
   *
   * @see kernel/workqueue.c mod_delayed_work
   */
  schedule(delayNs: number): void {
    this.#queue.cancel(this.work)
    this.#timer.arm(delayNs)
  }

  /** True if the delay had not yet run out. */
  cancelTimer(): boolean {
    return this.#timer.cancel()
  }

  /** Neither the delay nor the work runs afterwards; true if it was pending. @see cancel_delayed_work_sync */
  *cancelSync(): Op<boolean> {
    const wasDelayed = this.#timer.cancel()
    const wasQueued = yield* this.#queue.cancelSync(this.work)
    // The work may have armed the delay again while it ended.
    const wasRearmed = this.#timer.cancel()
    return wasDelayed || wasQueued || wasRearmed
  }
}
