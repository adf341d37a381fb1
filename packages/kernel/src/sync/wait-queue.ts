// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '../errno.ts'
import type { Blocker, Dependence, Op, Park } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask, startTimeout } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'
import { leaveWaitList, WaitList } from '../sched/wait-list.ts'

/**
 * Tasks that wait for a condition. Whoever makes the condition true wakes the queue; each waiter
 * looks for itself. Waiting allocates nothing but the generator.
 *
 * @see include/linux/wait.h
 */
export class WaitQueue implements Park {
  readonly #name: string
  readonly #scheduler: Scheduler
  readonly #shared: WaitList = new WaitList()
  readonly #exclusive: WaitList = new WaitList()
  readonly #dependence: Dependence | null

  /** `dependence`: who makes the condition true, where that is known. */
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

  get idle(): boolean {
    return this.#dependence?.idle === true
  }

  get hasWaiters(): boolean {
    return !this.#shared.empty || !this.#exclusive.empty
  }

  /** Wakes every ordinary waiter, and of the exclusive ones the one that has waited longest. */
  wakeUp(): void {
    this.#wakeList(this.#shared)
    const task = this.#exclusive.shift()
    if (task !== null) this.#scheduler.wake(task)
  }

  /** Wakes every waiter. */
  wakeUpAll(): void {
    this.#wakeList(this.#shared)
    this.#wakeList(this.#exclusive)
  }

  /** Waits until `condition` holds, whatever signals come. */
  *waitEvent(condition: () => boolean): Op<void> {
    if (condition()) return
    yield* this.#wait(this.#shared, condition, false)
  }

  /** As `waitEvent`, but one `wakeUp` wakes only one of those who wait like this. */
  *waitEventExclusive(condition: () => boolean): Op<void> {
    if (condition()) return
    yield* this.#wait(this.#exclusive, condition, false)
  }

  /** 0, or -ERESTARTSYS when a signal came first. */
  *waitEventInterruptible(condition: () => boolean): Op<number> {
    if (condition()) return 0
    return (yield* this.#wait(this.#shared, condition, true)) ? 0 : -Errno.ERESTARTSYS
  }

  /** As `waitEventInterruptible`, but one `wakeUp` wakes only one of those who wait like this. */
  *waitEventInterruptibleExclusive(condition: () => boolean): Op<number> {
    if (condition()) return 0
    return (yield* this.#wait(this.#exclusive, condition, true)) ? 0 : -Errno.ERESTARTSYS
  }

  /** The nanoseconds that were left, at least 1, when the condition held in time; 0 when it did not. */
  *waitEventTimeout(condition: () => boolean, timeoutNs: number): Op<number> {
    return yield* this.#timed(condition, timeoutNs, false)
  }

  /** As `waitEventTimeout`, or -ERESTARTSYS when a signal came first. */
  *waitEventInterruptibleTimeout(condition: () => boolean, timeoutNs: number): Op<number> {
    return yield* this.#timed(condition, timeoutNs, true)
  }

  *#timed(condition: () => boolean, timeoutNs: number, interruptible: boolean): Op<number> {
    if (condition()) return Math.max(1, timeoutNs)
    if (timeoutNs <= 0) return 0
    const task = currentTask(this.#scheduler)
    startTimeout(task, timeoutNs)
    let held: boolean
    try {
      held = yield* this.#wait(this.#shared, () => condition() || task.timedOut, interruptible)
    } finally {
      task.timer?.cancel()
    }
    if (!held) return -Errno.ERESTARTSYS
    if (!condition()) return 0
    return Math.max(1, (task.timer?.deadlineNs ?? 0) - this.#scheduler.nowNs())
  }

  /** False when a signal ended the wait. The condition is looked at before the signal. */
  *#wait(list: WaitList, condition: () => boolean, interruptible: boolean): Op<boolean> {
    const task = currentTask(this.#scheduler)
    task.interruptible = interruptible
    let held = false
    try {
      for (;;) {
        if (condition()) {
          held = true
          return true
        }
        if (interruptible && task.signalPending) return false
        if (task.wait.list === null) list.pushLast(task.wait)
        yield this
      }
    } finally {
      task.interruptible = false
      this.#leave(task, list, held)
    }
  }

  /** A wake that only this waiter got, and has no use for, goes to the next in line. */
  #leave(task: Task, list: WaitList, held: boolean): void {
    const woken = task.wait.list === null
    leaveWaitList(task.wait)
    if (held || !woken || list !== this.#exclusive) return
    const next = list.shift()
    if (next !== null) this.#scheduler.wake(next)
  }

  #wakeList(list: WaitList): void {
    for (let task = list.shift(); task !== null; task = list.shift()) this.#scheduler.wake(task)
  }
}
