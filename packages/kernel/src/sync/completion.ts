// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '../errno.ts'
import type { Blocker, Dependence, Op, Park } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask, startTimeout } from '../sched/sleep.ts'
import { leaveWaitList, WaitList } from '../sched/wait-list.ts'

/** What `completeAll` sets the count to. @see kernel/sched/completion.c UINT_MAX */
const ALL = 0x7fff_ffff

/**
 * Something that happens: tasks wait until it has. Waiters are let through in the order in which
 * they came.
 *
 * @see kernel/sched/completion.c
 */
export class Completion implements Park {
  readonly #name: string
  readonly #scheduler: Scheduler
  readonly #waiters: WaitList = new WaitList()
  readonly #dependence: Dependence | null
  #done = 0

  /** `dependence`: who completes it, where that is known. */
  constructor(scheduler: Scheduler, name: string, dependence: Dependence | null = null) {
    this.#scheduler = scheduler
    this.#name = name
    this.#dependence = dependence
  }

  get what(): string {
    return this.#dependence?.what ?? this.#name
  }

  get subject(): object | null {
    return this.#dependence
  }

  blockers(): readonly Blocker[] {
    return this.#dependence?.blockers?.() ?? []
  }

  get anyOf(): boolean {
    return this.#dependence?.anyOf === true
  }

  get done(): boolean {
    return this.#done > 0
  }

  /** Lets one waiter through, now or later. */
  complete(): void {
    if (this.#done < ALL) this.#done++
    const task = this.#waiters.shift()
    if (task !== null) this.#scheduler.wake(task)
  }

  /** Lets all waiters through, now and until `reinit`. */
  completeAll(): void {
    this.#done = ALL
    for (let task = this.#waiters.shift(); task !== null; task = this.#waiters.shift()) {
      this.#scheduler.wake(task)
    }
  }

  /** Not while anybody waits. */
  reinit(): void {
    this.#done = 0
  }

  /** Goes through if that needs no waiting. @see try_wait_for_completion */
  tryWait(): boolean {
    if (this.#done === 0) return false
    if (this.#done !== ALL) this.#done--
    return true
  }

  *wait(): Op<void> {
    if (!this.tryWait()) yield* this.#wait(false, false)
  }

  /** 0, or -ERESTARTSYS when a signal came first. */
  *waitInterruptible(): Op<number> {
    if (this.tryWait()) return 0
    return (yield* this.#wait(true, false)) ? 0 : -Errno.ERESTARTSYS
  }

  /** The nanoseconds left, at least 1; 0 when the time ran out. */
  *waitTimeout(timeoutNs: number): Op<number> {
    return yield* this.#timed(timeoutNs, false)
  }

  /** As `waitTimeout`, or -ERESTARTSYS when a signal came first. */
  *waitInterruptibleTimeout(timeoutNs: number): Op<number> {
    return yield* this.#timed(timeoutNs, true)
  }

  *#timed(timeoutNs: number, interruptible: boolean): Op<number> {
    if (this.tryWait()) return Math.max(1, timeoutNs)
    if (timeoutNs <= 0) return 0
    const task = currentTask(this.#scheduler)
    startTimeout(task, timeoutNs)
    try {
      if (yield* this.#wait(interruptible, true)) {
        return Math.max(1, (task.timer?.deadlineNs ?? 0) - this.#scheduler.nowNs())
      }
    } finally {
      task.timer?.cancel()
    }
    return task.timedOut ? 0 : -Errno.ERESTARTSYS
  }

  /** False when a signal or the task's timeout ended the wait. */
  *#wait(interruptible: boolean, timed: boolean): Op<boolean> {
    const task = currentTask(this.#scheduler)
    task.interruptible = interruptible
    try {
      for (;;) {
        if (this.tryWait()) return true
        if (timed && task.timedOut) return false
        if (interruptible && task.signalPending) return false
        if (task.wait.list === null) this.#waiters.pushLast(task.wait)
        yield this
      }
    } finally {
      task.interruptible = false
      leaveWaitList(task.wait)
    }
  }
}
