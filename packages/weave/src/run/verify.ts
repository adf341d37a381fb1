// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault, Pick } from '../search/contracts.ts'
import { type ExploreResult, explore, type SearchKind } from '../search/explore.ts'
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
  readonly seed?: number
  /** Failing runs of the mutant that are shrunk; the shortest script is kept. 1 by default. */
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
  readonly script: readonly Pick[]
  /** No pick of the script can be dropped. */
  readonly minimal: boolean
}

export interface OursVerdict {
  readonly policy: Policy
  readonly clean: boolean
  readonly fault: Fault | null
  /** Of the run that failed. */
  readonly choices: readonly number[]
  readonly schedules: number
  /** Every schedule was run, or one that is equivalent. */
  readonly exhaustive: boolean
  /** Every schedule with at most so many deviations from the default was run. */
  readonly bound: number | null
  readonly pruned: number
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
    const shrunk = shrinkShortest(
      program,
      result.failures.filter((one) => one.fault.check === fault.check).map((one) => one.choices),
    )
    return {
      found: true,
      fault,
      search: kind,
      schedules: schedules + schedule,
      script: shrunk?.script ?? [],
      minimal: shrunk?.minimal ?? false,
    }
  }
  return { found: false, fault: null, search: null, schedules, script: [], minimal: false }
}

export function verifyOurs(scenario: Scenario, policy: Policy, init: VerifyInit): OursVerdict {
  const program = scenarioProgram(scenario, 'ours', policy)
  const verdict = (result: ExploreResult, before: ExploreResult | null): OursVerdict => ({
    policy,
    clean: result.found === null,
    fault: result.found?.fault ?? null,
    choices: result.found?.choices ?? [],
    schedules: result.schedules + (before?.schedules ?? 0),
    exhaustive: before?.complete ?? result.complete,
    bound: before?.bound ?? result.bound,
    pruned: before?.pruned ?? result.pruned,
    distinctStates: before?.distinctStates ?? result.distinctStates,
  })
  let all: ExploreResult | null = null
  if (init.oursExhaustive > 0) {
    all = explore(program, {
      scheduler: 'exhaustive',
      schedules: init.oursExhaustive,
      fingerprints: true,
      onProgress: progressOf(scenario, `ours with ${policy}, exhaustive`, init),
    })
    if (all.found !== null || all.complete || init.oursSeeds === 0) return verdict(all, null)
  }
  const seeds = explore(program, {
    scheduler: 'random',
    schedules: Math.max(1, init.oursSeeds),
    seed: init.seed ?? 1,
    onProgress: progressOf(scenario, `ours with ${policy}, seeds`, init),
  })
  return verdict(seeds, all)
}

function progressOf(
  scenario: Scenario,
  what: string,
  init: VerifyInit,
): (schedules: number) => void {
  return (schedules) => init.onProgress?.({ scenario: scenario.id, what, schedules })
}
