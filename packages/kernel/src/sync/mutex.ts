// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import { Errno } from '../errno.ts'
import type { Op, Park } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask, yieldNow } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'
import { leaveWaitList, WaitList } from '../sched/wait-list.ts'

/**
 * A sleeping lock, handed over in the order of waiting; only its holder unlocks it.
 *
 * @see kernel/locking/mutex.c
 */
export class Mutex implements Park {
  readonly what: string
  readonly #scheduler: Scheduler
  readonly #waiters: WaitList = new WaitList()
  #owner: Task | null = null

  constructor(scheduler: Scheduler, name: string) {
    this.#scheduler = scheduler
    this.what = `mutex ${name}`
  }

  owner(): Task | null {
    return this.#owner
  }

  get locked(): boolean {
    return this.#owner !== null
  }

  tryLock(): boolean {
    if (this.#owner !== null) return false
    this.#owner = currentTask(this.#scheduler)
    this.#scheduler.watch?.lockTaken(this, null, this.#owner)
    return true
  }

  *lock(): Op<void> {
    yield* this.#lock(false)
  }

  /** 0, or -ERESTARTSYS without the lock (the kernel's `mutex_lock_interruptible` says EINTR). */
  *lockInterruptible(): Op<number> {
    return (yield* this.#lock(true)) ? 0 : -Errno.ERESTARTSYS
  }

  unlock(): void {
    assert(this.#owner !== null, 'a mutex was unlocked that nobody held')
    assert(
      this.#owner === this.#scheduler.current,
      'a mutex was unlocked by another than its holder',
    )
    this.#scheduler.watch?.lockDropped(this, this.#owner)
    const task = this.#waiters.shift()
    this.#owner = task
    if (task === null) return
    this.#scheduler.watch?.lockTaken(this, null, task)
    this.#scheduler.wake(task)
  }

  *#lock(interruptible: boolean): Op<boolean> {
    const task = currentTask(this.#scheduler)
    assert(this.#owner !== task, 'a task locks a mutex that it holds')
    this.#scheduler.watch?.lockWanted(this, null)
    if (this.#scheduler.exploring) yield* yieldNow(this.#scheduler)
    if (this.tryLock()) return true
    this.#waiters.pushLast(task.wait)
    task.interruptible = interruptible
    try {
      while (this.#owner !== task) {
        if (interruptible && task.signalPending) return false
        yield this
      }
      return true
    } finally {
      task.interruptible = false
      leaveWaitList(task.wait)
    }
  }
}
