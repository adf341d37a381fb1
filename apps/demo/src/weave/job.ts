// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What one worker does at a time: one side of one scenario.

import {
  type MutantVerdict,
  medianSchedules,
  type OursVerdict,
  type Policy,
  type Scenario,
  type SearchKind,
  scenarioProgram,
  schedulesToFirst,
  type VerifyInit,
  verifyMutant,
  verifyOurs,
} from '@iolayers/weave'
import { canary, scenarios } from '@iolayers/weave/scenarios'

/** How much is searched. */
export interface Effort {
  /** Null: one search after the other, until one finds the fault. */
  readonly scheduler: SearchKind | null
  /** Schedules of a mutant, each search. */
  readonly mutantSchedules: number
  /** Schedules of ours that are run exhaustively, for each policy. */
  readonly oursExhaustive: number
  /** Seeds of ours besides, where that did not reach the end. */
  readonly oursSeeds: number
  readonly seed: number
  /** Failing runs of a mutant that are shrunk, to keep the shortest. */
  readonly failures: number
}

export type Job =
  | { readonly kind: 'mutant'; readonly scenario: string; readonly effort: Effort }
  | {
      readonly kind: 'ours'
      readonly scenario: string
      readonly policy: Policy
      readonly effort: Effort
    }
  | {
      readonly kind: 'first-failure'
      readonly scenario: string
      readonly search: SearchKind
      readonly seeds: number
      readonly schedules: number
    }

/** Schedules until the first failure of a mutant, by one kind of search. */
export interface FirstFailure {
  readonly search: SearchKind
  /** Null: in more than half of the seeds it was not found within the bound. */
  readonly median: number | null
}

export type JobResult =
  | { readonly kind: 'mutant'; readonly verdict: MutantVerdict }
  | { readonly kind: 'ours'; readonly verdict: OursVerdict }
  | { readonly kind: 'first-failure'; readonly first: FirstFailure }

const SEARCHES: readonly SearchKind[] = ['exhaustive', 'random', 'pct', 'uniform']

export function findScenario(id: string): Scenario | undefined {
  const wanted = id.toUpperCase()
  return [...scenarios, canary].find((scenario) => scenario.id.toUpperCase() === wanted)
}

export function policiesOf(scenario: Scenario): readonly Policy[] {
  return scenario.policies ?? ['fence', 'drain']
}

/** Does a job; `onProgress` hears of the schedules so far. */
export function runJob(job: Job, onProgress: (schedules: number) => void): JobResult {
  const scenario = findScenario(job.scenario)
  if (scenario === undefined) throw new Error(`no scenario ${job.scenario}`)
  if (job.kind === 'first-failure') {
    const program = scenarioProgram(scenario, 'mutant', scenario.mutantPolicy)
    const { search, schedules } = job
    const seeds = Array.from({ length: job.seeds }, (_, at) => at + 1)
    const counts = schedulesToFirst(program, { scheduler: search, schedules }, seeds)
    return { kind: job.kind, first: { search, median: medianSchedules(counts) } }
  }
  const { effort } = job
  const kinds = effort.scheduler === null ? SEARCHES : [effort.scheduler]
  const init: VerifyInit = {
    mutantSearches: kinds.map((kind) => ({ kind, schedules: effort.mutantSchedules })),
    oursExhaustive: effort.oursExhaustive,
    oursSeeds: effort.oursSeeds,
    oursSearch:
      effort.scheduler === null || effort.scheduler === 'exhaustive' ? 'random' : effort.scheduler,
    seed: effort.seed,
    failures: effort.failures,
    onProgress: (progress) => onProgress(progress.schedules),
  }
  if (job.kind === 'mutant') return { kind: job.kind, verdict: verifyMutant(scenario, init) }
  return { kind: job.kind, verdict: verifyOurs(scenario, job.policy, init) }
}
