// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createVirtualScheduler, recordedStrategy, Timer, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { Pick, Program } from '../../src/search/contracts.ts'
import { defaultStrategy } from '../../src/search/default-strategy.ts'
import { uniformStrategy } from '../../src/search/random-strategies.ts'
import { recordingStrategy } from '../../src/search/record.ts'
import { scriptStrategy } from '../../src/search/script-strategy.ts'
import {
  chains,
  checkThenAct,
  idleTasks,
  lockInversion,
  nestedWriters,
  spinner,
  turns,
} from './programs.ts'

function between(...actors: readonly string[]): readonly Pick[] {
  return actors.map((actor) => ({ actor, at: null }))
}

function outcomeOf(
  make: () => { program: Program; outcomes: Set<string> },
  script: readonly Pick[],
) {
  const { program, outcomes } = make()
  const strategy = scriptStrategy(script)
  program(strategy)
  return { outcome: [...outcomes][0], used: strategy.used }
}

describe('recorded picks', () => {
  it.each([
    ['a check before an act', () => checkThenAct(2)],
    ['a lock inversion', () => lockInversion()],
    ['turns', () => turns(4, 2)],
    ['calls and tasks', () => chains()],
    ['nested calls', () => nestedWriters()],
  ])('replay the run choice by choice: %s', (_title, make) => {
    const { program } = make()
    for (let seed = 1; seed <= 50; seed++) {
      const recording = recordingStrategy(uniformStrategy(seed))
      const { choices } = program(recording)
      expect(recording.picks).toHaveLength(choices.length)
      const script = scriptStrategy(recording.picks)
      expect(program(script).choices).toEqual(choices)
      expect(script.used).toBe(recording.picks.length)
      const renamed = recordingStrategy(recordedStrategy(choices))
      program(renamed)
      expect(renamed.picks).toEqual(recording.picks)
    }
  })
})

describe('a script', () => {
  const tasks = (): ReturnType<typeof idleTasks> => idleTasks(3, 2)

  it('that is empty runs the default: who ran last goes on', () => {
    expect(outcomeOf(tasks, []).outcome).toBe('001122')
    const { program } = tasks()
    expect(program(scriptStrategy([])).choices).toEqual(program(defaultStrategy()).choices)
  })

  it('names later actors of one name by number, in the order of first sight', () => {
    expect(outcomeOf(tasks, between('idle#3', 'idle', 'idle#2'))).toEqual({
      outcome: '201120',
      used: 3,
    })
  })

  it('waits with a pick until its actor can be chosen', () => {
    expect(outcomeOf(tasks, between('idle', 'idle', 'idle', 'idle#3'))).toEqual({
      outcome: '001122',
      used: 2,
    })
    expect(outcomeOf(tasks, between('nobody', 'idle#3')).used).toBe(0)
  })

  it('runs nested at the choice point that it names, and nowhere else', () => {
    const at = (label: string): readonly Pick[] => [{ actor: 'freer', at: label }]
    expect(outcomeOf(checkThenAct, at('looked'))).toEqual({ outcome: 'use-after-free', used: 1 })
    expect(outcomeOf(checkThenAct, at('elsewhere'))).toEqual({ outcome: 'used', used: 0 })
    expect(outcomeOf(checkThenAct, [{ actor: 'absent', at: 'looked' }]).used).toBe(0)
  })

  it('passes a choice point where it says nobody', () => {
    const script: readonly Pick[] = [
      { actor: '', at: 'one' },
      { actor: 'writer#2', at: 'two' },
    ]
    expect(outcomeOf(nestedWriters, script)).toEqual({ outcome: '000 010', used: 2 })
    const [, second] = script
    expect(outcomeOf(nestedWriters, [second!])).toEqual({ outcome: '000 010', used: 1 })
    expect(outcomeOf(nestedWriters, [{ actor: 'writer', at: 'one' }]).outcome).toBe('100 100')
  })

  it('says at which step each pick was made', () => {
    const { program } = nestedWriters()
    const strategy = scriptStrategy([
      { actor: '', at: 'one' },
      { actor: 'writer#2', at: 'two' },
      { actor: 'writer#3', at: null },
    ])
    program(strategy)
    expect(strategy.pickedSteps).toEqual([0, 1, 2])
  })
})

describe('the default', () => {
  it('lets a task that spins not keep out the others for ever', () => {
    const { program } = spinner()
    expect(program(scriptStrategy(between('spins'))).fault).toBeNull()
    expect(program(scriptStrategy(between('sets', 'spins'))).fault).toBeNull()
    expect(program(defaultStrategy()).fault).toBeNull()
  })

  it('needs no word for timers: their time comes when nothing else can run', () => {
    const scheduler = createVirtualScheduler({ strategy: defaultStrategy() })
    const log: string[] = []
    const timer = (name: string, delayNs: number): void => {
      new Timer(scheduler, name, () => void log.push(name)).arm(delayNs)
    }
    timer('late', 20)
    timer('first', 10)
    timer('second', 10)
    scheduler.spawn(
      'task',
      (function* () {
        yield* yieldNow(scheduler)
        log.push('task')
      })(),
    )
    scheduler.runUntilIdle()
    expect(log).toEqual(['task', 'first', 'second', 'late'])
  })
})
