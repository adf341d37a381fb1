// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Virtual time, one runnable at a time, chosen by a strategy. The same strategy from the same start runs the same, to the last
// trace event.
//
// A choice point in plain code may run other actors right there, nested, as another CPU would. What that leaves out: the
// interrupted section resumes only after everything nested in it has parked or ended, so two plain sections never alternate
// step by step (A1 B1 A2 B2); a section nested in A always ends before A goes on.

import { assert } from '../assert.ts'
import type { DeferredCall } from './deferred-call.ts'
import type { Op } from './op.ts'
import type { Scheduler } from './scheduler.ts'
import { describeTask, SchedulerCore } from './scheduler-core.ts'
import { type Candidate, type Strategy, seededStrategy } from './strategy.ts'
import type { Task } from './task.ts'
import type { Timer } from './timer.ts'

export interface VirtualScheduler extends Scheduler {
  /** Drives `op` to its end and gives its value. Throws its error, or DeadlockError. */
  runSync<T>(name: string, op: Op<T>): T
  /** Runs until nothing is runnable and no timer is armed. Throws DeadlockError when a task is parked for ever. */
  runUntilIdle(): void
  /** Every choice that was made, in order; for `recordedStrategy`. */
  readonly choices: readonly number[]
  readonly steps: number
  /** What has not ended, in words: parked tasks that are no daemons, queued calls, armed timers. */
  outstanding(): string[]
}

/** Nothing can run any more, and somebody waits. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError'
  readonly waiting: readonly string[]

  constructor(waiting: readonly string[]) {
    super(`deadlock: ${waiting.join('; ')}`)
    this.waiting = waiting
  }
}

export type VirtualInit = { readonly strategy: Strategy } | { readonly seed: number }

export function createVirtualScheduler(init: VirtualInit): VirtualScheduler {
  return new Virtual('strategy' in init ? init.strategy : seededStrategy(init.seed))
}

const NESTING_MAX = 4

class Virtual extends SchedulerCore implements VirtualScheduler {
  readonly exploring: boolean
  readonly choices: number[] = []
  steps = 0
  readonly #strategy: Strategy
  readonly #runnable: Candidate[] = []
  #nowNs = 0
  #nesting = 0
  #raised: { readonly error: unknown } | null = null

  constructor(strategy: Strategy) {
    super()
    this.#strategy = strategy
    this.exploring = strategy.chooseNested !== undefined
  }

  run<T>(name: string, op: Op<T>): Promise<T> {
    return new Promise<T>((resolve) => resolve(this.runSync(name, op)))
  }

  runSync<T>(name: string, op: Op<T>): T {
    assert(this.current === null, 'runSync inside a task')
    const task = this.spawn(name, op)
    task.observed = true
    while (task.outcome === null) {
      if (!this.#stepOne()) throw new DeadlockError(this.#parked())
      this.#throwRaised()
    }
    if (!task.outcome.ok) throw task.outcome.error
    return task.outcome.value
  }

  runUntilIdle(): void {
    while (this.#stepOne()) this.#throwRaised()
    const parked = this.#parked()
    if (parked.length > 0) throw new DeadlockError(parked)
  }

  queue(call: DeferredCall): void {
    if (call.queued) return
    if (call.id === 0) call.id = this.nextId()
    call.queued = true
    this.#runnable.push(call)
  }

  external(call: DeferredCall): void {
    this.queue(call)
  }

  nowNs(): number {
    return this.#nowNs
  }

  armTimer(timer: Timer, delayNs: number): void {
    if (timer.id === 0) timer.id = this.nextId()
    this.cancelTimer(timer)
    this.timers.add(timer, this.#nowNs + Math.max(0, delayNs))
  }

  cancelTimer(timer: Timer): boolean {
    if (timer.due) {
      timer.due = false
      this.#runnable.splice(this.#runnable.indexOf(timer), 1)
      return true
    }
    if (timer.slot < 0) return false
    this.timers.remove(timer)
    return true
  }

  choicePoint(label: string): void {
    const { chooseNested } = this.#strategy
    if (chooseNested === undefined || this.#nesting >= NESTING_MAX || this.#runnable.length === 0)
      return
    const index = chooseNested.call(this.#strategy, this.#runnable, label)
    this.choices.push(index)
    if (index < 0) return
    this.#nesting++
    try {
      this.#runAt(index)
    } finally {
      this.#nesting--
    }
  }

  raise(error: unknown): void {
    this.#raised ??= { error }
  }

  outstanding(): string[] {
    const queued = this.#runnable.map((item) => `${item.kind} ${item.name} is runnable`)
    const timers = this.timers.timers.map((timer) => `timer ${timer.name} is armed`)
    return [...this.#parked(), ...queued, ...timers]
  }

  protected makeReady(task: Task): void {
    this.#runnable.push(task)
  }

  #stepOne(): boolean {
    if (this.#runnable.length === 0 && !this.#advance()) return false
    let index = 0
    if (this.#runnable.length > 1) {
      index = this.#strategy.choose(this.#runnable)
      this.choices.push(index)
    }
    this.#runAt(index)
    return true
  }

  #runAt(index: number): void {
    const [item] = this.#runnable.splice(index, 1)
    assert(item !== undefined, 'a strategy chose nobody')
    this.steps++
    if (item.kind === 'task') this.step(item)
    else if (item.kind === 'call') this.runCall(item)
    else {
      item.due = false
      this.fireTimer(item)
    }
  }

  /** Lets time pass to the next timer; all that are due then become runnable. */
  #advance(): boolean {
    const first = this.timers.first
    if (first === null) return false
    this.#nowNs = Math.max(this.#nowNs, first.deadlineNs)
    for (
      let timer = this.timers.shiftDue(this.#nowNs);
      timer !== null;
      timer = this.timers.shiftDue(this.#nowNs)
    ) {
      timer.due = true
      this.#runnable.push(timer)
    }
    return true
  }

  #throwRaised(): void {
    for (const task of this.takeUnobserved()) {
      if (task.outcome?.ok === false) this.raise(task.outcome.error)
    }
    const raised = this.#raised
    if (raised === null) return
    this.#raised = null
    throw raised.error
  }

  #parked(): string[] {
    return [...this.tasks]
      .filter((task) => !task.daemon && task.state === 'parked')
      .map(describeTask)
  }
}
