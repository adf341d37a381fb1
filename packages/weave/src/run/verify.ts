// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault, Pick, Program } from '../search/contracts.ts'
import {
  type ExploreInit,
  type ExploreResult,
  explore,
  type SearchKind,
} from '../search/explore.ts'
import { shrinkShortest } from '../search/shrink.ts'
import type { Policy } from '../stack/stack.ts'
import { scenarioProgram } from './program.ts'
import type { Scenario } from './scenario.ts'

export interface VerifyInit {
  /** Searches for the fault of the mutant, in this order, until one finds it. */
  readonly mutantSearches: readonly { readonly kind: SearchKind; readonly schedules: number }[]
  /** Schedules of our design that are run exhaustively; 0: none. */
  readonly oursExhaustive: number
  /** Seeds of our design that are run besides, where the exhaustive search did not get to its end. */
  readonly oursSeeds: number
  /** The search by seed of ours; `random` by default. */
  readonly oursSearch?: Exclude<SearchKind, 'exhaustive'>
  readonly seed?: number
  /** Failing runs that are shrunk; the shortest script is kept. 1 by default. */
  readonly failures?: number
  readonly onProgress?: (progress: VerifyProgress) => void
}

export interface VerifyProgress {
  readonly scenario: string
  readonly what: string
  readonly schedules: number
}

export interface MutantVerdict {
  readonly found: boolean
  readonly fault: Fault | null
  readonly search: SearchKind | null
  /** Until the first failure, over all searches. */
  readonly schedules: number
  /** Of the shortest failure. */
  readonly script: readonly Pick[]
  /** The script replays it, and no pick of it can be dropped. */
  readonly minimal: boolean
}

export interface OursVerdict {
  readonly policy: Policy
  readonly clean: boolean
  readonly fault: Fault | null
  /** As of a mutant; empty where nothing failed. */
  readonly script: readonly Pick[]
  readonly minimal: boolean
  readonly schedules: number
  /** Every schedule was run, or one that is equivalent. */
  readonly exhaustive: boolean
  /** Every schedule with at most so many deviations from the default was run. */
  readonly bound: number | null
  /** Choices that the exhaustive search left out. */
  readonly pruned: number
  /** Of the search that saw most. */
  readonly distinctStates: number | null
}

export interface Verdict {
  readonly mutant: MutantVerdict
  readonly ours: readonly OursVerdict[]
}

/** Looks for the fault of the mutant, and for any in our design. */
export function verifyScenario(scenario: Scenario, init: VerifyInit): Verdict {
  const policies = scenario.policies ?? (['fence', 'drain'] as const)
  return {
    mutant: verifyMutant(scenario, init),
    ours: policies.map((policy) => verifyOurs(scenario, policy, init)),
  }
}

export function verifyMutant(scenario: Scenario, init: VerifyInit): MutantVerdict {
  const program = scenarioProgram(scenario, 'mutant', scenario.mutantPolicy)
  let schedules = 0
  for (const { kind, schedules: most } of init.mutantSearches) {
    const result = explore(program, {
      scheduler: kind,
      schedules: most,
      seed: init.seed ?? 1,
      failuresMax: init.failures ?? 1,
      onProgress: progressOf(scenario, `mutant, ${kind}`, init),
    })
    if (result.found === null) {
      schedules += result.schedules
      continue
    }
    const { fault, schedule } = result.found
    return {
      found: true,
      fault,
      search: kind,
      schedules: schedules + schedule,
      ...shortest(program, result),
    }
  }
  return { found: false, fault: null, search: null, schedules, script: [], minimal: false }
}

export function verifyOurs(scenario: Scenario, policy: Policy, init: VerifyInit): OursVerdict {
  const program = scenarioProgram(scenario, 'ours', policy)
  const { oursExhaustive, oursSeeds, failures = 1 } = init
  const searches: ExploreResult[] = []
  const search = (what: string, more: Omit<ExploreInit, 'failuresMax'>): boolean => {
    const onProgress = progressOf(scenario, `ours with ${policy}, ${what}`, init)
    const result = explore(program, { ...more, failuresMax: failures, onProgress })
    searches.push(result)
    return result.found !== null || result.complete
  }
  const all = { scheduler: 'exhaustive', schedules: oursExhaustive, fingerprints: true } as const
  let over = oursExhaustive > 0 && search('exhaustive', all)
  // A search that leaves schedules out gets deeper, and has no bound to show.
  if (!over && (searches[0]?.pruned ?? 0) > 0) over = search('bounded', { ...all, prune: false })
  if (!over && oursSeeds > 0) {
    const seed = init.seed ?? 1
    search('seeds', { scheduler: init.oursSearch ?? 'random', schedules: oursSeeds, seed })
  }
  return verdictOf(program, policy, searches)
}

function verdictOf(
  program: Program,
  policy: Policy,
  searches: readonly ExploreResult[],
): OursVerdict {
  const failed = searches.find((result) => result.found !== null)
  const bounds = searches.flatMap(({ bound }) => (bound === null ? [] : [bound]))
  const states = searches.flatMap(({ distinctStates }) => distinctStates ?? [])
  return {
    policy,
    clean: failed === undefined,
    fault: failed?.found?.fault ?? null,
    ...(failed === undefined ? { script: [], minimal: false } : shortest(program, failed)),
    schedules: searches.reduce((sum, { schedules }) => sum + schedules, 0),
    exhaustive: searches.some(({ complete }) => complete),
    bound: bounds.length === 0 ? null : Math.max(...bounds),
    pruned: searches[0]?.pruned ?? 0,
    distinctStates: states.length === 0 ? null : Math.max(...states),
  }
}

/** Of the failures by the check of the first one. */
function shortest(
  program: Program,
  { found, failures }: ExploreResult,
): { readonly script: readonly Pick[]; readonly minimal: boolean } {
  const alike = failures.filter((one) => one.fault.check === found?.fault.check)
  const shrunk = shrinkShortest(
    program,
    alike.map((one) => one.choices),
  )
  return { script: shrunk?.script ?? [], minimal: shrunk?.minimal ?? false }
}

function progressOf(
  scenario: Scenario,
  what: string,
  init: VerifyInit,
): (schedules: number) => void {
  return (schedules) => init.onProgress?.({ scenario: scenario.id, what, schedules })
}
