// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Op, type Park, type Scheduler, type Task } from '@iolayers/kernel'

/**
 * Where user tasks are when they are not in the kernel. Nobody can count on one to come back: what gets on only when it does, never may.
 *
 * A task that stays here is no deadlock and holds no run up; what waits for it is.
 */
export class UserSpace implements Park {
  readonly what = 'user space, from which it need not come back'
  readonly #scheduler: Scheduler
  readonly #inside: Set<Task> = new Set()
  #closed = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** The user tasks that stay here now. */
  get tasks(): readonly Task[] {
    return [...this.#inside]
  }

  /** The running task leaves the kernel, and is back in it when this returns: only `enterAll` makes it. */
  *stay(): Op<void> {
    const task = this.#scheduler.current
    assert(task !== null, 'only a task can be in user space')
    if (this.#closed) return
    const { daemon } = task
    task.daemon = true
    this.#inside.add(task)
    while (this.#inside.has(task)) yield this
    task.daemon = daemon
  }

  /** Everybody enters the kernel, and nobody stays outside from now on: the end of a run, where what is left is to be seen. */
  enterAll(): void {
    this.#closed = true
    for (const task of this.#inside) {
      this.#inside.delete(task)
      this.#scheduler.wake(task)
    }
  }
}
