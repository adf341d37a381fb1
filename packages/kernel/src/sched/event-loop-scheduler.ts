// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The real scheduler: ready work runs in order, in batches, and the host's event loop gets its turn in between. The only file of the
// libraries that touches the host's clock and timers.

import type { DeferredCall } from './deferred-call.ts'
import type { Op } from './op.ts'
import { ReadyRing } from './ready-ring.ts'
import type { Scheduler, UnhandledHook } from './scheduler.ts'
import { SchedulerCore } from './scheduler-core.ts'
import type { Task } from './task.ts'
import type { Timer } from './timer.ts'

export interface EventLoopScheduler extends Scheduler {
  /** Runs everything that is ready, here and now: for synchronous users and benchmarks. Not from inside itself. */
  runUntilIdle(): void
}

export interface EventLoopInit {
  /** Items run before the event loop gets its turn. */
  readonly batch?: number
  /** Receives errors that no caller can catch. By default they end the process, as an uncaught exception does. */
  readonly onUnhandled?: UnhandledHook
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
  readonly #batch: number
  readonly #onUnhandled: UnhandledHook
  readonly #soon: (run: () => void) => void
  readonly #turn: () => void
  #draining = false
  #scheduled = false
  #hostTimer: ReturnType<typeof setTimeout> | null = null
  #hostDeadlineNs = 0

  constructor(init: EventLoopInit) {
    super()
    this.#batch = init.batch ?? DEFAULT_BATCH
    this.#onUnhandled = init.onUnhandled ?? throwLater
    this.#soon = hostSoon()
    this.#turn = () => {
      this.#scheduled = false
      this.#drain(this.#batch)
    }
  }

  run<T>(name: string, op: Op<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const task = this.spawn(name, op)
      task.onDone = () => {
        const { outcome } = task
        if (outcome === null) return
        if (outcome.ok) resolve(outcome.value)
        else reject(outcome.error)
      }
    })
  }

  queue(call: DeferredCall): void {
    if (call.queued) return
    call.queued = true
    this.#ready.push(call)
    this.#schedule()
  }

  external(call: DeferredCall): void {
    if (this.#draining) {
      this.queue(call)
      return
    }
    this.#draining = true
    try {
      this.runCall(call)
    } finally {
      this.#draining = false
    }
    this.#drain(this.#batch)
  }

  nowNs(): number {
    return performance.now() * NS_PER_MS
  }

  armTimer(timer: Timer, delayNs: number): void {
    if (timer.slot >= 0) this.timers.remove(timer)
    this.timers.add(timer, this.nowNs() + Math.max(0, delayNs))
    this.#armHost()
  }

  cancelTimer(timer: Timer): boolean {
    if (timer.slot < 0) return false
    this.timers.remove(timer)
    this.#armHost()
    return true
  }

  choicePoint(): void {}

  raise(error: unknown, source: string): void {
    this.#onUnhandled(error, source)
  }

  runUntilIdle(): void {
    this.#drain(Number.POSITIVE_INFINITY)
  }

  protected makeReady(task: Task): void {
    this.#ready.push(task)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#draining || this.#scheduled) return
    this.#scheduled = true
    this.#soon(this.#turn)
  }

  #drain(limit: number): void {
    if (this.#draining) return
    this.#draining = true
    try {
      for (let done = 0; done < limit; done++) {
        const item = this.#ready.shift()
        if (item === null) break
        if (item.kind === 'task') this.step(item)
        else this.runCall(item)
      }
    } finally {
      this.#draining = false
      if (this.#ready.size > 0) this.#schedule()
    }
    for (const task of this.takeUnobserved()) {
      if (task.outcome?.ok === false) this.raise(task.outcome.error, `task ${task.name}`)
    }
  }

  #armHost(): void {
    const first = this.timers.first
    if (first === null) {
      if (this.#hostTimer !== null) clearTimeout(this.#hostTimer)
      this.#hostTimer = null
      return
    }
    if (this.#hostTimer !== null && this.#hostDeadlineNs <= first.deadlineNs) return
    if (this.#hostTimer !== null) clearTimeout(this.#hostTimer)
    this.#hostDeadlineNs = first.deadlineNs
    const delayMs = Math.min(
      0x7fff_ffff,
      Math.max(0, Math.ceil((first.deadlineNs - this.nowNs()) / NS_PER_MS)),
    )
    this.#hostTimer = setTimeout(() => this.#onHostTimer(), delayMs)
  }

  #onHostTimer(): void {
    this.#hostTimer = null
    const nowNs = this.nowNs()
    for (
      let timer = this.timers.shiftDue(nowNs);
      timer !== null;
      timer = this.timers.shiftDue(nowNs)
    ) {
      this.fireTimer(timer)
    }
    this.#armHost()
    this.#drain(this.#batch)
  }
}

function throwLater(error: unknown): void {
  setTimeout(() => {
    throw error
  }, 0)
}

/** The host's cheapest way to come back soon without starving its I/O. */
function hostSoon(): (run: () => void) => void {
  if (typeof setImmediate === 'function') {
    return (run) => {
      setImmediate(run)
    }
  }
  if (typeof MessageChannel === 'function') {
    const { port1, port2 } = new MessageChannel()
    let next: (() => void) | null = null
    port1.addEventListener('message', () => next?.())
    port1.start()
    return (run) => {
      next = run
      port2.postMessage(null)
    }
  }
  return (run) => {
    setTimeout(run, 0)
  }
}
