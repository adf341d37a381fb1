// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Small programs on the primitives of the kernel, each with one bug that some schedules show.

import {
  type Candidate,
  createVirtualScheduler,
  DeadlockError,
  DeferredCall,
  Mutex,
  type Op,
  type StepObserver,
  type VirtualScheduler,
  yieldNow,
} from '@iolayers/kernel'
import type { Fault, Program, Row, WeaveStrategy } from '../../src/search/contracts.ts'

class Fails extends Error {
  readonly check: string

  constructor(check: string) {
    super(check)
    this.check = check
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fails) return { check: error.check, message: `the check ${error.check}` }
  if (error instanceof DeadlockError) return { check: 'stuck', message: 'a wait without end' }
  return { check: 'crash', message: String(error) }
}

export interface Built {
  /** At the end: what happened, in a word. */
  outcome(): string
  fingerprint?(): number
}

/** A program, and the outcomes that its runs came to. */
export interface Observed {
  readonly program: Program
  readonly outcomes: Set<string>
  runs: number
}

/** `bad`: outcomes that are faults. */
export function programOf(
  build: (scheduler: VirtualScheduler, note: (text: string) => void) => Built,
  bad: readonly string[] = [],
): Observed {
  const outcomes = new Set<string>()
  const observed: Observed = { program, outcomes, runs: 0 }
  return observed

  function program(strategy: WeaveStrategy, options?: Parameters<Program>[1]) {
    observed.runs++
    const rows: Row[] = []
    const fingerprints: number[] = []
    let built: Built | null = null
    let notes: string[] = []
    const observer: StepObserver = {
      stepBegins: (item: Candidate) => {
        strategy.stepBegins?.(item)
        if (options?.rows !== true) return
        const depth = scheduler.nesting
        const actor = strategy.names?.nameOf(item) ?? item.name
        notes = []
        rows.push({ actor, at: null, chosen: false, depth, nowNs: scheduler.nowNs(), notes })
      },
      stepEnded: (item: Candidate) => {
        strategy.stepEnded?.(item)
        if (options?.fingerprints !== true) return
        const print = built?.fingerprint?.()
        if (print !== undefined) fingerprints.push(print)
      },
    }
    const scheduler = createVirtualScheduler({ strategy, observer, stepsMax: 10_000 })
    let fault: Fault | null = null
    try {
      built = build(scheduler, (text) => void notes.push(text))
      scheduler.runUntilIdle()
      const outcome = built.outcome()
      outcomes.add(outcome)
      if (bad.includes(outcome)) throw new Fails(outcome)
    } catch (error) {
      fault = faultOf(error)
      outcomes.add(fault.check)
    }
    const { choices, steps } = scheduler
    return { fault, choices: [...choices], steps, fingerprints, rows }
  }
}

/** `writers` tasks read, let others run, and write one more than they read. */
export function lostUpdate(writers = 2): Observed {
  return programOf(
    (scheduler) => {
      let value = 0
      function* writer(): Op<void> {
        const read = value
        yield* yieldNow(scheduler)
        value = read + 1
      }
      for (let i = 0; i < writers; i++) scheduler.spawn('writer', writer())
      return {
        outcome: () => (value === writers ? 'all' : 'lost-update'),
        fingerprint: () => value,
      }
    },
    ['lost-update'],
  )
}

/** Two locks, taken in both orders. */
export function lockInversion(): Observed {
  return programOf((scheduler) => {
    const a = new Mutex(scheduler, 'a')
    const b = new Mutex(scheduler, 'b')
    function* both(first: Mutex, second: Mutex): Op<void> {
      yield* first.lock()
      yield* yieldNow(scheduler)
      yield* second.lock()
      second.unlock()
      first.unlock()
    }
    scheduler.spawn('ab', both(a, b))
    scheduler.spawn('ba', both(b, a))
    return { outcome: () => 'done' }
  })
}

/** Plain code looks, and uses what may be gone. `noise` others have nothing to do with it. */
export function checkThenAct(noise = 0): Observed {
  return programOf(
    (scheduler, note) => {
      let alive = true
      let outcome = 'not-used'
      const user = new DeferredCall('user', () => {
        if (!alive) return
        note('sees that it is there')
        if (scheduler.exploring) scheduler.choicePoint('looked')
        outcome = alive ? 'used' : 'use-after-free'
      })
      const freer = new DeferredCall('freer', () => {
        alive = false
        note('frees it')
      })
      for (let i = 0; i < noise; i++) scheduler.spawn('noise', noisy(scheduler))
      scheduler.queue(user)
      scheduler.queue(freer)
      return { outcome: () => outcome }
    },
    ['use-after-free'],
  )
}

function* noisy(scheduler: VirtualScheduler): Op<void> {
  for (let i = 0; i < 3; i++) yield* yieldNow(scheduler)
}

