// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Candidate } from '@iolayers/kernel'
import type { WeaveStrategy } from './contracts.ts'
import { DefaultPolicy } from './default-policy.ts'
import { SleepSet } from './sleep-set.ts'

/** More candidates than this at one choice are refused. */
const CANDIDATES_MAX = 1024

/** Who runs at the choice `at` (counted from 0) instead of whom the default policy takes, after the deviations before. */
export interface Deviation {
  readonly before: Deviation | null
  readonly at: number
  readonly index: number
  /** With those before. */
  readonly count: number
}

/**
 * Deviates where it is told, follows the default policy else, and notes what else could have been chosen after the last deviation. One
 * serves all runs of a search; `reset` comes before each. Needs to be told of the steps.
 */
export class DeviatingStrategy implements WeaveStrategy {
  /** What can be chosen instead after the last deviation; for `deviation`. Made anew for each run. */
  alternatives: number[] = []
  /** Alternatives left out so far, in all runs. */
  pruned = 0
  /** The fewest deviations of a schedule that was left out; infinite while none was. */
  prunedAt: number = Number.POSITIVE_INFINITY
  readonly #sleep: SleepSet | null
  readonly #policy: DefaultPolicy = new DefaultPolicy()
  readonly #deviations: Deviation[] = []
  /** How many of them are done. */
  #done = 0
  #at = 0
  /** One that sleeps runs: all that follows is run elsewhere. */
  #redundant = false

  constructor(prune: boolean) {
    this.#sleep = prune ? new SleepSet() : null
  }

  /** It has left out what it should not have. */
  get unsound(): boolean {
    return this.#sleep?.broken === true
  }

  reset(last: Deviation | null): void {
    this.#policy.reset()
    this.#sleep?.reset()
    this.alternatives = []
    this.#at = 0
    this.#done = 0
    this.#redundant = false
    this.#deviations.length = last?.count ?? 0
    for (let one = last; one !== null; one = one.before) this.#deviations[one.count - 1] = one
  }

  deviation(before: Deviation | null, alternative: number): Deviation {
    const at = Math.floor(alternative / CANDIDATES_MAX)
    const index = alternative % CANDIDATES_MAX
    return { before, at, index, count: (before?.count ?? 0) + 1 }
  }

  choose(candidates: readonly Candidate[]): number {
    return this.#take(candidates, this.#default(candidates))
  }

  chooseNested(candidates: readonly Candidate[]): number {
    this.#sleep?.passes()
    return this.#take(candidates, -1)
  }

  stepBegins(item: Candidate): void {
    if (this.#sleep === null) return
    if (this.#sleep.has(item)) this.#redundant = true
    this.#sleep.stepBegins(item)
  }

  stepEnded(item: Candidate): void {
    this.#policy.stepEnded(item)
    this.#sleep?.stepEnded()
  }

  /** Whom the policy takes, or the first that does not sleep. */
  #default(candidates: readonly Candidate[]): number {
    const index = this.#policy.pick(candidates)
    if (this.#sleep === null || !this.#asleep(candidates, index)) return index
    if (this.#done === this.#deviations.length && !this.#redundant) {
      this.#leaveOut(this.#deviations.length)
    }
    for (let i = 0; i < candidates.length; i++) if (!this.#asleep(candidates, i)) return i
    this.#redundant = true
    return index
  }

  #take(candidates: readonly Candidate[], usual: number): number {
    const deviation = this.#deviations[this.#done]
    let index = usual
    if (deviation !== undefined) {
      if (deviation.at === this.#at) {
        index = deviation.index
        this.#done++
        assert(index < candidates.length, 'the same choices gave another run')
      }
    } else if (!this.#redundant) {
      this.#noteAlternatives(candidates, usual)
    }
    this.#sleep?.choose(candidates, index, usual)
    this.#at++
    return index
  }

  #noteAlternatives(candidates: readonly Candidate[], usual: number): void {
    assert(candidates.length <= CANDIDATES_MAX, 'too many candidates for a search of all schedules')
    for (let i = 0; i < candidates.length; i++) {
      if (i === usual) continue
      if (this.#asleep(candidates, i)) this.#leaveOut(this.#deviations.length + 1)
      else this.alternatives.push(this.#at * CANDIDATES_MAX + i)
    }
  }

  #asleep(candidates: readonly Candidate[], index: number): boolean {
    const candidate = candidates[index]
    return this.#sleep !== null && candidate !== undefined && this.#sleep.has(candidate)
  }

  #leaveOut(deviations: number): void {
    this.pruned++
    this.prunedAt = Math.min(this.prunedAt, deviations)
  }
}
