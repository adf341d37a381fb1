// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Candidate, createPrng, type Prng, seededStrategy } from '@iolayers/kernel'
import type { WeaveStrategy } from './contracts.ts'

/** Uniform between steps; at a choice point of plain code nobody in three of four cases. */
export function randomStrategy(seed: number): WeaveStrategy {
  return seededStrategy(seed)
}

/** A uniform random walk: at every choice all that can be chosen are as likely, nobody at a choice point of plain code included. */
export function uniformStrategy(seed: number): WeaveStrategy {
  return new Uniform(seed)
}

class Uniform implements WeaveStrategy {
  readonly #prng: Prng

  constructor(seed: number) {
    this.#prng = createPrng(seed)
  }

  choose(candidates: readonly Candidate[]): number {
    return this.#prng.below(candidates.length)
  }

  chooseNested(candidates: readonly Candidate[]): number {
    return this.#prng.below(candidates.length + 1) - 1
  }
}
