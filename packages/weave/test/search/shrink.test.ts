// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import type { Pick, Program } from '../../src/search/contracts.ts'
import { randomStrategy } from '../../src/search/random-strategies.ts'
import { scriptStrategy } from '../../src/search/script-strategy.ts'
import { shrink, shrinkShortest } from '../../src/search/shrink.ts'
import {
  checkThenAct,
  idleTasks,
  lockInversion,
  lostUpdate,
  type Observed,
  turns,
} from './programs.ts'

const PROGRAMS: readonly (readonly [string, () => Observed, number])[] = [
  ['a lost update', () => lostUpdate(), 2],
  ['a lost update among five', () => lostUpdate(5), 2],
  ['a lock inversion', () => lockInversion(), 3],
  ['a check before an act', () => checkThenAct(), 1],
  ['a check before an act, and noise', () => checkThenAct(3), 2],
  ['four turns, and noise', () => turns(4, 2), 5],
]

function failingRuns(program: Program, count: number): (readonly number[])[] {
  const found: (readonly number[])[] = []
  for (let seed = 1; found.length < count && seed < 10_000; seed++) {
    const { fault, choices } = program(randomStrategy(seed))
    if (fault !== null) found.push(choices)
  }
  return found
}

function checkOf(program: Program, script: readonly Pick[]): string | null {
  return program(scriptStrategy(script)).fault?.check ?? null
}

/** Fails for one in `modulus` of all schedules, whichever. */
function byHash({ program }: Observed, modulus: number): { program: Program } {
  return {
    program: (strategy, options) => {
      const names: string[] = []
      const report = program(
        {
          ...(strategy.names === undefined ? {} : { names: strategy.names }),
          choose: (candidates) => strategy.choose(candidates),
          chooseNested: (candidates, label) => strategy.chooseNested?.(candidates, label) ?? -1,
          stepBegins: (item) => {
            if (item.kind === 'task') names.push(`${item.id}`)
            strategy.stepBegins?.(item)
          },
          stepEnded: (item) => strategy.stepEnded?.(item),
        },
        options,
      )
      let hash = 7
      for (const name of names.join()) hash = Math.imul(hash ^ name.charCodeAt(0), 0x01000193)
      const fails = (hash >>> 3) % modulus === 0
      return { ...report, fault: fails ? { check: 'hash', message: names.join() } : null }
    },
  }
}

describe('shrinking', () => {
  it.each(PROGRAMS)('makes a short script of %s', (_title, make, picksMax) => {
    const { program } = make()
    for (const choices of failingRuns(program, 5)) {
      const shrunk = shrink(program, choices)
      expect(shrunk).not.toBeNull()
      expect(checkOf(program, shrunk!.script)).toBe(shrunk!.check)
      expect(shrunk!.script.length).toBeLessThanOrEqual(picksMax)
    }
  })

  it.each(PROGRAMS)('no pick of it can be dropped: %s', (_title, make) => {
    const { program } = make()
    for (const choices of failingRuns(program, 5)) {
      const { script, check, minimal } = shrink(program, choices)!
      expect(minimal).toBe(true)
      for (let at = 0; at < script.length; at++) {
        expect(checkOf(program, script.toSpliced(at, 1))).not.toBe(check)
      }
    }
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'no one or two picks can be dropped where order decides at random (%i)',
    (salt) => {
      const { program } = byHash(idleTasks(3, 3), 40 + salt)
      for (const choices of failingRuns(program, 3)) {
        const { script, check } = shrink(program, choices)!
        for (let first = 0; first < script.length; first++) {
          const one = script.toSpliced(first, 1)
          expect(checkOf(program, one)).not.toBe(check)
          for (let second = first; second < one.length; second++) {
            expect(checkOf(program, one.toSpliced(second, 1))).not.toBe(check)
          }
        }
      }
    },
  )

  it('makes the same script of the same choices', () => {
    const { program } = turns(4, 2)
    const [choices] = failingRuns(program, 1)
    expect(shrink(program, choices!)).toEqual(shrink(program, choices!))
  })

  it('has nothing to shrink where the run does not fail', () => {
    expect(shrink(checkThenAct().program, [])).toBeNull()
    expect(shrinkShortest(checkThenAct().program, [[], []])).toBeNull()
  })

  it('needs no picks where every run fails', () => {
    const { program } = checkThenAct()
    const always: Program = (strategy, options) => {
      const report = program(strategy, options)
      return { ...report, fault: { check: 'always', message: 'it fails' } }
    }
    expect(shrink(always, [])).toMatchObject({ script: [], check: 'always' })
  })

  it('ends where its runs end, and says so', () => {
    const observed = turns(4, 2)
    const [choices] = failingRuns(observed.program, 1)
    observed.runs = 0
    const shrunk = shrink(observed.program, choices!, { runsMax: 5 })!
    expect(observed.runs).toBeLessThanOrEqual(6)
    expect(shrunk).toMatchObject({ runs: 5, minimal: false })
    expect(checkOf(observed.program, shrunk.script)).toBe('all-turns')
  })

  it('takes the shortest of several', () => {
    const { program } = turns(4, 2)
    const runs = failingRuns(program, 5)
    const shortest = Math.min(...runs.map((choices) => shrink(program, choices)!.script.length))
    expect(shrinkShortest(program, runs)!.script).toHaveLength(shortest)
  })
})
