// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One run of a scenario: set up one thing after the other, raced as the strategy says, given back one thing after the other, and looked at by the
// checkers after every step.

import type { Candidate, StepObserver } from '@iolayers/kernel'
import type { Checker } from '../check/contracts.ts'
import { createGeneralCheckers, type GeneralCheckers } from '../check/general.ts'
import { IoMaps, type MapUsers } from '../check/io-maps.ts'
import type { LeakProbe } from '../check/leaks.ts'
import { type BusyRequests, requestHolders } from '../check/request-holders.ts'
import type { Fault, Program, RunOptions, RunReport, WeaveStrategy } from '../search/contracts.ts'
import { defaultStrategy } from '../search/default-strategy.ts'
import { FoundFault } from '../stack/found-fault.ts'
import type { DesignParts, Policy } from '../stack/stack.ts'
import { Fingerprinter } from './fingerprint.ts'
import { RowRecorder } from './row-recorder.ts'
import type { Design, Scenario } from './scenario.ts'
import { Weave } from './weave.ts'
import { World } from './world.ts'

/** What a program runs: a scenario in one design. */
export interface Woven {
  readonly freshWorld?: boolean
  setup: Scenario['setup']
}

/** The scenario in one design, as what a search runs. */
export function scenarioProgram(scenario: Scenario, design: Design, policy: Policy): Program {
  return wovenProgram(scenario, design === 'mutant' ? scenario.mutant : {}, policy)
}

/** Anything that can be set up and raced, as what a search runs. */
export function wovenProgram(woven: Woven, parts: DesignParts, policy: Policy): Program {
  const spare = new Worlds(woven, parts, policy)
  return (strategy, options = {}) => {
    const world = spare.take()
    const report = new Run(woven, parts, policy, world, options).run(strategy)
    if (report.fault === null && options.rows !== true) spare.giveBack(world)
    return report
  }
}

/** Worlds that all begin a run in the same state. */
class Worlds {
  readonly #woven: Woven
  readonly #parts: DesignParts
  readonly #policy: Policy
  /** Null: not tried. */
  #reusable: boolean | null
  #spare: World | null = null

  constructor(woven: Woven, parts: DesignParts, policy: Policy) {
    this.#woven = woven
    this.#parts = parts
    this.#policy = policy
    this.#reusable = woven.freshWorld === true ? false : null
  }

  take(): World {
    const spare = this.#spare
    this.#spare = null
    if (spare !== null) return spare
    if (this.#reusable === false) return new World()
    const world = new World()
    const { fault } = new Run(this.#woven, this.#parts, this.#policy, world, {}).run(
      defaultStrategy(),
    )
    this.#reusable = fault === null && world.reset()
    return this.#reusable ? world : new World()
  }

  giveBack(world: World): void {
    if (this.#reusable === true && world.reset()) this.#spare = world
  }
}

/** A fault as an error, to get out of the run. */
class FaultError extends Error {
  readonly fault: Fault

  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

class Run implements StepObserver {
  readonly #woven: Woven
  readonly #parts: DesignParts
  readonly #policy: Policy
  readonly #world: World
  readonly #checkers: Checker[] = []
  readonly #probes: LeakProbe[] = []
  #recorder: RowRecorder | null = null
  readonly #options: RunOptions
  readonly #fingerprinter: Fingerprinter | null
  #inner: WeaveStrategy | null = null

  constructor(woven: Woven, parts: DesignParts, policy: Policy, world: World, options: RunOptions) {
    this.#woven = woven
    this.#parts = parts
    this.#policy = policy
    this.#world = world
    this.#options = options
    this.#fingerprinter = options.fingerprints === true ? new Fingerprinter(world) : null
  }

  run(strategy: WeaveStrategy): RunReport {
    const { strategy: phased, scheduler } = this.#world
    if (this.#options.rows === true) this.#recorder = new RowRecorder(this.#world, strategy.names)
    this.#inner = strategy
    phased.inner = strategy
    phased.choices = []
    this.#world.observer = this
    const fault = this.#attempt()
    this.#fingerprinter?.stop()
    return {
      fault,
      choices: phased.choices,
      steps: scheduler.steps,
      fingerprints: this.#fingerprinter?.prints ?? [],
      rows: this.#recorder?.rows ?? [],
    }
  }

  stepBegins(item: Candidate): void {
    if (!this.#world.strategy.racing) return
    this.#inner?.stepBegins?.(item)
    this.#recorder?.begins(item)
  }

  stepEnded(item: Candidate): void {
    if (this.#world.strategy.racing) {
      this.#inner?.stepEnded?.(item)
      this.#recorder?.ended()
      this.#fingerprinter?.look(item)
    }
    for (const checker of this.#checkers) {
      const fault = checker.afterStep?.(item) ?? null
      if (fault !== null) throw new FaultError(fault)
    }
  }

  #attempt(): Fault | null {
    const { scheduler, kernel } = this.#world
    const probes = this.#probes
    const tagSets: (BusyRequests & MapUsers)[] = []
    const known = requestHolders(tagSets)
    const general = createGeneralCheckers({ scheduler, kernel, probes, known })
    this.#checkers.push(...general.checkers, new IoMaps(scheduler, tagSets))
    const weave = new Weave({
      scheduler,
      kernel,
      parts: this.#parts,
      policy: this.#policy,
      userSpace: general.userSpace,
      checkers: this.#checkers,
      probes,
      tagSets,
      stackOf: (init, parts) => this.#world.stackOf(init, parts),
    })
    try {
      return this.#phases(weave, general)
    } catch (error) {
      this.#world.strategy.racing = false
      return foundIn(error) ?? general.explain(error)
    }
  }

  #phases(weave: Weave, general: GeneralCheckers): Fault | null {
    const { scheduler, strategy } = this.#world
    const race = scheduler.runSync('setup', this.#woven.setup(weave))
    strategy.racing = true
    for (const [name, op] of Object.entries(race.actors)) scheduler.spawn(name, op)
    scheduler.runUntilIdle()
    // To find out why nothing gets on the run may be carried on, which is none of its steps any more.
    strategy.racing = false
    const stuck = general.waits.atEnd()
    if (stuck !== null) return stuck
    general.userSpace.enterAll()
    if (race.finish !== undefined) scheduler.runSync('finish', race.finish())
    scheduler.runUntilIdle()
    for (const checker of this.#checkers) {
      const fault = checker.atEnd?.() ?? null
      if (fault !== null) return fault
    }
    return general.leaks.atEnd()
  }
}

/** What a checker had found, if that is what ended the run. */
function foundIn(error: unknown): Fault | null {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
  for (const one of errors) {
    if (one instanceof FaultError || one instanceof FoundFault) return one.fault
  }
  return null
}
