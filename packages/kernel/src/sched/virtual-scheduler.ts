// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Virtual time, one runnable at a time, chosen by a strategy. The same strategy from the same start runs the same, to the last
// trace event.
//
// A choice point in plain code may run other actors right there, nested, as another CPU would. What that leaves out: the
// interrupted section resumes only after everything nested in it has parked or ended, so two plain sections never alternate
// step by step (A1 B1 A2 B2); a section nested in A always ends before A goes on. Sleepable code has no such limit: at
// `yieldNow`, and where it takes a lock, the strategy chooses freely.

import { assert } from '../assert.ts'
import { describeDeadlock, NoEndError } from './deadlock-error.ts'
import type { DeferredCall } from './deferred-call.ts'
import type { Op } from './op.ts'
import type { Scheduler, UnhandledHook } from './scheduler.ts'
import { describeTask, SchedulerCore } from './scheduler-core.ts'
import { type Candidate, type StepObserver, type Strategy, seededStrategy } from './strategy.ts'
import type { Task } from './task.ts'
import type { Timer } from './timer.ts'

export interface VirtualScheduler extends Scheduler {
  /** Drives `op` to its end and gives its value. Throws its error, or DeadlockError. */
  runSync<T>(name: string, op: Op<T>): T
  /** Runs until nothing is runnable and no timer is armed. Throws DeadlockError when a task is parked for ever. */
  runUntilIdle(): void
  /** Runs what is runnable now. Time stands still, and tasks may be left waiting. */
  runReady(): void
  /** Lets `deltaNs` go by: runs what is runnable, and every timer at its time. Tasks may be left waiting. */
  advance(deltaNs: number): void
  /** Every choice that was made, in order; for `recordedStrategy`. */
  readonly choices: readonly number[]
  /** Calls, timers and task steps run so far. */
  readonly steps: number
  /** What has not ended, in words: parked tasks that are no daemons, runnable work, armed timers, unjoined failures. */
  outstanding(): string[]
  /** How many steps the running one is nested in, at choice points of plain code. */
  readonly nesting: number
  /** Begins anew at time 0, with no choices made: cheaper than a new one. Nothing may be runnable, and no timer armed. */
  restart(): void
  /** The tasks that have not ended, daemons included, in the order in which they were made. */
  readonly liveTasks: Iterable<Task>
}

export interface VirtualOptions {
  /** Steps after which the run counts as one that never ends; ten million by default. */
  readonly stepsMax?: number
  /** How deep choice points in plain code nest; 4 by default. */
  readonly nestingMax?: number
  /** Receives errors that no caller can catch. By default whoever drives the scheduler gets them thrown. */
  readonly onUnhandled?: UnhandledHook
  readonly observer?: StepObserver
}

export type VirtualInit = VirtualOptions &
  ({ readonly strategy: Strategy } | { readonly seed: number })

export function createVirtualScheduler(init: VirtualInit): VirtualScheduler {
  return new Virtual('strategy' in init ? init.strategy : seededStrategy(init.seed), init)
}

const DEFAULT_NESTING_MAX = 4
const DEFAULT_STEPS_MAX = 10_000_000

class Virtual extends SchedulerCore implements VirtualScheduler {
  readonly exploring: boolean
  readonly choices: number[] = []
  steps = 0
  nesting = 0
  readonly #strategy: Strategy
  readonly #stepsMax: number
  readonly #nestingMax: number
  readonly #onUnhandled: UnhandledHook | null
  readonly #observer: StepObserver | null
  readonly #runnable: Candidate[] = []
  readonly #errors: unknown[] = []
  readonly #promised: Map<Task, (error: unknown) => void> = new Map()
  #nowNs = 0
  #driven = false
  #edgeAsked = false

  constructor(strategy: Strategy, options: VirtualOptions) {
    super()
    this.#strategy = strategy
    this.exploring = strategy.chooseNested !== undefined
    this.#stepsMax = options.stepsMax ?? DEFAULT_STEPS_MAX
    this.#nestingMax = options.nestingMax ?? DEFAULT_NESTING_MAX
    this.#onUnhandled = options.onUnhandled ?? null
    this.#observer = options.observer ?? null
  }

