// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Every schedule, with as few deviations from the default policy as possible first (Emmi, Qadeer, Rakamaric, "Delay-bounded
// scheduling", POPL 2011, where a deviation is a delay; here it is any other choice, and costs 1 whatever it is).
//
// A schedule is known by its deviations alone: where, and who instead. One with d of them runs as its parent, the schedule without its
// last deviation, up to that point, so each run finds its children: every other choice after its own last deviation. Level d
// is the children of level d - 1. So each schedule runs exactly once, the bounds come in order, and when a level is empty no
// schedule is left.

import { assert } from '@iolayers/kernel'
import type { Program, RunReport } from './contracts.ts'
import { DeviatingStrategy, type Deviation } from './deviating-strategy.ts'

const PROGRESS_EVERY = 256

export interface ExhaustProgress {
  readonly schedules: number
  /** Deviations of the schedules that run now. */
  readonly deviations: number
}

export interface ExhaustInit {
  /** Runs no schedule with more deviations from the default policy. Without: no bound. */
  readonly deviationsMax?: number
  readonly schedulesMax: number
  /**
   * Leaves out schedules that differ from others only by the order of independent deferred calls; see sleep-set.ts. On by default where there is
   * no bound of deviations.
   */
  readonly prune?: boolean
  /** Counts states. */
  readonly fingerprints?: boolean
  /** Ends the search after so many runs that fail; 1 by default. */
  readonly failuresMax?: number
  readonly onProgress?: (progress: ExhaustProgress) => void
  readonly onFailure?: (report: RunReport, schedule: number) => void
}

export interface ExhaustResult {
  /** Runs that it took. */
  readonly schedules: number
  readonly failures: number
  /** Every schedule was run, or one that is equivalent. */
  readonly complete: boolean
  /** Every schedule with at most so many deviations was run; -1 when not even the one without. */
  readonly bound: number
  /** Choices that were left out, each with all schedules behind it. */
  readonly pruned: number
  /** Different fingerprints, where they were asked for: a lower bound of the states, since 32 bits can collide. */
  readonly distinctStates: number | null
}

/** Runs every schedule of `program`, until the space, `schedulesMax`, or `failuresMax` ends it. */
export function exhaust(program: Program, init: ExhaustInit): ExhaustResult {
  return new Exhaustive(program, init).run()
}

/** A schedule that ran, and what else could have been chosen after its last deviation. */
interface Ran {
  readonly last: Deviation | null
  alternatives: readonly Alternative[]
}

/** A choice and who could be taken there, in one number. */
type Alternative = number

class Exhaustive {
  readonly #program: Program
  readonly #init: ExhaustInit
  readonly #states: Set<number> | null
  #strategy: DeviatingStrategy
  #schedules = 0
  #failures = 0
  #bound = -1
  #complete = false

  constructor(program: Program, init: ExhaustInit) {
    assert(init.schedulesMax >= 1, 'a search needs at least one schedule')
    this.#program = program
    this.#init = init
    this.#states = init.fingerprints === true ? new Set() : null
    this.#strategy = new DeviatingStrategy(init.prune ?? init.deviationsMax === undefined)
  }

  run(): ExhaustResult {
    this.#search()
    if (this.#strategy.unsound) {
      this.#strategy = new DeviatingStrategy(false)
      this.#bound = -1
      this.#search()
    }
    const { pruned, prunedAt } = this.#strategy
    return {
      schedules: this.#schedules,
      failures: this.#failures,
      complete: this.#complete,
      bound: this.#complete ? this.#bound : Math.min(this.#bound, prunedAt - 1),
      pruned,
      distinctStates: this.#states?.size ?? null,
    }
  }

  #search(): void {
    let level: Ran[] = []
    if (!this.#runOne(null, level)) return
    this.#bound = 0
    while (level.length > 0) {
      if (this.#bound >= (this.#init.deviationsMax ?? Number.POSITIVE_INFINITY)) return
      const next: Ran[] = []
      for (const ran of level) if (!this.#runChildren(ran, next)) return
      this.#bound++
      level = next
    }
    this.#complete = true
  }

  #runChildren(ran: Ran, next: Ran[]): boolean {
    for (const alternative of ran.alternatives) {
      if (!this.#runOne(this.#strategy.deviation(ran.last, alternative), next)) return false
    }
    ran.alternatives = []
    return true
  }

  /** False when the search is over. */
  #runOne(last: Deviation | null, level: Ran[]): boolean {
    const { schedulesMax, failuresMax = 1, onProgress, onFailure } = this.#init
    if (this.#schedules >= schedulesMax || this.#failures >= failuresMax) return false
    this.#strategy.reset(last)
    const options = this.#states === null ? undefined : { fingerprints: true }
    const report = this.#program(this.#strategy, options)
    this.#schedules++
    for (const print of report.fingerprints) this.#states?.add(print)
    if (report.fault !== null) {
      this.#failures++
      onFailure?.(report, this.#schedules)
    }
    if (this.#strategy.unsound) return false
    const { alternatives } = this.#strategy
    if (alternatives.length > 0) level.push({ last, alternatives })
    if (onProgress !== undefined && this.#schedules % PROGRESS_EVERY === 0) {
      onProgress({ schedules: this.#schedules, deviations: last?.count ?? 0 })
    }
    return true
  }
}
