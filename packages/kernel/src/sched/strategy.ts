// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import type { DeferredCall } from './deferred-call.ts'
import { createPrng } from './prng.ts'
import type { Task } from './task.ts'
import type { Timer } from './timer.ts'

/** Something that can run now. */
export type Candidate = Task | DeferredCall | Timer

/** Picks who runs next. */
export interface Strategy {
  /** Index into `candidates`, which holds at least two, in the order in which they became runnable. */
  choose(candidates: readonly Candidate[]): number
  /**
   * Index of who runs nested at a choice point of plain code, or -1 for nobody. Absent: always nobody, and the scheduler does not
   * explore.
   */
  chooseNested?(candidates: readonly Candidate[], label: string): number
}

/** Hears of every step: of the chosen ones and of those without a choice. Steps that ran at a choice point of plain code are nested in another. */
export interface StepObserver {
  stepBegins(item: Candidate): void
  /** What it throws ends the run, and is thrown to whoever drives the scheduler. */
  stepEnded(item: Candidate): void
}

export function fifoStrategy(): Strategy {
  return { choose: () => 0 }
}

/** The same seed makes the same choices. */
export function seededStrategy(seed: number): Strategy {
  const prng = createPrng(seed)
  return {
    choose: (candidates) => prng.below(candidates.length),
    chooseNested: (candidates) => (prng.below(4) === 0 ? prng.below(candidates.length) : -1),
  }
}

/** Replays recorded choices, then takes the first, and nobody at choice points of plain code. */
export function recordedStrategy(choices: readonly number[]): Strategy {
  let at = 0
  const next = (fallback: number, candidates: number): number => {
    const choice = choices[at] ?? fallback
    assert(choice < candidates, 'the run is not the recorded one')
    at++
    return choice
  }
  return {
    choose: (candidates) => next(0, candidates.length),
    chooseNested: (candidates) => next(-1, candidates.length),
  }
}
