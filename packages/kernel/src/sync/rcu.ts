// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import { DeferredCall } from '../sched/deferred-call.ts'
import type { Op } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { Completion } from './completion.ts'

/** A callback that waits for a grace period. Intrusive: it is made with the object that it frees. */
export class RcuHead {
  readonly fn: () => void
  next: RcuHead | null = null
  queued = false

  constructor(fn: () => void) {
    this.fn = fn
  }
}

/**
 * Read-copy-update for one thread. A read section is plain code, so it can only be interrupted at a choice point, where other actors
 * run nested in it. A grace period is over when no section that was open at its start is open still; because
 * sections nest strictly, that is the next moment with none open at all, and callbacks run from a deferred call after it.
 *
 * @see kernel/rcu/tree.c
 */
export class Rcu {
  readonly #scheduler: Scheduler
  readonly #call: DeferredCall
  /** Callbacks run so far. */
  callbacks = 0
  #readers: number
  #first: RcuHead | null
  #last: RcuHead | null

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.#call = new DeferredCall('rcu callbacks', () => this.#runCallbacks())
    this.#readers = 0
    this.#first = null
    this.#last = null
  }

  /** Read sections that are open now. */
  get readers(): number {
    return this.#readers
  }

  /** Opens a section: nothing that it reads is freed before it is closed. It may not sleep. */
  readLock(): void {
    this.#readers++
    const task = this.#scheduler.current
    if (task !== null) task.atomicDepth++
  }

  /** Closes the innermost section. To be called in a `finally`. */
  readUnlock(): void {
    assert(this.#readers > 0, 'an RCU section was closed that was not open')
    this.#readers--
    const task = this.#scheduler.current
    if (task !== null) task.atomicDepth--
    if (this.#readers === 0 && this.#first !== null) this.#scheduler.queue(this.#call)
  }

  /** Runs `head.fn` after a grace period, in atomic context. @see kernel/rcu/tree.c call_rcu */
  call(head: RcuHead): void {
    assert(!head.queued, 'an RCU head was queued twice')
    head.queued = true
    head.next = null
    if (this.#last === null) this.#first = head
    else this.#last.next = head
    this.#last = head
    this.#scheduler.queue(this.#call)
  }

  /** Returns after a grace period. @see kernel/rcu/tree.c synchronize_rcu */
  *synchronize(): Op<void> {
    const over = new Completion(this.#scheduler, 'an RCU grace period')
    this.call(new RcuHead(() => over.complete()))
    yield* over.wait()
  }

  /** Returns when every callback that was queued before has run. @see kernel/rcu/tree.c rcu_barrier */
  *barrier(): Op<void> {
    yield* this.synchronize()
  }

  #runCallbacks(): void {
    // Run nested in an open section (at a choice point): the close of that section queues us again.
    if (this.#readers > 0) return
    let head = this.#first
    this.#first = null
    this.#last = null
    while (head !== null) {
      const next = head.next
      head.next = null
      head.queued = false
      this.callbacks++
      head.fn()
      head = next
    }
  }
}
