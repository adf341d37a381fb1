// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The real scheduler: ready work runs in the order in which it became ready, in batches, and the
// host's event loop gets its turn in between.

import { assert } from '../assert.ts'
import type { DeferredCall } from './deferred-call.ts'
import { type EventLoopHost, findEventLoopHost } from './event-loop-host.ts'
import type { Op } from './op.ts'
import { ReadyRing } from './ready-ring.ts'
import type { Scheduler, UnhandledHook } from './scheduler.ts'
import { describeTask, SchedulerCore } from './scheduler-core.ts'
import type { Task } from './task.ts'
import type { Timer } from './timer.ts'

export interface EventLoopScheduler extends Scheduler {
  /**
   * Runs everything that is ready, and what becomes so through it, here and now: for synchronous
   * users and benchmarks. Not from inside itself. Waits for no timer and no outside event.
   */
  runUntilIdle(): void
  /** What has not ended, in words: parked tasks that are no daemons, ready work, armed timers. */
  outstanding(): string[]
}

export interface EventLoopInit {
  /** Calls and task steps before the event loop gets its turn; 1024 by default. */
  readonly batch?: number
  /** Receives errors that no caller can catch. By default they end the process, as an uncaught exception does. */
  readonly onUnhandled?: UnhandledHook
  /** By default what the global object offers. */
  readonly host?: EventLoopHost
}

const DEFAULT_BATCH = 1024
const NS_PER_MS = 1e6

/** Timers have the resolution of the host's, a millisecond; the clock has its `performance.now`. */
export function createEventLoopScheduler(init: EventLoopInit = {}): EventLoopScheduler {
  return new EventLoop(init)
}

class EventLoop extends SchedulerCore implements EventLoopScheduler {
  readonly exploring = false
  readonly #ready: ReadyRing = new ReadyRing()
  readonly #host: EventLoopHost
  readonly #batch: number
  readonly #onUnhandled: UnhandledHook
  readonly #turn: () => void
  #draining = false
  #turnAsked = false
  #cancelHostTimer: (() => void) | null = null
  #hostDeadlineNs = 0

  constructor(init: EventLoopInit) {
    super()
    const host = init.host ?? findEventLoopHost()
    this.#host = host
    this.#batch = init.batch ?? DEFAULT_BATCH
    assert(this.#batch > 0, 'a batch holds at least one step')
    this.#onUnhandled = init.onUnhandled ?? ((error) => host.throwLater(error))
    this.#turn = () => {
      this.#turnAsked = false
      this.#drain(this.#batch)
    }
  }

  run<T>(name: string, op: Op<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const task = this.spawn(name, op)
      task.onDone = () => {
        const { outcome } = task
        assert(outcome !== null, 'a task is done without an outcome')
        if (outcome.ok) resolve(outcome.value)
        else reject(outcome.error)
      }
    })
  }

  queue(call: DeferredCall): void {
    if (call.queued) return
    call.queued = true
    this.#ready.push(call)
    if (!this.#draining) this.#askTurn()
  }

  external(call: DeferredCall): void {
    if (this.#draining) {
      this.queue(call)
      return
    }
    // Queued already, it runs in its turn: never twice for one queueing.
    if (!call.queued) {
      this.#draining = true
      try {
        this.runCall(call)
      } finally {
        this.#draining = false
      }
    }
    this.#drain(this.#batch)
  }

  nowNs(): number {
    return this.#host.nowNs()
  }

  readClock(cell: Float64Array): void {
    cell[0] = this.#host.nowNs()
  }

  armTimer(timer: Timer, delayNs: number): void {
    if (timer.slot >= 0) this.timers.remove(timer)
    this.timers.add(timer, this.nowNs() + Math.max(0, delayNs))
    if (!this.#draining) this.#setHostTimer()
  }

  cancelTimer(timer: Timer): boolean {
    if (timer.slot < 0) return false
    this.timers.remove(timer)
    if (!this.#draining) this.#setHostTimer()
    return true
  }

  choicePoint(): void {}

  raise(error: unknown, source: string): void {
    this.#onUnhandled(error, source)
  }

  runUntilIdle(): void {
    assert(!this.#draining, 'runUntilIdle from inside the scheduler')
    do this.#drain(this.#batch)
    while (this.#ready.size > 0)
  }

  outstanding(): string[] {
    const found: string[] = []
    for (const task of this.tasks) if (!task.daemon) found.push(describeTask(task))
    for (const call of this.#ready.calls()) found.push(`call ${call.name} is queued`)
    for (const timer of this.timers.timers) found.push(`timer ${timer.name} is armed`)
    return found
  }

  protected makeReady(task: Task): void {
    this.#ready.push(task)
    if (!this.#draining) this.#askTurn()
  }

  #askTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.#host.soon(this.#turn)
  }

  #drain(limit: number): void {
    this.#draining = true
    try {
      if (this.timers.size > 0) this.#fireDueTimers()
      const ready = this.#ready
      for (let left = limit; left > 0; left--) {
        const item = ready.shift()
        if (item === null) break
        if (item.kind === 'task') this.step(item)
        else this.runCall(item)
      }
      if (this.failed.length > 0 && ready.size === 0) this.#raiseFailed()
    } finally {
      this.#draining = false
      if (this.#ready.size > 0) this.#askTurn()
      if (this.timers.size > 0 || this.#cancelHostTimer !== null) this.#setHostTimer()
    }
  }

  /** Those due now; one that arms itself anew at once waits for the next drain. */
  #fireDueTimers(): void {
    const nowNs = this.nowNs()
    for (let left = this.timers.size; left > 0; left--) {
      const timer = this.timers.shiftDue(nowNs)
      if (timer === null) return
      this.fireTimer(timer)
    }
  }

  /** Nothing is ready any more, so whoever meant to join a failed task has had the occasion. */
  #raiseFailed(): void {
    for (const task of this.takeUnobserved()) {
      if (task.outcome?.ok === false) this.raise(task.outcome.error, `task ${task.name}`)
    }
  }

  /** One host timer for the first deadline; it may fire early, when that deadline was cancelled. */
  #setHostTimer(): void {
    const first = this.timers.first
    if (this.#cancelHostTimer !== null) {
      if (first !== null && first.deadlineNs >= this.#hostDeadlineNs) return
      this.#cancelHostTimer()
      this.#cancelHostTimer = null
    }
    if (first === null) return
    this.#hostDeadlineNs = first.deadlineNs
    const delayMs = Math.max(0, Math.ceil((first.deadlineNs - this.nowNs()) / NS_PER_MS))
    this.#cancelHostTimer = this.#host.after(delayMs, () => {
      this.#cancelHostTimer = null
      this.#drain(this.#batch)
    })
  }
}
