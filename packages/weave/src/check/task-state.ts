// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  AssertionFailure,
  type Candidate,
  type Kernel,
  KernelCheckError,
  type Park,
  type Task,
  type VirtualScheduler,
} from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'
import { faultOf } from './errors.ts'

export interface TaskStateComponents {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  /** Who knows which locks a task holds. */
  readonly locks: { heldBy(task: Task): readonly Park[]; holds(task: Task): boolean }
}

/**
 * Whatever ends, ends with nothing in hand: no lock, no section in which sleeping is forbidden or fences depend on it.
 *
 * @see kernel/exit.c do_exit debug_check_no_locks_held, kernel/workqueue.c process_one_work
 */
export class TaskState implements Checker {
  readonly name = 'task state'
  readonly #components: TaskStateComponents
  #fault: Fault | null = null

  constructor(components: TaskStateComponents) {
    this.#components = components
  }

  afterStep(item: Candidate): Fault | null {
    if (this.#fault !== null) return this.#fault
    const { scheduler, kernel } = this.#components
    if (item.kind === 'task') return item.state === 'done' ? this.#ended(item) : null
    // Atomic contexts nest strictly: what the interrupted one has open is still open here.
    if (scheduler.nesting > 0) return null
    const section = kernel.signalling.openIn(null)
    if (section !== null)
      return heldAtEnd(`${item.kind} ${item.name}`, [`signalling section ${section}`])
    if (kernel.rcu.readers > 0) return heldAtEnd(`${item.kind} ${item.name}`, ['an RCU section'])
    return null
  }

  /** A worker has done an item. Its locks are not the next item's. */
  workEnds(item: Park, worker: Task): void {
    const found = this.#sections(worker)
    if (!this.#components.locks.holds(worker) && found.length === 0) return
    const locks = this.#components.locks.heldBy(worker).map((lock) => lock.what)
    this.#fault ??= heldAtEnd(`${item.what} (${worker.name})`, [...locks, ...found])
  }

  #ended(task: Task): Fault | null {
    const { outcome } = task
    // What it has in hand then is a consequence.
    if (outcome?.ok === false && isBroken(outcome.error)) return faultOf(outcome.error)
    const found = this.#sections(task)
    if (!this.#components.locks.holds(task) && found.length === 0) return null
    const locks = this.#components.locks.heldBy(task).map((lock) => lock.what)
    return heldAtEnd(`task ${task.name}`, [...locks, ...found])
  }

  #sections(task: Task): string[] {
    const section = this.#components.kernel.signalling.openIn(task)
    const found = section === null ? [] : [`signalling section ${section}`]
    return task.atomicDepth === 0 ? found : ['an RCU section', ...found]
  }
}

/** Nobody handles such an error. */
function isBroken(error: unknown): boolean {
  return error instanceof AssertionFailure || error instanceof KernelCheckError
}

function heldAtEnd(who: string, what: readonly string[]): Fault {
  return { check: 'held-at-end', message: `${who} ended with ${what.join(', ')} in hand` }
}
