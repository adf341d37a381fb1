// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Sleep sets: Godefroid, "Partial-order methods for the verification of concurrent systems", LNCS 1032, 1996, chapter 5.
//
// Two steps are independent here only if both are deferred calls whose footprints are set and differ: each touches, by what its footprint
// promises, nothing that the other does, besides making actors runnable. Everything else depends on everything.
//
// Why nothing is lost. Give the alternatives of every choice any order (here: that of the default policy first, the others as they
// became runnable). After a choice c the set holds the alternatives before c, and those that slept before, without all that depend on c; every later
// step, chosen or not, wakes what depends on it. Claim: from a state with sleep set Z, for every sequence of steps to the end of which no
// equivalent one (equal but for swaps of neighbours that are independent) begins with a member of Z, an equivalent one is run.
// By induction on its length: of the alternatives that begin an equivalent sequence let c be the first in the order; it does not sleep. The rest
// after c begins, up to equivalence, with no member of the new set: such a member is independent of c, so it would begin an equivalent of the
// whole sequence too; then either it slept already, against the premise, or it comes before c in the order, against the choice of c. Z is empty
// at the start. The argument says nothing of when each alternative is run, only that all are, so the order of the search is free; but what is run
// instead of a pruned schedule may deviate more often from the default policy. So a bound says something only where nothing was pruned.
//
// What the steps are. A step that passes choice points is several, with others nested between. A deferred call with a footprint must pass
// none: then it is one step wherever it runs, between steps or nested. That is seen, not believed (`broken`): a call that sleeps would pass the
// same choice points as where it is run instead, since none of what it touches has changed and something else was runnable there too. Going on after a
// choice point belongs to the interrupted step, on which, having passed a choice point, everything depends. Nesting cannot be too deep for the
// sequence that is run instead: while a member sleeps, only calls with footprints run, all at the depth at which it fell asleep.
// Time passes only when nothing can run, so never while somebody sleeps.
//
// What it leaves out: the states between two independent calls, of which only one order is seen. A checker that judges after each step must judge
// by what the step touches. And the order in which actors became runnable may differ: it decides nothing, since every choice is tried.

import type { Candidate } from '@iolayers/kernel'

export class SleepSet {
  readonly #asleep: Candidate[] = []
  /** A call with a footprint has passed a choice point: nothing may be left out. */
  broken = false
  #running: Candidate | null = null

  reset(): void {
    this.#asleep.length = 0
    this.#running = null
  }

  has(candidate: Candidate): boolean {
    return this.#asleep.length > 0 && this.#asleep.includes(candidate)
  }

  /** `chosen` is taken of `candidates`, of which the one at `first` comes first in the order; -1 for nobody. Before its step begins. */
  choose(candidates: readonly Candidate[], chosen: number, first: number): void {
    const item = candidates[chosen]
    if (item === undefined) {
      this.#asleep.length = 0
      return
    }
    if (chosen === first || footprintOf(item) === null) return
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]
      if (candidate === undefined || (i >= chosen && i !== first)) continue
      if (independent(candidate, item) && !this.has(candidate)) this.#asleep.push(candidate)
    }
  }

  /** The step that runs stands at a choice point. */
  passes(): void {
    if (this.#running !== null && footprintOf(this.#running) !== null) this.broken = true
  }

  stepBegins(item: Candidate): void {
    this.#running = item
    if (this.#asleep.length === 0) return
    let kept = 0
    for (const candidate of this.#asleep) {
      if (independent(candidate, item)) this.#asleep[kept++] = candidate
    }
    this.#asleep.length = kept
  }

  stepEnded(): void {
    this.#running = null
  }
}

function footprintOf(candidate: Candidate): object | null {
  return candidate.kind === 'call' ? candidate.footprint : null
}

function independent(a: Candidate, b: Candidate): boolean {
  const footprint = footprintOf(a)
  if (footprint === null) return false
  const other = footprintOf(b)
  return other !== null && other !== footprint
}
