// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertOnce } from '../assert.ts'
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
 * Read-copy-update for one thread. A read section is plain code, so it can only be interrupted at
 * a choice point, where other actors run nested in it. A grace period is over when no section that
 * was open at its start is open still; because sections nest strictly, that is the next moment
 * with none open at all. A section that opens later holds nothing up, as in the kernel.
 *
 *   call: section open -> waiting --last section closes--> ready -> run by a deferred call
 *         none open    -> ready
 *
 * @see kernel/rcu/tree.c
 */
export class Rcu {
  readonly #scheduler: Scheduler
  readonly #call: DeferredCall
  readonly #waiting: HeadList = new HeadList()
  readonly #ready: HeadList = new HeadList()
  /** Callbacks run so far. */
  callbacks = 0
  #readers = 0
  /** Times that the last open section was closed: each ends every grace period that had begun. */
  #graceEnds = 0
  #running = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.#call = new DeferredCall('rcu callbacks', () => this.#runCallbacks())
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
    if (this.#readers > 0) return
    this.#graceEnds++
    if (this.#waiting.first === null) return
    this.#ready.append(this.#waiting)
    this.#scheduler.queue(this.#call)
  }

  /** A moment, for `pollState`. @see kernel/rcu/tree.c get_state_synchronize_rcu */
  getState(): number {
    return this.#readers > 0 ? this.#graceEnds + 1 : this.#graceEnds
  }

  /** Whether a grace period has gone by since `state`. @see kernel/rcu/tree.c poll_state_synchronize_rcu */
  pollState(state: number): boolean {
    return this.#graceEnds >= state
  }

  /** Runs `head.fn` after a grace period, in atomic context. @see kernel/rcu/tree.c call_rcu */
  call(head: RcuHead): void {
    assertOnce(!head.queued, 'an RCU head was queued twice')
    head.queued = true
    if (this.#readers > 0) {
      this.#waiting.push(head)
      return
    }
    this.#ready.push(head)
    this.#scheduler.queue(this.#call)
  }

  /** Returns after a grace period. @see kernel/rcu/tree.c synchronize_rcu */
  *synchronize(): Op<void> {
    yield* this.#callAndWait('an RCU grace period')
  }

  /**
   * Returns when every callback that was queued before has ended. (Callbacks run in the order of
   * queueing and never nested, so the last one stands for all.)
   *
   * @see kernel/rcu/tree.c rcu_barrier
   */
  *barrier(): Op<void> {
    yield* this.#callAndWait('the RCU callbacks queued before')
  }

  *#callAndWait(what: string): Op<void> {
    const over = new Completion(this.#scheduler, what)
    this.call(new RcuHead(() => over.complete()))
    yield* over.wait()
  }

  #runCallbacks(): void {
    // Nested in a callback, at a choice point: the outer one goes on with the list.
    if (this.#running) return
    this.#running = true
    const last = this.#ready.last
    for (let head = this.#ready.shift(); head !== null; head = this.#ready.shift()) {
      this.#runCallback(head)
      if (head === last) break
    }
    this.#running = false
    if (this.#ready.first !== null) this.#scheduler.queue(this.#call)
  }

  #runCallback(head: RcuHead): void {
    head.queued = false
    this.callbacks++
    try {
      head.fn()
    } catch (error) {
      this.#scheduler.raise(error, 'an RCU callback')
    }
  }
}

class HeadList {
  first: RcuHead | null = null
  last: RcuHead | null = null

  push(head: RcuHead): void {
    if (this.last === null) this.first = head
    else this.last.next = head
    this.last = head
  }

  shift(): RcuHead | null {
    const head = this.first
    if (head === null) return null
    this.first = head.next
    if (this.first === null) this.last = null
    head.next = null
    return head
  }

  /** Takes over everything that `other` holds. */
  append(other: HeadList): void {
    if (this.last === null) this.first = other.first
    else this.last.next = other.first
    this.last = other.last
    other.first = null
    other.last = null
  }
}
