// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure } from '../assert.ts'
import type { ExecutionWatch } from '../debug/watch.ts'
import type { DeferredCall } from './deferred-call.ts'
import type { Op } from './op.ts'
import type { Scheduler, SpawnInit } from './scheduler.ts'
import { Task } from './task.ts'
import type { Timer } from './timer.ts'
import { TimerHeap } from './timer-heap.ts'

/**
 * What both schedulers share: the life of a task from spawn to its outcome. Which ready actor
 * runs next, and when, is the subclass's.
 *
 *   spawn -> ready -> running -> parked -> ready -> ...      (wake: parked -> ready)
 *                        |-> done
 */
export abstract class SchedulerCore implements Scheduler {
  current: Task | null = null
  watch: ExecutionWatch | null = null
  abstract readonly exploring: boolean
  protected readonly timers: TimerHeap = new TimerHeap()
  protected readonly tasks: Set<Task> = new Set()
  /** Ended with an error and nobody has joined them yet. */
  protected readonly failed: Task[] = []
  #nextId = 1

  abstract run<T>(name: string, op: Op<T>): Promise<T>
  abstract queue(call: DeferredCall): void
  abstract external(call: DeferredCall): void
  abstract nowNs(): number
  abstract readClock(cell: Float64Array): void
  abstract armTimer(timer: Timer, delayNs: number): void
  abstract cancelTimer(timer: Timer): boolean
  abstract choicePoint(label: string): void
  abstract raise(error: unknown, source: string): void
  protected abstract makeReady(task: Task): void

  protected nextId(): number {
    return this.#nextId++
  }

  spawn<T>(name: string, op: Op<T>, init?: SpawnInit): Task<T> {
    const task = new Task<T>(this, this.nextId(), name, op, init?.daemon === true)
    this.tasks.add(task)
    this.makeReady(task)
    return task
  }

  wake(task: Task): void {
    if (task.state === 'parked') {
      task.state = 'ready'
      this.makeReady(task)
      return
    }
    if (task.state === 'running') task.wakePending = true
  }

  /** Resumes `task` until it parks or ends. Does not throw. */
  protected step(task: Task): void {
    const interrupted = this.current
    this.current = task
    task.state = 'running'
    task.waitingFor = null
    task.wakePending = false
    try {
      const result = task.op.next()
      if (result.done === true) this.#finish(task, true, result.value)
      else this.#park(task, result.value)
    } catch (error) {
      this.#finish(task, false, error)
    } finally {
      this.current = interrupted
    }
  }

  protected runCall(call: DeferredCall): void {
    const interrupted = this.current
    this.current = null
    call.queued = false
    try {
      call.fn()
    } catch (error) {
      this.raise(error, `call ${call.name}`)
    } finally {
      this.current = interrupted
    }
  }

  protected fireTimer(timer: Timer): void {
    const interrupted = this.current
    this.current = null
    try {
      timer.fn()
    } catch (error) {
      this.raise(error, `timer ${timer.name}`)
    } finally {
      this.current = interrupted
    }
  }

  /** Takes the failed tasks that nobody joined since. */
  protected takeUnobserved(): Task[] {
    return this.failed.splice(0).filter((task) => !task.observed)
  }

  #park(task: Task, park: Task['waitingFor']): void {
    if (task.atomicDepth !== 0) {
      this.#refuseSleep(task)
      return
    }
    task.waitingFor = park
    if (task.wakePending) {
      task.state = 'ready'
      this.makeReady(task)
      return
    }
    task.state = 'parked'
  }

  /** The task asked to sleep in a section that must not: it gets the failure where it yielded. */
  #refuseSleep(task: Task): void {
    task.wait.list?.remove(task.wait)
    const result = task.op.throw(new AssertionFailure('scheduling while atomic'))
    if (result.done === true) this.#finish(task, true, result.value)
    else this.#park(task, result.value)
  }

  #finish(task: Task, ok: boolean, result: unknown): void {
    task.state = 'done'
    task.wakePending = false
    task.outcome = ok ? { ok, value: result } : { ok: false, error: result }
    task.wait.list?.remove(task.wait)
    task.timer?.cancel()
    this.tasks.delete(task)
    if (task.onDone !== null) {
      task.observed = true
      task.onDone()
    }
    for (let joiner = task.joiners.shift(); joiner !== null; joiner = task.joiners.shift()) {
      task.observed = true
      this.wake(joiner)
    }
    if (!ok && !task.observed) this.failed.push(task)
  }
}

/** What a scheduler still holds, in words: parked tasks, queued calls, armed timers. */
export function describeTask(task: Task): string {
  const park = task.waitingFor
  if (task.state !== 'parked' || park === null) return `task ${task.name} is ${task.state}`
  const owner = park.owner?.() ?? null
  const held = owner === null || owner === task ? '' : `, held by task ${owner.name}`
  return `task ${task.name} waits for ${park.what}${held}`
}
