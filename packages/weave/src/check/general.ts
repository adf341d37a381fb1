// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The checkers that any run has: waiting, locks, lifetimes. None knows a scenario.

import {
  DeadlockError,
  type ExecutionWatch,
  type Kernel,
  NoEndError,
  type Park,
  type Task,
  type VirtualScheduler,
  type WatchedFence,
} from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'
import { faultOf } from './errors.ts'
import { type LeakProbe, Leaks } from './leaks.ts'
import { LockOrder } from './lock-order.ts'
import { Retries, type RetriesInit } from './retries.ts'
import { TaskState } from './task-state.ts'
import { UserSpace } from './user-space.ts'
import { WaitGraph, type WaitKnowledge } from './wait-graph.ts'

export interface GeneralComponents {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  /** What is counted at the end of the run; the stack may add to it until then. */
  readonly probes?: readonly LeakProbe[]
  /** Names in reports who is in the way of what: `requestHolders`, for a stack with block devices. */
  readonly known?: WaitKnowledge
}

export interface GeneralInit {
  readonly retries?: RetriesInit
}

/** The general checkers of one run, and where its user tasks stay. */
export interface GeneralCheckers {
  /** For `afterStep`, in this order. */
  readonly checkers: readonly Checker[]
  /** Why a run does not get on: to be asked at its end, and when it took too many steps. */
  readonly waits: WaitGraph
  /** To be asked last, when everybody has given everything back. */
  readonly leaks: Leaks
  readonly userSpace: UserSpace
  /** The fault that stands behind what driving the scheduler threw: who waits for whom, where the run only says that somebody does. */
  explain(error: unknown): Fault
}

/** Makes the general checkers of one run, and has the scheduler tell them of locks, fences and work. Before anything else of the run is made. */
export function createGeneralCheckers(
  components: GeneralComponents,
  init: GeneralInit = {},
): GeneralCheckers {
  const { scheduler, kernel, probes = [] } = components
  const userSpace = new UserSpace(scheduler)
  const locks = new LockOrder(scheduler)
  const state = new TaskState({ scheduler, kernel, locks })
  const retries = new Retries(scheduler, init.retries)
  const leaks = new Leaks({ scheduler, probes })
  const waits = new WaitGraph(
    components.known === undefined
      ? { scheduler, userSpace }
      : { scheduler, userSpace, known: components.known },
  )
  scheduler.watch = new RunWatch(locks, state, retries, leaks)
  const explain = (error: unknown): Fault => {
    const waitsForEver = error instanceof DeadlockError || error instanceof NoEndError
    return (waitsForEver ? waits.atEnd() : null) ?? faultOf(error)
  }
  const checker: Checker = {
    name: 'general',
    afterStep: (item) => {
      if (waits.over) return null
      return (
        locks.afterStep() ?? state.afterStep(item) ?? retries.afterStep() ?? waits.afterStep(item)
      )
    },
  }
  return { checkers: [checker], waits, leaks, userSpace, explain }
}

/** Passes on to whom it concerns. */
class RunWatch implements ExecutionWatch {
  readonly #locks: LockOrder
  readonly #state: TaskState
  readonly #retries: Retries
  readonly #leaks: Leaks

  constructor(locks: LockOrder, state: TaskState, retries: Retries, leaks: Leaks) {
    this.#locks = locks
    this.#state = state
    this.#retries = retries
    this.#leaks = leaks
  }

  lockWanted(lock: Park, ctx: object | null): void {
    this.#locks.lockWanted(lock, ctx)
  }

  lockTaken(lock: Park, ctx: object | null, task: Task): void {
    this.#locks.lockTaken(lock, ctx, task)
  }

  lockDropped(lock: Park, task: Task): void {
    this.#locks.lockDropped(lock, task)
  }

  fenceMade(fence: WatchedFence): void {
    this.#leaks.fenceMade(fence)
  }

  fencePublished(fence: WatchedFence): void {
    this.#locks.fencePublished(fence)
  }

  fenceWaited(fence: WatchedFence): void {
    this.#locks.fenceWaited(fence)
  }

  fenceSignalled(fence: WatchedFence): void {
    this.#locks.fenceSignalled(fence)
  }

  fenceFreed(fence: WatchedFence): void {
    this.#leaks.fenceFreed(fence)
  }

  workBegins(item: Park, queue: Park, worker: Task): void {
    this.#locks.workBegins(item, queue, worker)
  }

  workEnds(item: Park, queue: Park, worker: Task): void {
    this.#locks.workEnds(item, queue, worker)
    this.#state.workEnds(item, worker)
  }

  workWaited(item: Park): void {
    this.#locks.workWaited(item)
  }

  retried(subject: object, what: string): void {
    this.#retries.retried(subject, what)
  }
}
