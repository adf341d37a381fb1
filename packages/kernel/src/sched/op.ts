// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Task } from './task.ts'

/**
 * What a parked task waits for. Preallocated by the primitive that parks the task, never made
 * per wait.
 */
export interface Park {
  /** In words, for a deadlock report: `mutex resv`. */
  readonly what: string
  /** The task that has to act before the wait can end, when the primitive knows it. */
  owner?(): Task | null
}

/**
 * Sleepable code: a generator that only the scheduler resumes. A `yield` parks the task; the
 * wait may end without cause, so whoever yields loops on its own condition.
 */
export type Op<T> = Generator<Park, T, void>
