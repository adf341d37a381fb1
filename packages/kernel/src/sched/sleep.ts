// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import type { Op, Park } from './op.ts'
import type { Scheduler } from './scheduler.ts'
import type { Task } from './task.ts'
import { Timer } from './timer.ts'
import { leaveWaitList } from './wait-list.ts'

const yielding: Park = { what: 'its turn' }
const sleeping: Park = { what: 'a sleep to end' }

/** The running task; an assertion outside of one, where nothing may sleep. */
export function currentTask(scheduler: Scheduler): Task {
  const task = scheduler.current
  assert(task !== null, 'only a task may sleep')
  return task
}

/** Lets other actors run; in sleepable code also a choice point. @see kernel/sched cond_resched */
export function* yieldNow(scheduler: Scheduler): Op<void> {
  scheduler.wake(currentTask(scheduler))
  yield yielding
}

/** Sleeps for at least `delayNs`, whatever signals come. @see kernel/time/sleep_timeout.c */
export function* sleep(scheduler: Scheduler, delayNs: number): Op<void> {
  const task = currentTask(scheduler)
  startTimeout(task, delayNs)
  while (!task.timedOut) yield sleeping
}

/**
 * Waits until `task` has ended; gives its value or throws its error. Whoever joins a task takes
 * over its error: it is no longer unhandled.
 */
export function* joinTask<T>(scheduler: Scheduler, task: Task<T>): Op<T> {
  task.observed = true
  if (task.state !== 'done') {
    const self = currentTask(scheduler)
    assert(self !== task, 'a task joins itself')
    task.joiners.pushLast(self.wait)
    while (task.outcome === null) yield task
    leaveWaitList(self.wait)
  }
  const outcome = task.outcome
  assert(outcome !== null, 'a task is done without an outcome')
  if (!outcome.ok) throw outcome.error
  return outcome.value
}

/** Joins all; the first error in the order given is thrown once every one has ended. */
export function* joinAll<T>(scheduler: Scheduler, tasks: readonly Task<T>[]): Op<T[]> {
  for (const task of tasks) task.observed = true
  const failures: unknown[] = []
  const values: T[] = []
  for (const task of tasks) {
    try {
      values.push(yield* joinTask(scheduler, task))
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return values
}

/** Arms the task's own timer: after `delayNs` the task is woken with `timedOut` set. */
export function startTimeout(task: Task, delayNs: number): void {
  task.timedOut = false
  task.timer ??= new Timer(task.scheduler, `timeout of ${task.name}`, () => {
    task.timedOut = true
    task.scheduler.wake(task)
  })
  task.timer.arm(delayNs)
}
