// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import type { Program } from '../../src/search/contracts.ts'
import { exhaust } from '../../src/search/exhaustive.ts'
import {
  brokenPromise,
  chains,
  checkThenAct,
  idleTasks,
  lockInversion,
  lostUpdate,
  nestedWriters,
  type Observed,
  turns,
  writers,
} from './programs.ts'

const ALL = { schedulesMax: 100_000, failuresMax: Number.POSITIVE_INFINITY }

/** The schedules that ran, each as its choices. */
function schedulesOf(observed: Observed): { program: Program; seen: string[] } {
  const seen: string[] = []
  return {
    seen,
    program: (strategy, options) => {
      const report = observed.program(strategy, options)
      seen.push(report.choices.join(','))
      return report
    },
  }
}

describe('all schedules', () => {
  it.each([
    [2, 1, 2],
    [2, 2, 6],
    [2, 4, 70],
    [3, 1, 6],
    [3, 2, 90],
    [4, 2, 2520],
  ])('of %i tasks with %i steps are %i, each once', (tasks, steps, count) => {
    const observed = idleTasks(tasks, steps)
    const { program, seen } = schedulesOf(observed)
    expect(exhaust(program, ALL)).toMatchObject({ schedules: count, complete: true, pruned: 0 })
    expect(observed.outcomes.size).toBe(count)
    expect(new Set(seen).size).toBe(count)
  })

  it('count choice points of plain code: before, nested, after', () => {
    const { program, outcomes } = checkThenAct()
    expect(exhaust(program, ALL)).toMatchObject({ schedules: 3, complete: true, failures: 1 })
    expect([...outcomes].sort()).toEqual(['not-used', 'use-after-free', 'used'])
  })

  it('come by deviations: a bound is complete before the next begins', () => {
    // Of two tasks with two steps each: AABB; BBAA and ABBA; BAAB and ABAB; BABA.
    const deviations: number[] = []
    const counts: number[] = []
    for (let deviationsMax = 0; deviationsMax < 4; deviationsMax++) {
      const result = exhaust(idleTasks(2, 2).program, { ...ALL, deviationsMax })
      counts.push(result.schedules)
      expect(result.bound).toBeLessThanOrEqual(deviationsMax)
      deviations.push(result.bound)
      expect(result.complete).toBe(deviationsMax >= 3)
    }
    expect(counts).toEqual([1, 3, 5, 6])
    expect(deviations).toEqual([0, 1, 2, 3])
  })

  it('stop where they may be no more, and say which bound is done', () => {
    const { program } = idleTasks(3, 3)
    const within = (deviationsMax: number): number =>
      exhaust(program, { ...ALL, deviationsMax }).schedules
    expect(within(2)).toBeLessThan(100)
    expect(within(3)).toBeGreaterThan(100)
    expect(exhaust(program, { schedulesMax: 100 })).toMatchObject({
      schedules: 100,
      complete: false,
      bound: 2,
    })
    const once = exhaust(program, { schedulesMax: 1 })
    expect(once).toMatchObject({ schedules: 1, complete: false, bound: 0 })
  })

  it('end at the first that fails', () => {
    const found: number[] = []
    const result = exhaust(lostUpdate().program, {
      schedulesMax: 1000,
      onFailure: (report, schedule) => {
        expect(report.fault?.check).toBe('lost-update')
        found.push(schedule)
      },
    })
    expect(found).toEqual([result.schedules])
    expect(result).toMatchObject({ failures: 1, complete: false })
  })

  it('tell of their progress', () => {
    const heard: number[] = []
    const onProgress = (progress: { schedules: number; deviations: number }): void => {
      heard.push(progress.schedules)
      expect(progress.deviations).toBeGreaterThan(0)
    }
    exhaust(idleTasks(4, 2).program, { ...ALL, onProgress })
    expect(heard).toEqual([256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304])
  })

  it('count states by their fingerprints where they are asked for', () => {
    const init = { ...ALL, fingerprints: true }
    expect(exhaust(lostUpdate(3).program, init).distinctStates).toBe(4)
    expect(exhaust(lostUpdate(3).program, ALL).distinctStates).toBeNull()
  })
})

describe('pruning by sleep sets', () => {
  it.each<readonly [string, () => Observed]>([
    ['calls that touch cells of their own', () => writers(4, 4)],
    ['two calls for each cell', () => writers(6, 3)],
    ['calls, and one that sees all of them', () => writers(4, 2, { reader: true })],
    ['five calls, and one that sees all of them', () => writers(5, 5, { reader: true })],
    ['calls that start others, and tasks', chains],
    ['calls nested in a task', nestedWriters],
  ])('comes to the same outcomes with fewer schedules: %s', (_title, make) => {
    const whole = make()
    const pruned = make()
    const all = exhaust(whole.program, { ...ALL, prune: false })
    const few = exhaust(pruned.program, { ...ALL, prune: true })
    expect(all).toMatchObject({ complete: true, pruned: 0 })
    expect(few.complete).toBe(true)
    expect(few.pruned).toBeGreaterThan(0)
    expect([...pruned.outcomes].sort()).toEqual([...whole.outcomes].sort())
    expect(few.schedules).toBeLessThan(all.schedules)
  })

  it.each<readonly [string, () => Observed]>([
    ['a lost update', () => lostUpdate(3)],
    ['a lock inversion', lockInversion],
    ['turns', () => turns(3)],
    ['a check before an act', () => checkThenAct(1)],
  ])('leaves out nothing where nothing is independent: %s', (_title, make) => {
    const all = exhaust(make().program, { ...ALL, prune: false })
    expect(exhaust(make().program, { ...ALL, prune: true })).toEqual(all)
  })

  it.each([2, 3, 4, 5, 6, 7])(
    'runs few of the orders of %i calls without anything in common',
    (calls) => {
      const { program } = writers(calls, calls)
      const { schedules, complete } = exhaust(program, ALL)
      expect({ schedules, complete }).toEqual({ schedules: 2 ** (calls - 1), complete: true })
    },
  )

  it('looks for nothing behind a step that is run elsewhere too', () => {
    // As counted; with a search behind such steps there are more.
    expect(exhaust(chains().program, ALL)).toMatchObject({ schedules: 382, complete: true })
  })

  it('is given up where a call with a footprint passes a choice point', () => {
    const whole = brokenPromise()
    const pruned = brokenPromise()
    exhaust(whole.program, { ...ALL, prune: false })
    const result = exhaust(pruned.program, { ...ALL, prune: true })
    expect(result).toMatchObject({ complete: true, pruned: 0 })
    expect([...pruned.outcomes].sort()).toEqual([...whole.outcomes].sort())
    expect(whole.outcomes).toContain('1a 2 1b')
  })

  it('is off by default under a bound of deviations, and on without', () => {
    expect(exhaust(writers(4, 4).program, { ...ALL, deviationsMax: 9 }).pruned).toBe(0)
    expect(exhaust(writers(4, 4).program, ALL).pruned).toBeGreaterThan(0)
  })

  it('claims no bound for what it left out', () => {
    const result = exhaust(writers(5, 5).program, { schedulesMax: 12 })
    expect(result).toMatchObject({ complete: false, bound: 0 })
  })
})
