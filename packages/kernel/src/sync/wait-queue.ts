// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '../errno.ts'
import type { Op, Park } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask, startTimeout } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'
import { leaveWaitList, WaitList } from '../sched/wait-list.ts'

/**
 * Tasks that wait for a condition. Whoever makes the condition true wakes the queue; each waiter looks for itself.
 *
 * @see include/linux/wait.h
 */
export class WaitQueue implements Park {
  readonly what: string
  readonly #scheduler: Scheduler
  readonly #waiters: WaitList = new WaitList()

  constructor(scheduler: Scheduler, name: string) {
    this.#scheduler = scheduler
    this.what = name
  }

  get hasWaiters(): boolean {
    return !this.#waiters.empty
  }

  /** Wakes the task that has waited longest. */
  wakeUp(): void {
    const task = this.#waiters.shift()
    if (task !== null) this.#scheduler.wake(task)
  }

  wakeUpAll(): void {
    for (let task = this.#waiters.shift(); task !== null; task = this.#waiters.shift()) {
      this.#scheduler.wake(task)
    }
  }

  /** Waits until `condition` holds, whatever signals come. */
  *waitEvent(condition: () => boolean): Op<void> {
    if (condition()) return
    const task = currentTask(this.#scheduler)
    yield* this.#wait(task, condition, false)
  }

  /** 0, or -ERESTARTSYS when a signal came first. */
  *waitEventInterruptible(condition: () => boolean): Op<number> {
    if (condition()) return 0
    const task = currentTask(this.#scheduler)
    return (yield* this.#wait(task, condition, true)) ? 0 : -Errno.ERESTARTSYS
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
      held = yield* this.#wait(task, () => condition() || task.timedOut, interruptible)
    } finally {
      task.timer?.cancel()
    }
    if (!held) return -Errno.ERESTARTSYS
    if (!condition()) return 0
    return Math.max(1, (task.timer?.deadlineNs ?? 0) - this.#scheduler.nowNs())
  }

  /** False when a signal ended the wait. */
  *#wait(task: Task, condition: () => boolean, interruptible: boolean): Op<boolean> {
    task.interruptible = interruptible
    try {
      for (;;) {
        if (condition()) return true
        if (interruptible && task.signalPending) return false
        if (task.wait.list === null) this.#waiters.pushLast(task.wait)
        yield this
      }
    } finally {
      task.interruptible = false
      // A wake that was meant for us and not used goes to the next in line.
      if (task.wait.list === null && !condition()) this.wakeUp()
      leaveWaitList(task.wait)
    }
  }
}
