// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op, Park } from './op.ts'
import type { Scheduler } from './scheduler.ts'
import type { Timer } from './timer.ts'
import { WaitEntry, WaitList } from './wait-list.ts'

export type TaskState = 'ready' | 'running' | 'parked' | 'done'

export type TaskOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown }

/**
 * One thread of sleepable code, as `task_struct` is. Made by `Scheduler.spawn` only; the fields
 * from `op` down belong to the scheduler and to the primitives of this package.
 *
 * @see include/linux/sched.h struct task_struct
 */
export class Task<T = unknown> implements Park {
  readonly kind = 'task'
  readonly id: number
  readonly name: string
  /** Serves others: does not count as deadlocked or outstanding while it waits for work. */
  daemon: boolean
  state: TaskState = 'ready'
  waitingFor: Park | null = null
  signalPending = false
  /** The current wait ends when a signal comes. */
  interruptible = false
  outcome: TaskOutcome<T> | null = null
  /** How many sections that must not sleep are open: the scheduler refuses to park above 0. */
  atomicDepth = 0

  readonly op: Op<T>
  readonly scheduler: Scheduler
  readonly wait: WaitEntry = new WaitEntry(this)
  readonly joiners: WaitList = new WaitList()
  next: Task | null = null
  wakePending = false
  observed = false
  timedOut = false
  timer: Timer | null = null
  /** The work queue that it does an item of. */
  working: object | null = null
  onDone: (() => void) | null = null

  constructor(scheduler: Scheduler, id: number, name: string, op: Op<T>, daemon: boolean) {
    this.scheduler = scheduler
    this.id = id
    this.name = name
    this.op = op
    this.daemon = daemon
  }

  /** For who joins this task. */
  get what(): string {
    return `end of task ${this.name}`
  }

  owner(): Task | null {
    return this
  }

  /** Sets a pending signal; an interruptible wait ends. @see kernel/signal.c signal_wake_up */
  signal(): void {
    this.signalPending = true
    if (this.interruptible) this.scheduler.wake(this)
  }

  clearSignal(): void {
    this.signalPending = false
  }
}
