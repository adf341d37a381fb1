// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Candidate, recordedStrategy, type Strategy } from './strategy.ts'
import { createVirtualScheduler, type VirtualScheduler } from './virtual-scheduler.ts'

/** A schedule under which the run failed, with what replays it. */
export class ExploreFailure extends Error {
  override readonly name = 'ExploreFailure'
  /** For `replay`. */
  readonly choices: readonly number[]
  /** Null when the schedule did not come from a seed. */
  readonly seed: number | null

  constructor(cause: unknown, choices: readonly number[], seed: number | null) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    const how = seed === null ? `choices [${choices.join(', ')}]` : `seed ${seed}`
    super(`${why} (${how})`, { cause })
    this.choices = choices
    this.seed = seed
  }
}

export interface ExploreAllInit {
  /** Stops after so many, with `complete` false. */
  readonly maxSchedules: number
}

export interface ExploreResult {
  readonly schedules: number
  /** Whether every schedule was run. */
  readonly complete: boolean
}

/**
 * Runs `run` once for every sequence of choices, depth first. `run` makes all of its state anew
 * and drives the scheduler itself (`runSync`, `runUntilIdle`). Throws ExploreFailure at the first
 * schedule that fails.
 */
export function exploreAll(
  run: (scheduler: VirtualScheduler) => void,
  init: ExploreAllInit,
): ExploreResult {
  const prefix: number[] = []
  const widths: number[] = []
  const choose = (width: number): number => {
    const at = widths.length
    widths.push(width)
    if (at === prefix.length) prefix.push(0)
    return prefix[at] ?? 0
  }
  const strategy: Strategy = {
    choose: (candidates: readonly Candidate[]) => choose(candidates.length),
    chooseNested: (candidates: readonly Candidate[]) => choose(candidates.length + 1) - 1,
  }
  for (let schedules = 1; ; schedules++) {
    widths.length = 0
    runOnce(run, createVirtualScheduler({ strategy }), null)
    if (!toNext(prefix, widths)) return { schedules, complete: true }
    if (schedules >= init.maxSchedules) return { schedules, complete: false }
  }
}

/** Runs `run` under `count` seeds, from `first` (1 by default) on. Throws ExploreFailure with the seed. */
export function exploreSeeds(
  run: (scheduler: VirtualScheduler, seed: number) => void,
  init: { readonly count: number; readonly first?: number },
): void {
  const first = init.first ?? 1
  for (let seed = first; seed < first + init.count; seed++) {
    runOnce((scheduler) => run(scheduler, seed), createVirtualScheduler({ seed }), seed)
  }
}

/** Runs `run` under one recorded schedule: that of an ExploreFailure, or `choices` of a scheduler. */
export function replay(
  run: (scheduler: VirtualScheduler) => void,
  choices: readonly number[],
): void {
  run(createVirtualScheduler({ strategy: recordedStrategy(choices) }))
}

function runOnce(
  run: (scheduler: VirtualScheduler) => void,
  scheduler: VirtualScheduler,
  seed: number | null,
): void {
  try {
    run(scheduler)
  } catch (error) {
    throw new ExploreFailure(error, [...scheduler.choices], seed)
  }
}

/** Steps `prefix` to the next sequence that was not tried; false when there is none. */
function toNext(prefix: number[], widths: readonly number[]): boolean {
  for (let at = widths.length - 1; at >= 0; at--) {
    const next = (prefix[at] ?? 0) + 1
    prefix.length = at
    if (next < (widths[at] ?? 0)) {
      prefix.push(next)
      return true
    }
  }
  return false
}
