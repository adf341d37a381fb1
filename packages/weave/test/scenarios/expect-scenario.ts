// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { expect } from 'vitest'
import { scenarioProgram } from '../../src/run/program.ts'
import type { Scenario } from '../../src/run/scenario.ts'
import { verifyScenario } from '../../src/run/verify.ts'
import { scriptStrategy } from '../../src/search/script-strategy.ts'

/** The mutant is found, by `check`, and shrunk; ours is clean under both policies. A small search: the command does the large one. */
export function expectScenario(scenario: Scenario, check: string): void {
  const { mutant, ours } = verifyScenario(scenario, {
    mutantSearches: [
      { kind: 'exhaustive', schedules: 500 },
      { kind: 'random', schedules: 1000 },
      { kind: 'pct', schedules: 1000 },
    ],
    oursExhaustive: 200,
    oursSeeds: 200,
    failures: 1,
  })
  expect(mutant.fault?.check, mutant.fault?.message ?? 'nothing found').toBe(check)
  expect(mutant.script.length).toBeLessThanOrEqual(40)
  const program = scenarioProgram(scenario, 'mutant', scenario.mutantPolicy)
  expect(program(scriptStrategy(mutant.script)).fault?.check).toBe(check)
  for (const verdict of ours) expect(verdict.fault, `ours with ${verdict.policy}`).toBeNull()
}
