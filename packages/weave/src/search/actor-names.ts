// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate } from '@iolayers/kernel'

/**
 * What actors are called in scripts: their own name, with `#2` and so on for later ones of that name. The number goes by who was
 * seen first, so whoever names actors in one run has to look at all candidates of every choice, and at every step.
 */
export class ActorNames {
  readonly #names: Map<Candidate, string> = new Map()
  readonly #counts: Map<string, number> = new Map()

  nameOf(candidate: Candidate): string {
    const known = this.#names.get(candidate)
    if (known !== undefined) return known
    const count = (this.#counts.get(candidate.name) ?? 0) + 1
    this.#counts.set(candidate.name, count)
    const name = count === 1 ? candidate.name : `${candidate.name}#${count}`
    this.#names.set(candidate, name)
    return name
  }

  look(candidates: readonly Candidate[]): void {
    for (const candidate of candidates) this.nameOf(candidate)
  }

  /** Index of who is called `name`, or -1. Looks at all. */
  find(candidates: readonly Candidate[], name: string): number {
    let found = -1
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]
      if (candidate !== undefined && this.nameOf(candidate) === name) found = i
    }
    return found
  }
}
