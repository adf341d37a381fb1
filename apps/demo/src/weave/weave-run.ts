// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { MutantVerdict, OursVerdict, Scenario } from '@iolayers/weave'
import { canary, hazards, scenarios, unreplayed } from '@iolayers/weave/scenarios'
import { type Effort, type FirstFailure, type Job, type JobResult, policiesOf } from './job.ts'

/** All that a run found out about one scenario. */
export interface ScenarioVerdict {
  readonly scenario: Scenario
  readonly mutant: MutantVerdict
  readonly ours: readonly OursVerdict[]
  readonly first: readonly FirstFailure[]
}

export interface RunPlan {
  readonly scenarios: readonly Scenario[]
  readonly jobs: readonly Job[]
}

/** Whether schedules to the first failure are counted too, over how many seeds. */
export interface FirstFailureEffort {
  readonly seeds: number
  readonly schedules: number
}

/** The jobs for these scenarios, and for the canary before them. */
export function planRun(
  chosen: readonly Scenario[],
  effort: Effort,
  first: FirstFailureEffort | null,
): RunPlan {
  const all = [canary, ...chosen.filter((one) => one !== canary)]
  return { scenarios: all, jobs: all.flatMap((scenario) => jobsOf(scenario, effort, first)) }
}

function jobsOf(scenario: Scenario, effort: Effort, first: FirstFailureEffort | null): Job[] {
  const { id } = scenario
  const jobs: Job[] = [{ kind: 'mutant', scenario: id, effort }]
  for (const policy of policiesOf(scenario))
    jobs.push({ kind: 'ours', scenario: id, policy, effort })
  if (first === null) return jobs
  for (const search of ['exhaustive', 'random', 'uniform', 'pct'] as const) {
    jobs.push({ kind: 'first-failure', scenario: id, search, ...first })
  }
  return jobs
}

/** Puts the results of the jobs of a plan together again. */
export function verdictsOf(
  plan: RunPlan,
  results: readonly JobResult[],
): readonly ScenarioVerdict[] {
  return plan.scenarios.map((scenario) => {
    const own = results.filter((_, at) => plan.jobs[at]?.scenario === scenario.id)
    const mutant = own.flatMap((one) => (one.kind === 'mutant' ? [one.verdict] : []))[0]
    if (mutant === undefined) throw new Error(`no verdict on the mutant of ${scenario.id}`)
    return {
      scenario,
      mutant,
      ours: own.flatMap((one) => (one.kind === 'ours' ? [one.verdict] : [])),
      first: own.flatMap((one) => (one.kind === 'first-failure' ? [one.first] : [])),
    }
  })
}

export function isGood({ mutant, ours }: ScenarioVerdict): boolean {
  return mutant.found && mutant.minimal && ours.every((one) => one.clean)
}

/** All that is other than it should be, a line each: what was run, the canary, which has to fail in both designs, and what nothing accounts for. */
export function whatIsWrong(
  verdicts: readonly ScenarioVerdict[],
  missing: readonly string[],
): readonly string[] {
  const wrong = verdicts.flatMap((verdict) =>
    verdict.scenario.id === canary.id ? wrongWithCanary(verdict) : wrongWith(verdict),
  )
  if (missing.length > 0) wrong.push(`hazards that nothing accounts for: ${missing.join(', ')}`)
  return wrong
}

function wrongWithCanary({ mutant, ours }: ScenarioVerdict): string[] {
  const seen = mutant.found && ours.every((one) => !one.clean)
  return seen ? [] : ['the canary was not found: the explorer sees nothing']
}

function wrongWith({ scenario: { id }, mutant, ours }: ScenarioVerdict): string[] {
  const wrong: string[] = []
  if (!mutant.found) wrong.push(`${id}: the mutant was not found`)
  else if (!mutant.minimal) wrong.push(`${id}: the mutant's failure has no script that is minimal`)
  for (const { policy, check, message } of faultsOf(ours)) {
    wrong.push(`${id}: ours fails with ${policy} (${check}: ${message})`)
  }
  return wrong
}

function faultsOf(ours: readonly OursVerdict[]) {
  return ours.flatMap(({ fault, policy }) =>
    fault === null ? [] : [{ policy, check: fault.check, message: fault.message }],
  )
}

/** One entry of the JSON document of `weave run`. */
export interface HazardEntry {
  readonly id: string
  readonly title: string
  readonly scenario: string | null
  readonly mutant: {
    readonly found: boolean
    readonly schedules: number
    readonly check: string | null
    /** Whether its failure has a script of which no pick can be dropped. */
    readonly minimal: boolean
  } | null
  readonly ours: {
    readonly clean: boolean
    /** The first of what fails, if anything does. */
    readonly fault: {
      readonly policy: string
      readonly check: string
      readonly message: string
    } | null
    readonly schedules: number
    readonly exhaustive: boolean
    readonly bound: number | null
    readonly distinctStates: number | null
    readonly pruned: number
  } | null
  readonly note: string
}

/** Every hazard of the record that was asked for, and scenarios beyond it. */
export function entriesOf(
  verdicts: readonly ScenarioVerdict[],
  everything: boolean,
): readonly HazardEntry[] {
  const run = verdicts.filter(({ scenario }) => scenario.id !== canary.id)
  const entries: HazardEntry[] = []
  for (const hazard of hazards) {
    const own = run.filter(({ scenario }) => scenario.hazards.includes(hazard.id))
    if (own.length === 0) {
      if (everything) entries.push(withoutScenario(hazard.id, hazard.title))
      continue
    }
    for (const verdict of own) entries.push(entryOf(hazard.id, hazard.title, verdict))
  }
  for (const verdict of run) {
    const { id, title } = verdict.scenario
    if (verdict.scenario.hazards.length === 0) entries.push(entryOf(id, title, verdict))
  }
  return entries
}

function withoutScenario(id: string, title: string): HazardEntry {
  const known = unreplayed.find((one) => one.id === id)
  const note =
    known === undefined
      ? 'not accounted for'
      : `no scenario: ${known.why} Shown by ${known.shownBy.file}: ${known.shownBy.test}`
  return { id, title, scenario: null, mutant: null, ours: null, note }
}

function entryOf(
  id: string,
  title: string,
  { scenario, mutant, ours }: ScenarioVerdict,
): HazardEntry {
  const sum = (of: (one: OursVerdict) => number): number =>
    ours.reduce((total, one) => total + of(one), 0)
  const bounds = ours.flatMap((one) => (one.bound === null ? [] : [one.bound]))
  return {
    id,
    title,
    scenario: scenario.id,
    mutant: {
      found: mutant.found,
      schedules: mutant.schedules,
      check: mutant.fault?.check ?? null,
      minimal: mutant.minimal,
    },
    ours: {
      clean: ours.every((one) => one.clean),
      fault: faultsOf(ours)[0] ?? null,
      schedules: sum((one) => one.schedules),
      exhaustive: ours.every((one) => one.exhaustive),
      bound: bounds.length === 0 ? null : Math.min(...bounds),
      distinctStates: sum((one) => one.distinctStates ?? 0),
      pruned: sum((one) => one.pruned),
    },
    note: `${scenario.title}: ${scenario.step}`,
  }
}

/** Hazards that neither have a scenario nor say why they have none. */
export function unaccounted(): readonly string[] {
  const known = new Set([
    ...scenarios.flatMap((one) => one.hazards),
    ...unreplayed.map((one) => one.id),
  ])
  return hazards.filter(({ id }) => !known.has(id)).map(({ id }) => id)
}
