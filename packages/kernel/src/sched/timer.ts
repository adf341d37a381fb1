// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from './scheduler.ts'

/**
 * A one-shot timer; its function runs in atomic context. Arming a pending timer moves it.
 * Nanoseconds; the event loop's own resolution is a millisecond.
 *
 * @see include/linux/timer.h struct timer_list
 */
export class Timer {
  readonly kind = 'timer'
  readonly name: string
  readonly fn: () => void
  readonly scheduler: Scheduler
  /** Given by the scheduler at the first arming; 0 before. */
  id = 0
  deadlineNs = 0
  /** Ties between equal deadlines go to the one armed first. */
  sequence = 0
  /** Place in the timer heap, -1 when not there. */
  slot = -1
  /** Virtual time only: the deadline has come and the function has not yet been run. */
  due = false

  constructor(scheduler: Scheduler, name: string, fn: () => void) {
    this.scheduler = scheduler
    this.name = name
    this.fn = fn
  }

  get pending(): boolean {
    return this.slot >= 0 || this.due
  }

  /** @see kernel/time/timer.c mod_timer */
  arm(delayNs: number): void {
    this.scheduler.armTimer(this, delayNs)
  }

  /** True if it was pending. Does not wait for a function that is running. @see timer_delete */
  cancel(): boolean {
    return this.scheduler.cancelTimer(this)
  }
}