  run<T>(name: string, op: Op<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const task = this.spawn(name, op)
      this.#promised.set(task, reject)
      task.onDone = () => {
        const { outcome } = task
        assert(outcome !== null, 'a task is done without an outcome')
        this.#promised.delete(task)
        if (outcome.ok) resolve(outcome.value)
        else reject(outcome.error)
      }
      this.#askEdge()
    })
  }

  runSync<T>(name: string, op: Op<T>): T {
    this.#refuseNested()
    const task = this.spawn(name, op)
    task.observed = true
    this.#drive(() => task.outcome === null, true)
    const { outcome } = task
    if (outcome === null) throw this.#whyStuck()
    if (!outcome.ok) throw outcome.error
    this.#throwUnhandled()
    return outcome.value
  }

  runUntilIdle(): void {
    this.#drive(always, true)
    this.#throwUnhandled()
    for (const task of this.tasks) if (!task.daemon) throw this.#whyStuck()
  }

  runReady(): void {
    this.#drive(always, false)
    this.#throwUnhandled()
  }

  advance(deltaNs: number): void {
    assert(deltaNs >= 0, 'virtual time does not go back')
    const untilNs = this.#nowNs + deltaNs
    this.runReady()
    for (let timer = this.timers.first; timer !== null; timer = this.timers.first) {
      if (timer.deadlineNs > untilNs) break
      this.#advanceTo(timer.deadlineNs)
      this.runReady()
    }
    this.#nowNs = untilNs
  }

  queue(call: DeferredCall): void {
    if (call.queued) return
    if (call.id === 0) call.id = this.nextId()
    call.queued = true
    this.#runnable.push(call)
  }

  /** An outside event has no better moment than any other runnable: the strategy picks it. */
  external(call: DeferredCall): void {
    this.queue(call)
  }

  restart(): void {
    this.#refuseNested()
    assert(
      this.#runnable.length === 0 && this.timers.first === null,
      'a virtual scheduler was restarted with something still to run',
    )
    this.choices.length = 0
    this.steps = 0
    this.#nowNs = 0
  }

  get liveTasks(): Iterable<Task> {
    return this.tasks
  }

  nowNs(): number {
    return this.#nowNs
  }

  readClock(cell: Float64Array): void {
    cell[0] = this.#nowNs
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
    if (chooseNested === undefined || this.nesting >= this.#nestingMax) return
    // Past the bound of steps, or with an error found, the run only unwinds: the error belongs to who drives it, not to the code that stands here.
    while (this.#runnable.length > 0 && this.steps < this.#stepsMax && this.#errors.length === 0) {
      const index = chooseNested.call(this.#strategy, this.#runnable, label)
      this.choices.push(index)
      if (index < 0) return
      this.nesting++
      try {
        this.#runAt(index)
      } finally {
        this.nesting--
      }
    }
  }

  raise(error: unknown, source: string): void {
    if (this.#onUnhandled === null) this.#errors.push(error)
    else this.#onUnhandled(error, source)
  }

  outstanding(): string[] {
    const found: string[] = []
    for (const task of this.tasks) {
      if (!task.daemon && task.state === 'parked') found.push(describeTask(task))
    }
    for (const item of this.#runnable) found.push(`${item.kind} ${item.name} is runnable`)
    for (const timer of this.timers.timers) found.push(`timer ${timer.name} is armed`)
    for (const task of this.failed) {
      if (!task.observed) found.push(`task ${task.name} failed and was not joined`)
    }
    return found
  }

  protected makeReady(task: Task): void {
    this.#runnable.push(task)
  }

  #refuseNested(): void {
    assert(!this.#driven, 'a virtual scheduler is driven from inside itself')
  }

  /** Runs one after the other while `wanted`; ends early when nothing can run. */
  #drive(wanted: () => boolean, timePasses: boolean): void {
    this.#refuseNested()
    this.#driven = true
    try {
      while (wanted()) {
        if (this.#runnable.length === 0 && !(timePasses && this.#advance())) return
        if (this.steps >= this.#stepsMax) throw this.#noEnd()
        this.#runAt(this.#choose())
        if (this.#errors.length > 0) this.#throwErrors()
      }
    } finally {
      this.#driven = false
    }
  }

  #choose(): number {
    if (this.#runnable.length === 1) return 0
    const index = this.#strategy.choose(this.#runnable)
    this.choices.push(index)
    return index
  }

  #runAt(index: number): void {
    const [item] = this.#runnable.splice(index, 1)
    assert(item !== undefined, 'a strategy chose nobody')
    this.steps++
    this.#observer?.stepBegins(item)
    if (item.kind === 'task') this.step(item)
    else if (item.kind === 'call') this.runCall(item)
    else {
      item.due = false
      this.fireTimer(item)
    }
    if (this.#observer !== null) this.#tellEnd(this.#observer, item)
  }

  /** What it throws belongs to who drives the run, not to the plain code that a nested step stood in. */
  #tellEnd(observer: StepObserver, item: Candidate): void {
    try {
      observer.stepEnded(item)
    } catch (error) {
      this.#errors.push(error)
    }
  }

  /** Lets time pass to the next timer; false when there is none. */
  #advance(): boolean {
    const first = this.timers.first
    if (first === null) return false
    this.#advanceTo(first.deadlineNs)
    return true
  }

  /** All timers that are due then become runnable. */
  #advanceTo(nowNs: number): void {
    this.#nowNs = nowNs
    for (let due = this.timers.shiftDue(nowNs); due !== null; due = this.timers.shiftDue(nowNs)) {
      due.due = true
      this.#runnable.push(due)
    }
  }

  /** Errors of calls and timers, and of tasks that nobody joined though the run is over. */
  #throwUnhandled(): void {
    for (const task of this.takeUnobserved()) {
      if (task.outcome?.ok === false) this.raise(task.outcome.error, `task ${task.name}`)
    }
    if (this.#errors.length > 0) this.#throwErrors()
  }

  #throwErrors(): never {
    const errors = this.#errors.splice(0)
    if (errors.length === 1) throw errors[0]
    throw new AggregateError(errors, `${errors.length} errors that nobody could catch`)
  }

  /** A task that failed unnoticed is the likelier reason than what the others now wait for. */
  #whyStuck(): unknown {
    const [failed] = this.takeUnobserved()
    if (failed?.outcome?.ok === false) return failed.outcome.error
    return describeDeadlock(this.tasks)
  }

  #noEnd(): Error {
    return new NoEndError(this.steps, this.outstanding())
  }

  /** Drives after the caller, so that what it starts together is interleaved. */
  #askEdge(): void {
    if (this.#edgeAsked) return
    this.#edgeAsked = true
    void Promise.resolve().then(() => {
      this.#edgeAsked = false
      try {
        this.#drive(() => this.#promised.size > 0, true)
        if (this.#promised.size > 0) throw this.#whyStuck()
        this.#throwUnhandled()
      } catch (error) {
        this.#rejectPromised(error)
      }
    })
  }

  #rejectPromised(error: unknown): void {
    if (this.#promised.size === 0) throw error
    const rejects = [...this.#promised.values()]
    this.#promised.clear()
    for (const reject of rejects) reject(error)
  }
}

function always(): boolean {
  return true
}
