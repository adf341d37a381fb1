// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One run of a scenario: all state made anew, set up one thing after the other, raced as the strategy says, given back one thing after the other, and
// looked at by the checkers after every step.

import {
  type Candidate,
  createKernel,
  createVirtualScheduler,
  type StepObserver,
  type Strategy,
  type TraceEvent,
  type VirtualScheduler,
} from '@iolayers/kernel'
import type { Checker } from '../check/contracts.ts'
import { faultOf } from '../check/errors.ts'
import { createGeneralCheckers, type GeneralCheckers } from '../check/general.ts'
import type { LeakProbe } from '../check/leaks.ts'
import { ActorNames } from '../search/actor-names.ts'
import type {
  Fault,
  Program,
  Row,
  RunOptions,
  RunReport,
  WeaveStrategy,
} from '../search/contracts.ts'
import { DataMismatch } from '../stack/bio-user.ts'
import type { Policy } from '../stack/stack.ts'
import type { Design, Scenario } from './scenario.ts'
import { Weave } from './weave.ts'

const STEPS_MAX = 5_000

/** The scenario in one design, as what a search runs. */
export function scenarioProgram(scenario: Scenario, design: Design, policy: Policy): Program {
  return (strategy, options = {}) => new Run(scenario, design, policy, strategy, options).run()
}

/** A fault as an error, to get out of the run. */
class FaultError extends Error {
  readonly fault: Fault

  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

/** Chooses first come, first served, and nobody in plain code, but for the race itself. */
class PhasedStrategy implements Strategy {
  readonly choices: number[] = []
  racing = false
  readonly #inner: WeaveStrategy

  constructor(inner: WeaveStrategy) {
    this.#inner = inner
  }

  choose(candidates: readonly Candidate[]): number {
    if (!this.racing) return 0
    const index = this.#inner.choose(candidates)
    this.choices.push(index)
    return index
  }

  chooseNested(candidates: readonly Candidate[], label: string): number {
    if (!this.racing) return -1
    const index = this.#inner.chooseNested?.(candidates, label) ?? -1
    this.choices.push(index)
    return index
  }
}

class Run implements StepObserver {
  readonly #scenario: Scenario
  readonly #design: Design
  readonly #policy: Policy
  readonly #inner: WeaveStrategy
  readonly #options: RunOptions
  readonly #strategy: PhasedStrategy
  readonly #scheduler: VirtualScheduler
  readonly #checkers: Checker[] = []
  readonly #probes: LeakProbe[] = []
  readonly #recorder: Recorder | null
  readonly #fingerprints: number[] = []

