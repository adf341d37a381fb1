// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Probabilistic concurrency testing: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic
// guarantees of finding bugs", ASPLOS 2010.
//
// Every actor gets a random priority when it is first seen, and who has the highest runs. At d - 1 of the k choices, picked beforehand,
// who would run there falls below all others. A bug that needs d ordering constraints is found by one run with a probability
// of at least 1 / (n * k^(d-1)) for n actors.
//
// A choice point in plain code is one of the k: the code that stands at it counts as one of those who could run, with the priority of the
// actor whose step it is. So a change there interrupts it for all that had lost to it, and somebody of higher priority who was
// woken inside the step interrupts it at once.

import { assert, type Candidate, createPrng, type Prng } from '@iolayers/kernel'
import type { WeaveStrategy } from './contracts.ts'

export interface PctInit {
  readonly seed: number
  /** How many ordering constraints a bug may need: d, 1 or more. */
  readonly depth: number
  /** How many choices a run has, about: k. */
  readonly choices: number
}

/** Needs to be told of the steps. */
export function pctStrategy(init: PctInit): WeaveStrategy {
  return new Pct(init)
}

class Pct implements WeaveStrategy {
  readonly #prng: Prng
  readonly #priorities: Map<Candidate, number> = new Map()
  /** The steps that are under way, the innermost last. */
  readonly #running: Candidate[] = []
  /** At which choice the priority falls to the place of the entry, below all that were given. */
  readonly #changes: readonly number[]
  #at = 0

  constructor(init: PctInit) {
    assert(init.depth >= 1 && init.choices >= 0, 'PCT needs a depth of 1 or more')
    this.#prng = createPrng(init.seed)
    const range = Math.max(1, init.choices)
    this.#changes = Array.from({ length: init.depth - 1 }, () => this.#prng.below(range))
  }

  choose(candidates: readonly Candidate[]): number {
    return this.#highest(candidates, null)
  }

  chooseNested(candidates: readonly Candidate[]): number {
    return this.#highest(candidates, this.#running.at(-1) ?? null)
  }

  stepBegins(item: Candidate): void {
    this.#running.push(item)
  }

  stepEnded(): void {
    this.#running.pop()
  }

  #highest(candidates: readonly Candidate[], current: Candidate | null): number {
    let index = this.#find(candidates, current)
    for (let i = 0; i < this.#changes.length; i++) {
      if (this.#changes[i] !== this.#at) continue
      const falls = index < 0 ? current : candidates[index]
      if (falls !== null && falls !== undefined) this.#priorities.set(falls, -1 - i)
      index = this.#find(candidates, current)
    }
    this.#at++
    return index
  }

  #find(candidates: readonly Candidate[], current: Candidate | null): number {
    let index = current === null ? 0 : -1
    let highest = current === null ? Number.NEGATIVE_INFINITY : this.#priorityOf(current)
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]
      if (candidate === undefined) continue
      const priority = this.#priorityOf(candidate)
      if (priority <= highest) continue
      highest = priority
      index = i
    }
    return index
  }

  #priorityOf(actor: Candidate): number {
    let priority = this.#priorities.get(actor)
    if (priority === undefined) {
      priority = this.#prng.nextUint32()
      this.#priorities.set(actor, priority)
    }
    return priority
  }
}
