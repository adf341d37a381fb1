// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { defaultStrategy } from '../../src/search/default-strategy.ts'
import { pctStrategy } from '../../src/search/pct-strategy.ts'
import { checkThenAct, lockInversion, lostUpdate, type Observed, turns } from './programs.ts'

const RUNS = 2000

/** Standard deviations that chance may take away. */
const SLACK = 4

/** How many of the runs fail, and how likely each should, but for the number of actors. */
function hits(observed: Observed, depth: number): { hits: number; promised: number } {
  const choices = longest(observed)
  let hits = 0
  for (let seed = 1; seed <= RUNS; seed++) {
    if (observed.program(pctStrategy({ seed, depth, choices })).fault !== null) hits++
  }
  return { hits, promised: choices ** (1 - depth) }
}

/** The promise is about the number of choices that a run can have at most. */
function longest({ program }: Observed): number {
  let choices = program(defaultStrategy()).choices.length
  for (let seed = 1; seed <= 100; seed++) {
    const report = program(pctStrategy({ seed, depth: 2, choices }))
    choices = Math.max(choices, report.choices.length)
  }
  return choices
}

describe('PCT', () => {
  it.each<readonly [string, () => Observed, number, number]>([
    ['a lost update', lostUpdate, 2, 2],
    ['a lost update among four', () => lostUpdate(4), 2, 4],
    ['a lock inversion', lockInversion, 2, 2],
    ['a check before an act in plain code', checkThenAct, 2, 2],
    ['a check before an act, and noise', () => checkThenAct(2), 2, 4],
    ['three turns', () => turns(3), 3, 2],
    ['four turns', () => turns(4), 4, 2],
  ])('finds %s as often as is promised', (_title, make, depth, actors) => {
    const found = hits(make(), depth)
    const promised = found.promised / actors
    const deviation = Math.sqrt(RUNS * promised * (1 - promised))
    expect(found.hits).toBeGreaterThan(0)
    expect(found.hits).toBeGreaterThanOrEqual(RUNS * promised - SLACK * deviation)
  })

  it('never finds a bug that needs more constraints than it makes', () => {
    for (const make of [() => lostUpdate(), () => lockInversion(), () => checkThenAct()]) {
      expect(hits(make(), 1).hits).toBe(0)
    }
  })

  it('makes the same run of the same seed', () => {
    const { program } = turns(4, 2)
    const run = (seed: number): readonly number[] =>
      program(pctStrategy({ seed, depth: 3, choices: 20 })).choices
    for (let seed = 1; seed <= 20; seed++) expect(run(seed)).toEqual(run(seed))
    expect(run(1)).not.toEqual(run(2))
  })

  it('refuses a depth of none', () => {
    expect(() => pctStrategy({ seed: 1, depth: 0, choices: 1 })).toThrow('depth')
  })
})
