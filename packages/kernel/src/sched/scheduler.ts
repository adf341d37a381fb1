// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { ExecutionWatch } from '../debug/watch.ts'
import type { DeferredCall } from './deferred-call.ts'
import type { Op } from './op.ts'
import type { Task } from './task.ts'
import type { Timer } from './timer.ts'

export interface SpawnInit {
  /** Serves others: its waiting is neither a deadlock nor outstanding work. */
  readonly daemon?: boolean
}

/** Receives an error that no caller can catch; `source` names the task, call or timer. */
export type UnhandledHook = (error: unknown, source: string) => void

/**
 * Who runs when, and what time it is. Everything that waits, runs later or asks for the time
 * goes through here. Tasks run from one park to the next; calls and timers run to their end.
 */
export interface Scheduler {
  /** The task that runs now; null in a deferred call, a timer, or outside. */
  readonly current: Task | null
  /** Who hears of locks, fences and work; null unless a checker does. */
  watch: ExecutionWatch | null
  /** Makes a task, ready to run. An error that it throws goes to whoever joins it. */
  spawn<T>(name: string, op: Op<T>, init?: SpawnInit): Task<T>
  /** The public edge: spawns a task and promises its outcome. */
  run<T>(name: string, op: Op<T>): Promise<T>
  /**
   * Makes a parked task ready. A wake that comes while the task still runs ends its next park at
   * once. Ready and done tasks are left alone.
   */
  wake(task: Task): void
  /** Runs `call` later, in atomic context; no effect while it is queued already. */
  queue(call: DeferredCall): void
  /**
   * An outside event enters. Not running: `call` is run at once, as an interrupt, and then a
   * batch of what became runnable. Already running: the same as `queue`.
   */
  external(call: DeferredCall): void
  nowNs(): number
  /** Puts the time into the first cell: for hot paths, where a returned fraction or large number costs an object. */
  readClock(cell: Float64Array): void
  armTimer(timer: Timer, delayNs: number): void
  /** True if it was pending. */
  cancelTimer(timer: Timer): boolean
  /** Whether `choicePoint` does anything; layers ask first, so that it costs nothing. */
  readonly exploring: boolean
  /** A place in plain code where another CPU could run: may run other actors nested, right here. */
  choicePoint(label: string): void
  /** An error that no caller can catch: handed to the unhandled hook, never swallowed. */
  raise(error: unknown, source: string): void
}
