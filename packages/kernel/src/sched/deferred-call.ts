// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * A plain function that the scheduler runs later, in atomic context: an interrupt, a softirq, a
 * tasklet. Intrusive: queueing allocates nothing, and one call is queued at most once at a time.
 * It is taken off the queue before it runs, so it may queue itself again.
 *
 * @see include/linux/interrupt.h struct tasklet_struct
 */
export class DeferredCall {
  readonly kind = 'call'
  readonly name: string
  readonly fn: () => void
  /** Given by the scheduler at the first queueing; 0 before. */
  id = 0
  queued = false
  /** All that running it can touch, besides making others runnable; null: anything. An explorer need not try both orders of two that touch different things. */
  footprint: object | null = null
  next: DeferredCall | null = null

  constructor(name: string, fn: () => void) {
    this.name = name
    this.fn = fn
  }
}
