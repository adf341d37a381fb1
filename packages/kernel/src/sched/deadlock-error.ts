// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describeTask } from './scheduler-core.ts'
import type { Task } from './task.ts'

/** Nothing can run any more, and somebody waits. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError'
  /** Who waits for what and who holds it, in words, one a task. */
  readonly waiting: readonly string[]

  constructor(waiting: readonly string[]) {
    super(`deadlock: ${waiting.join('; ')}`)
    this.waiting = waiting
  }
}

/** A run took more steps than its bound. */
export class NoEndError extends Error {
  override readonly name = 'NoEndError'
  /** What had not ended, in words. */
  readonly outstanding: readonly string[]

  constructor(steps: number, outstanding: readonly string[]) {
    super(`no end after ${steps} steps: ${outstanding.join('; ')}`)
    this.outstanding = outstanding
  }
}

/** The parked tasks that are no daemons, and whoever they wait for, daemons included. */
export function describeDeadlock(tasks: Iterable<Task>): DeadlockError {
  const seen = new Set<Task>()
  for (const task of tasks) {
    if (task.daemon || task.state !== 'parked') continue
    for (let at: Task | null = task; at !== null && !seen.has(at); ) {
      seen.add(at)
      at = at.waitingFor?.owner?.() ?? null
    }
  }
  return new DeadlockError([...seen].map(describeTask))
}
