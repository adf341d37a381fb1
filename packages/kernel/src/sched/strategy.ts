// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

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

/** Replays recorded choices, then takes the first. */
export function recordedStrategy(choices: readonly number[]): Strategy {
  let at = 0
  const next = (fallback: number): number => choices[at++] ?? fallback
  return {
    choose: (candidates) => Math.min(next(0), candidates.length - 1),
    chooseNested: (candidates) => Math.min(next(-1), candidates.length - 1),
  }
}
