// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, createPrng } from '@iolayers/kernel'
import type { Fault, Program, RunReport, WeaveStrategy } from './contracts.ts'
import { defaultStrategy } from './default-strategy.ts'
import { exhaust } from './exhaustive.ts'
import { pctStrategy } from './pct-strategy.ts'
import { randomStrategy, uniformStrategy } from './random-strategies.ts'

const PROGRESS_EVERY = 256
const DEFAULT_DEPTH = 3

/** Which search: `random` is uniform between steps and mostly nobody at choice points of plain code, `uniform` is uniform at every choice. */
export type SearchKind = 'exhaustive' | 'random' | 'uniform' | 'pct'

export interface ExploreInit {
  readonly scheduler: SearchKind
  /** How many are run at most. */
  readonly schedules: number
  /** The same seed makes the same runs; 1 by default. */
  readonly seed?: number
  /** PCT: ordering constraints that a bug may need; 3 by default. */
  readonly depth?: number
  /** Exhaustive: bound of deviations from the default policy. */
  readonly deviationsMax?: number
  /** Exhaustive: whether schedules that are equivalent to others are left out. */
  readonly prune?: boolean
  /** Counts states. */
  readonly fingerprints?: boolean
  /** Ends after so many runs that fail; 1 by default. Several make a shorter script likelier. */
  readonly failuresMax?: number
  /** Now and then, with the schedules so far. */
  readonly onProgress?: (schedules: number) => void
}

/** A run that failed. */
export interface Failure {
  readonly fault: Fault
  /** For `recordedStrategy`, and for `shrink`. */
  readonly choices: readonly number[]
  /** The how-manieth it was, from 1. */
  readonly schedule: number
}

export interface ExploreResult {
  /** The first. */
  readonly found: Failure | null
  readonly failures: readonly Failure[]
  /** Until the last of `failures` when the search ended there. */
  readonly schedules: number
  /** No schedule is left: every one was run, or one that is equivalent. Never true for chance. */
  readonly complete: boolean
  /** Exhaustive: every schedule with at most so many deviations was run. */
  readonly bound: number | null
  /** Exhaustive: choices that were left out. */
  readonly pruned: number
  /** Different 32-bit fingerprints, where they were asked for. */
  readonly distinctStates: number | null
}

/** Searches the schedules of `program` for one that fails. */
export function explore(program: Program, init: ExploreInit): ExploreResult {
  return init.scheduler === 'exhaustive'
    ? exploreAll(program, init)
    : exploreByChance(program, init, init.scheduler)
}

function failureOf(report: RunReport, schedule: number): readonly Failure[] {
  const { fault, choices } = report
  return fault === null ? [] : [{ fault, choices, schedule }]
}

function exploreAll(program: Program, init: ExploreInit): ExploreResult {
  const failures: Failure[] = []
  const { schedules, schedules: schedulesMax, onProgress, ...rest } = init
  const result = exhaust(program, {
    ...rest,
    schedulesMax,
    onProgress: (progress) => onProgress?.(progress.schedules),
    onFailure: (report, schedule) => failures.push(...failureOf(report, schedule)),
  })
  const { complete, bound, pruned, distinctStates } = result
  return {
    found: failures[0] ?? null,
    failures,
    schedules: result.schedules,
    complete,
    bound,
    pruned,
    distinctStates,
  }
}

type Chance = Exclude<SearchKind, 'exhaustive'>

function exploreByChance(program: Program, init: ExploreInit, kind: Chance): ExploreResult {
  assert(init.schedules >= 1, 'a search needs at least one schedule')
  const next = strategies(kind, init)
  const failures: Failure[] = []
  const states = init.fingerprints === true ? new Set<number>() : null
  const options = states === null ? undefined : { fingerprints: true }
  const failuresMax = init.failuresMax ?? 1
  let schedules = 0
  let choicesMax = 0
  while (schedules < init.schedules && failures.length < failuresMax) {
    const report = program(next(schedules, choicesMax), options)
    schedules++
    choicesMax = Math.max(choicesMax, report.choices.length)
    failures.push(...failureOf(report, schedules))
    for (const print of report.fingerprints) states?.add(print)
    if (schedules % PROGRESS_EVERY === 0) init.onProgress?.(schedules)
  }
  return {
    found: failures[0] ?? null,
    failures,
    schedules,
    complete: false,
    bound: null,
    pruned: 0,
    distinctStates: states?.size ?? null,
  }
}

/** PCT has to know about how many choices there are: the first run is that of the default policy, later ones go by the longest so far. */
function strategies(
  kind: Chance,
  init: ExploreInit,
): (schedule: number, choices: number) => WeaveStrategy {
  const prng = createPrng(init.seed ?? 1)
  if (kind === 'random') return () => randomStrategy(prng.nextUint32())
  if (kind === 'uniform') return () => uniformStrategy(prng.nextUint32())
  const depth = init.depth ?? DEFAULT_DEPTH
  return (schedule, choices) =>
    schedule === 0 ? defaultStrategy() : pctStrategy({ seed: prng.nextUint32(), depth, choices })
}
