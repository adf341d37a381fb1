// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { recordedStrategy } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { Program } from '../../src/search/contracts.ts'
import { explore, type SearchKind } from '../../src/search/explore.ts'
import { medianSchedules, schedulesToFirst } from '../../src/search/first-failure.ts'
import { checkThenAct, idleTasks, lockInversion, lostUpdate, turns } from './programs.ts'

const KINDS: readonly SearchKind[] = ['exhaustive', 'random', 'uniform', 'pct']
const CHANCE: readonly SearchKind[] = ['random', 'uniform', 'pct']

describe.each(KINDS)('a search of kind %s', (scheduler) => {
  it('finds each bug, and says how to replay it', () => {
    for (const make of [lostUpdate, lockInversion, checkThenAct, () => turns(3)]) {
      const { program } = make()
      const { found, schedules } = explore(program, { scheduler, schedules: 2000 })
      expect(found?.schedule).toBe(schedules)
      const again = program(recordedStrategy(found!.choices))
      expect(again.fault).toEqual(found!.fault)
    }
  })

  it('makes the same runs of the same seed', () => {
    const runs = (seed: number): string[] => {
      const { program } = idleTasks(3, 3)
      const seen: string[] = []
      const watched: Program = (strategy, options) => {
        const report = program(strategy, options)
        seen.push(report.choices.join())
        return report
      }
      explore(watched, { scheduler, schedules: 50, seed })
      return seen
    }
    expect(runs(7)).toEqual(runs(7))
    if (scheduler !== 'exhaustive') expect(runs(7)).not.toEqual(runs(8))
  })

  it('goes on to several that fail where it is told to', () => {
    const { program } = lostUpdate(3)
    const result = explore(program, { scheduler, schedules: 1000, failuresMax: 5 })
    expect(result.failures).toHaveLength(5)
    expect(result.failures[0]).toBe(result.found)
    expect(result.failures.at(-1)?.schedule).toBe(result.schedules)
  })

  it('tells of its progress', () => {
    const heard: number[] = []
    const onProgress = (schedules: number): void => void heard.push(schedules)
    const { program } = idleTasks(4, 3)
    const result = explore(program, { scheduler, schedules: 600, onProgress })
    expect(result).toMatchObject({ found: null, schedules: 600, complete: false })
    expect(heard).toEqual([256, 512])
  })

  it('counts states where it is told to', () => {
    const init = { scheduler, schedules: 300, failuresMax: Number.POSITIVE_INFINITY }
    const { program } = lostUpdate(2)
    expect(explore(program, { ...init, fingerprints: true }).distinctStates).toBe(3)
    expect(explore(program, init).distinctStates).toBeNull()
  })

  it('counts the schedules to the first that fails, seed by seed', () => {
    const seeds = Array.from({ length: 50 }, (_, i) => i + 1)
    const init = { scheduler, schedules: 1000 }
    const counts = schedulesToFirst(turns(4).program, init, seeds)
    expect(counts).toHaveLength(50)
    const { found } = explore(turns(4).program, { ...init, seed: 7 })
    expect(counts[6]).toBe(found!.schedule)
    expect(medianSchedules(counts)).toBeGreaterThanOrEqual(1)
    const few = schedulesToFirst(turns(4).program, { ...init, schedules: 1 }, seeds)
    expect(few).toContain(null)
  })
})

describe('what only some searches know', () => {
  it('chance never claims to be complete', () => {
    for (const scheduler of CHANCE) {
      const { program } = idleTasks(2, 1)
      const result = explore(program, { scheduler, schedules: 100 })
      expect(result).toMatchObject({ complete: false, bound: null, pruned: 0 })
    }
  })

  it('an exhaustive one says when it is complete, and its bound', () => {
    const all = explore(idleTasks(2, 2).program, { scheduler: 'exhaustive', schedules: 1000 })
    expect(all).toMatchObject({ found: null, schedules: 6, complete: true, bound: 3 })
    const init = { scheduler: 'exhaustive', schedules: 1000, deviationsMax: 1 } as const
    expect(explore(idleTasks(2, 2).program, init)).toMatchObject({ complete: false, bound: 1 })
  })

  it('a median takes a seed that found nothing for more than any', () => {
    expect(medianSchedules([3, null, 1])).toBe(3)
    expect(medianSchedules([null, null, 1])).toBeNull()
    expect(medianSchedules([4, 2, 3, 1])).toBe(2)
    expect(medianSchedules([])).toBeNull()
  })

  it('a search without schedules is refused', () => {
    for (const scheduler of KINDS) {
      expect(() => explore(idleTasks(1, 1).program, { scheduler, schedules: 0 })).toThrow(
        'at least',
      )
    }
  })
})
