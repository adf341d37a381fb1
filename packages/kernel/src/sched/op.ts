// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Task } from './task.ts'

/** Something that has to get on before a wait can end: a task, something that is waited for in its turn, or words for what no task does. */
export type Blocker = Park | string

/** On whom a wait depends, for those who look for cycles of waiting. Never asked while everything runs. */
export interface Dependence {
  /** In words, where they depend on the moment. */
  readonly what?: string
  /** Asked when something may be stuck. Empty when it is not known, or when nothing is in the way. */
  blockers?(): readonly Blocker[]
  /** One of them is enough; otherwise all are needed. */
  readonly anyOf?: boolean
  /** Who waits here has nothing to do: that it is never woken is no fault. @see include/linux/sched.h TASK_IDLE */
  readonly idle?: boolean
}

/**
 * What a parked task waits for. Preallocated by the primitive that parks the task, never made
 * per wait.
 */
export interface Park extends Dependence {
  /** In words, for a deadlock report: `mutex resv`. */
  readonly what: string
  /** The task that has to act before the wait can end, when the primitive knows it. */
  owner?(): Task | null
  /** What is waited for, where this is only the place where one waits: a fence. */
  readonly subject?: object | null
}

/**
 * Sleepable code: a generator that only the scheduler resumes. A `yield` parks the task; the
 * wait may end without cause, so whoever yields loops on its own condition.
 */
export type Op<T> = Generator<Park, T, void>
