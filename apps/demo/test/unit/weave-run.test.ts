// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault, MutantVerdict, OursVerdict, Scenario } from '@iolayers/weave'
import { canary, hazards, scenarios, unreplayed } from '@iolayers/weave/scenarios'
import { describe, expect, it } from 'vitest'
import type { Effort, JobResult } from '../../src/weave/job.ts'
import {
  entriesOf,
  planRun,
  type ScenarioVerdict,
  unaccounted,
  verdictsOf,
  whatIsWrong,
} from '../../src/weave/weave-run.ts'

const EFFORT: Effort = {
  scheduler: null,
  mutantSchedules: 1,
  oursExhaustive: 1,
  oursSeeds: 1,
  seed: 1,
  failures: 1,
}

const FAULT: Fault = { check: 'leak', message: 'something is left' }

const FOUND: MutantVerdict = {
  found: true,
  fault: FAULT,
  search: 'random',
  schedules: 3,
  script: [],
  minimal: true,
}

const CLEAN: OursVerdict = {
  policy: 'fence',
  clean: true,
  fault: null,
  script: [],
  minimal: false,
  schedules: 10,
  exhaustive: false,
  bound: 2,
  pruned: 0,
  distinctStates: 4,
}

const FAILS: OursVerdict = { ...CLEAN, clean: false, fault: FAULT }

const [H1] = scenarios

function verdict(
  scenario: Scenario | undefined,
  mutant: MutantVerdict,
  ...ours: OursVerdict[]
): ScenarioVerdict {
  if (scenario === undefined) throw new Error('no scenario')
  return { scenario, mutant, ours, first: [] }
}

describe('what a run comes to', () => {
  it('is good when every mutant is found, ours is clean, and the canary fails', () => {
    expect(whatIsWrong([verdict(canary, FOUND, FAILS), verdict(H1, FOUND, CLEAN)], [])).toEqual([])
  })

  it('is bad when the canary is not found, whatever else is', () => {
    const missed = { ...FOUND, found: false, fault: null }
    for (const bad of [verdict(canary, missed, FAILS), verdict(canary, FOUND, CLEAN)]) {
      expect(whatIsWrong([bad, verdict(H1, FOUND, CLEAN)], [])).toEqual([
        'the canary was not found: the explorer sees nothing',
      ])
    }
  })

  it('is bad when a mutant is not found, or its failure cannot be told', () => {
    const missed = { ...FOUND, found: false, fault: null }
    expect(whatIsWrong([verdict(H1, missed, CLEAN)], [])).toEqual(['H1: the mutant was not found'])
    const untold = { ...FOUND, minimal: false }
    expect(whatIsWrong([verdict(H1, untold, CLEAN)], [])).toEqual([
      "H1: the mutant's failure has no script that is minimal",
    ])
  })

  it('is bad when ours fails, with the policy and the fault', () => {
    expect(whatIsWrong([verdict(H1, FOUND, CLEAN, { ...FAILS, policy: 'drain' })], [])).toEqual([
      'H1: ours fails with drain (leak: something is left)',
    ])
  })

  it('is bad when a hazard is neither replayed nor explained', () => {
    expect(whatIsWrong([], ['H99'])).toEqual(['hazards that nothing accounts for: H99'])
    expect(unaccounted()).toEqual([])
  })
})

describe('a plan', () => {
  it('begins with the canary, and has a job for each policy of ours', () => {
    const { jobs, scenarios: planned } = planRun(scenarios.slice(0, 1), EFFORT, null)
    expect(planned.map(({ id }) => id)).toEqual(['CANARY', 'H1'])
    const own = jobs.filter(({ scenario }) => scenario === 'H1')
    expect(own.map((job) => (job.kind === 'ours' ? job.policy : job.kind))).toEqual([
      'mutant',
      'fence',
      'drain',
    ])
    const counted = planRun(scenarios.slice(0, 1), EFFORT, { seeds: 2, schedules: 5 })
    expect(counted.jobs.filter(({ kind }) => kind === 'first-failure')).toHaveLength(8)
  })

  it('is put together again from the results, in whatever order the jobs ended', () => {
    const plan = planRun(scenarios.slice(0, 2), EFFORT, null)
    const results = plan.jobs.map(
      (job, at): JobResult =>
        job.kind === 'mutant'
          ? { kind: 'mutant', verdict: { ...FOUND, schedules: at } }
          : { kind: 'ours', verdict: { ...CLEAN, schedules: at } },
    )
    const verdicts = verdictsOf(plan, results)
    for (const { scenario, mutant, ours } of verdicts) {
      expect(plan.jobs[mutant.schedules]).toMatchObject({ kind: 'mutant', scenario: scenario.id })
      for (const one of ours) {
        expect(plan.jobs[one.schedules]).toMatchObject({ kind: 'ours', scenario: scenario.id })
      }
    }
    expect(() => verdictsOf(plan, [])).toThrow(/no verdict on the mutant of CANARY/)
  })
})

describe('the entries of the document', () => {
  it('are every hazard of the record, and those beyond it, when all was run', () => {
    const all = scenarios.map((scenario) => verdict(scenario, FOUND, CLEAN))
    const entries = entriesOf([verdict(canary, FOUND, FAILS), ...all], true)
    const ids = new Set(entries.map(({ id }) => id))
    for (const { id } of hazards) expect(ids).toContain(id)
    expect(ids).toContain('IT1')
    const [first] = unreplayed
    expect(entries.find(({ id }) => id === first?.id)).toMatchObject({
      scenario: null,
      mutant: null,
      note: expect.stringContaining(first?.shownBy.file ?? ''),
    })
  })

  it('sum over the policies of ours, and claim the least', () => {
    const ours = [CLEAN, { ...FAILS, policy: 'drain' as const, bound: 1, exhaustive: true }]
    expect(entriesOf([verdict(H1, FOUND, ...ours)], false)).toMatchObject([
      {
        id: 'H1',
        mutant: { found: true, schedules: 3, check: 'leak', minimal: true },
        ours: {
          clean: false,
          fault: { policy: 'drain', ...FAULT },
          schedules: 20,
          exhaustive: false,
          bound: 1,
          distinctStates: 8,
        },
      },
    ])
  })
})
