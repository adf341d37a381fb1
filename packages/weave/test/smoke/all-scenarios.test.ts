// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A small run of everything that `iolayers weave run --all` runs.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { scenarioProgram } from '../../src/run/program.ts'
import { verifyScenario } from '../../src/run/verify.ts'
import { canary, hazards, scenarios, unreplayed } from '../../src/scenarios/index.ts'
import { scriptStrategy } from '../../src/search/script-strategy.ts'
import { decodeFailure, encodeFailure } from '../../src/show/failure.ts'

const SEARCH = {
  mutantSearches: [
    { kind: 'exhaustive', schedules: 1000 },
    { kind: 'random', schedules: 2000 },
    { kind: 'pct', schedules: 2000 },
  ],
  oursExhaustive: 50,
  oursSeeds: 100,
} as const

describe('every scenario', () => {
  it.each(scenarios.map((scenario) => [scenario.id, scenario] as const))('%s', (_id, scenario) => {
    const { mutant, ours } = verifyScenario(scenario, SEARCH)
    expect(mutant.fault, 'the fault of the mutant').not.toBeNull()
    expect(ours.map((one) => one.fault)).toEqual(ours.map(() => null))

    const program = scenarioProgram(scenario, 'mutant', scenario.mutantPolicy)
    const check = mutant.fault?.check ?? ''
    expect(program(scriptStrategy(mutant.script)).fault?.check).toBe(check)
    expect(mutant.minimal).toBe(true)
    for (let dropped = 0; dropped < mutant.script.length; dropped++) {
      const shorter = mutant.script.filter((_, at) => at !== dropped)
      expect(program(scriptStrategy(shorter)).fault?.check).not.toBe(check)
    }

    const { script } = mutant
    const failure = { version: 1, hazard: scenario.id, design: 'mutant', check, script } as const
    const text = encodeFailure(failure)
    expect(text.length).toBeLessThan(2048)
    expect(decodeFailure(text)).toEqual(failure)
  })

  it('the canary fails in both designs', () => {
    const { mutant, ours } = verifyScenario(canary, SEARCH)
    expect(mutant.found).toBe(true)
    expect(ours.map((one) => one.clean)).toEqual([false])
  })
})

describe('the record', () => {
  it('every hazard has a scenario or a reason, and at least 48 have a scenario', () => {
    const replayed = new Set(scenarios.flatMap((scenario) => scenario.hazards))
    const reasons = new Set(unreplayed.map(({ id }) => id))
    expect(hazards).toHaveLength(60)
    for (const { id } of hazards)
      expect([id, replayed.has(id) !== reasons.has(id)]).toEqual([id, true])
    expect(replayed.size).toBeGreaterThanOrEqual(48)
  })

  it.each(unreplayed.map(({ id, shownBy }) => [id, shownBy] as const))(
    '%s is shown by a test that is there',
    (_id, { file, test }) => {
      const source = readFileSync(new URL(`../../../../${file}`, import.meta.url), 'utf8')
      expect(source).toContain(`'${test}'`)
    },
  )

  it('no two scenarios have one name', () => {
    const ids = scenarios.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })
})