/** The bug is there when two tasks take `depth` turns, one after the other: as many ordering constraints. */
export function turns(depth: number, noise = 0): Observed {
  return programOf(
    (scheduler) => {
      let at = 0
      function* runner(mine: number): Op<void> {
        for (let i = 0; i < depth; i++) {
          if (at % 2 === mine) at++
          yield* yieldNow(scheduler)
        }
      }
      scheduler.spawn('even', runner(0))
      scheduler.spawn('odd', runner(1))
      for (let i = 0; i < noise; i++) scheduler.spawn('noise', noisy(scheduler))
      return { outcome: () => (at >= depth ? 'all-turns' : 'some-turns') }
    },
    ['all-turns'],
  )
}

/** `tasks` tasks of `steps` steps each that do nothing. */
export function idleTasks(tasks: number, steps: number): Observed {
  return programOf((scheduler) => {
    const trace: number[] = []
    function* idle(mine: number): Op<void> {
      for (let i = 1; i < steps; i++) {
        trace.push(mine)
        yield* yieldNow(scheduler)
      }
      trace.push(mine)
    }
    for (let i = 0; i < tasks; i++) scheduler.spawn('idle', idle(i))
    return { outcome: () => trace.join('') }
  })
}

/**
 * Calls that each write into one of `cells`, the last writer wins; one cell after the other. A call with a footprint touches its own cell
 * alone; a `reader` sees all of them.
 */
export function writers(calls: number, cells: number, init: { reader?: boolean } = {}): Observed {
  return programOf((scheduler) => {
    const owners = Array.from({ length: cells }, () => ({ last: -1 }))
    let seen = ''
    const look = (): string => owners.map((owner) => owner.last).join(',')
    for (let i = 0; i < calls; i++) {
      const owner = owners[i % cells]!
      const call = new DeferredCall('writer', () => {
        owner.last = i
      })
      call.footprint = owner
      scheduler.queue(call)
    }
    if (init.reader === true) {
      const reader = new DeferredCall('reader', () => {
        seen = look()
      })
      scheduler.queue(reader)
    }
    return { outcome: () => `${look()} ${seen}` }
  })
}

/** Independent calls that start tasks and other calls, which depend on each other. */
export function chains(): Observed {
  return programOf((scheduler) => {
    const log: string[] = []
    function* task(name: string): Op<void> {
      log.push(name)
      yield* yieldNow(scheduler)
      log.push(name)
    }
    for (const name of ['a', 'b', 'c']) {
      const own = { count: 0 }
      const second = new DeferredCall(`second of ${name}`, () => {
        own.count++
        if (name !== 'c') scheduler.spawn(name, task(name))
      })
      second.footprint = own
      const first = new DeferredCall(`first of ${name}`, () => {
        own.count++
        scheduler.queue(second)
      })
      first.footprint = own
      scheduler.queue(first)
    }
    return { outcome: () => log.join('') }
  })
}

/** A task with choice points, at which independent calls run nested; the task sees what they did. */
export function nestedWriters(): Observed {
  return programOf((scheduler) => {
    const owners = [{ last: 0 }, { last: 0 }, { last: 0 }]
    const seen: string[] = []
    const calls = owners.map((owner) => {
      const call = new DeferredCall('writer', () => {
        owner.last++
      })
      call.footprint = owner
      return call
    })
    function* watch(): Op<void> {
      for (const call of calls) scheduler.queue(call)
      for (const label of ['one', 'two']) {
        scheduler.choicePoint(label)
        seen.push(owners.map((owner) => owner.last).join(''))
      }
    }
    scheduler.spawn('watcher', watch())
    return { outcome: () => seen.join(' ') }
  })
}

/** A call that says what it touches, and passes a choice point all the same, where others see a state of it in between. */
export function brokenPromise(): Observed {
  return programOf((scheduler) => {
    const log: string[] = []
    const first = new DeferredCall('first', () => {
      log.push('1a')
      scheduler.choicePoint('between')
      log.push('1b')
    })
    const second = new DeferredCall('second', () => {
      log.push('2')
    })
    first.footprint = {}
    second.footprint = {}
    scheduler.queue(second)
    scheduler.queue(first)
    return { outcome: () => log.join(' ') }
  })
}

/** A task that spins until another has run. */
export function spinner(): Observed {
  return programOf((scheduler) => {
    let set = false
    function* spins(): Op<void> {
      while (!set) yield* yieldNow(scheduler)
    }
    // The other one comes late, so that the spinning one ran last.
    function* sets(): Op<void> {
      yield* yieldNow(scheduler)
      set = true
    }
    scheduler.spawn('sets', sets())
    scheduler.spawn('spins', spins())
    return { outcome: () => 'done' }
  })
}