  constructor(
    scenario: Scenario,
    design: Design,
    policy: Policy,
    inner: WeaveStrategy,
    options: RunOptions,
  ) {
    this.#scenario = scenario
    this.#design = design
    this.#policy = policy
    this.#inner = inner
    this.#options = options
    this.#strategy = new PhasedStrategy(inner)
    this.#scheduler = createVirtualScheduler({
      strategy: this.#strategy,
      observer: this,
      stepsMax: STEPS_MAX,
    })
    this.#recorder = options.rows === true ? new Recorder(this.#scheduler) : null
  }

  run(): RunReport {
    const fault = this.#attempt()
    return {
      fault,
      choices: this.#strategy.choices,
      steps: this.#scheduler.steps,
      fingerprints: this.#fingerprints,
      rows: this.#recorder?.rows ?? [],
    }
  }

  stepBegins(item: Candidate): void {
    if (!this.#strategy.racing) return
    this.#inner.stepBegins?.(item)
    this.#recorder?.begins(item)
  }

  stepEnded(item: Candidate): void {
    if (this.#strategy.racing) {
      this.#inner.stepEnded?.(item)
      this.#recorder?.ended()
      if (this.#options.fingerprints === true) this.#fingerprints.push(fingerprint(this.#scheduler))
    }
    for (const checker of this.#checkers) {
      const fault = checker.afterStep?.(item) ?? null
      if (fault !== null) throw new FaultError(fault)
    }
  }

  #attempt(): Fault | null {
    const scheduler = this.#scheduler
    const kernel = createKernel({ scheduler }, { checked: true })
    const probes = this.#probes
    const general = createGeneralCheckers({ scheduler, kernel, probes })
    this.#checkers.push(...general.checkers)
    const weave = new Weave({
      scheduler,
      kernel,
      parts: this.#design === 'mutant' ? this.#scenario.mutant : {},
      policy: this.#policy,
      userSpace: general.userSpace,
      checkers: this.#checkers,
      probes,
    })
    this.#recorder?.listen(kernel.tracer)
    try {
      return this.#phases(weave, general)
    } catch (error) {
      return this.#asFault(error, general)
    }
  }

  #phases(weave: Weave, general: GeneralCheckers): Fault | null {
    const scheduler = this.#scheduler
    const race = scheduler.runSync('setup', this.#scenario.setup(weave))
    this.#strategy.racing = true
    for (const [name, op] of Object.entries(race.actors)) scheduler.spawn(name, op)
    scheduler.runUntilIdle()
    const stuck = general.waits.atEnd()
    if (stuck !== null) return stuck
    this.#strategy.racing = false
    general.userSpace.enterAll()
    if (race.finish !== undefined) scheduler.runSync('finish', race.finish())
    scheduler.runUntilIdle()
    for (const checker of this.#checkers) {
      const fault = checker.atEnd?.() ?? null
      if (fault !== null) return fault
    }
    return general.leaks.atEnd()
  }

  #asFault(error: unknown, general: GeneralCheckers): Fault {
    if (error instanceof FaultError || error instanceof DataMismatch) return error.fault
    if (error instanceof AggregateError) {
      const own = error.errors.find((one) => one instanceof FaultError)
      if (own instanceof FaultError) return own.fault
    }
    const fault = faultOf(error)
    // Why nothing can run says more than that nothing can.
    if (fault.check !== 'stuck' && fault.check !== 'livelock') return fault
    return general.waits.atEnd() ?? fault
  }
}

/** Notes what happens in every step, by the names of actors and the tracepoints of the layers. */
class Recorder {
  readonly rows: Row[] = []
  readonly #scheduler: VirtualScheduler
  readonly #names: ActorNames = new ActorNames()
  #depth = 0
  #notes: string[] | null = null
  readonly #outer: (string[] | null)[] = []

  constructor(scheduler: VirtualScheduler) {
    this.#scheduler = scheduler
  }

  listen(tracer: {
    subscribe(filter: () => boolean, sink: (event: TraceEvent) => void): unknown
  }): void {
    tracer.subscribe(
      () => true,
      (event) => this.#notes?.push(noteOf(event)),
    )
  }

  begins(item: Candidate): void {
    const notes: string[] = []
    this.#outer.push(this.#notes)
    this.#notes = notes
    this.rows.push({
      actor: this.#names.nameOf(item),
      at: null,
      chosen: false,
      depth: this.#depth,
      nowNs: this.#scheduler.nowNs(),
      notes,
    })
    this.#depth++
  }

  ended(): void {
    this.#depth--
    this.#notes = this.#outer.pop() ?? null
  }
}

function noteOf({ point, fields, values }: TraceEvent): string {
  const shown = fields.map((field, index) => `${field}=${values[index] ?? ''}`)
  return `${point} ${shown.join(' ')}`
}

/** Of who waits where, who can run, and how far each has come: enough to tell states apart for counting them, not to prune by. */
function fingerprint(scheduler: VirtualScheduler): number {
  let hash = 0x811c9dc5
  const mix = (text: string): void => {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  for (const task of scheduler.liveTasks) {
    mix(task.name)
    mix(task.state)
    mix(task.waitingFor?.what ?? '')
  }
  return hash >>> 0
}
