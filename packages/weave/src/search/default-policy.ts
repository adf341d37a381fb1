// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate } from '@iolayers/kernel'

/** Choices after which somebody else gets a turn: a task that spins must not keep out whom it waits for. */
const STAY_MAX = 64

/**
 * What happens where a script or a bounded search says nothing: whoever ran last goes on, as on a CPU that is not preempted; else
 * the one that waits longest. Few deviations from it make most bugs, and scripts that name only those are short.
 *
 * A timer needs no rule of its own: it is a candidate only once its time has come, and time passes only when nothing else can run.
 */
export class DefaultPolicy {
  #last: Candidate | null = null
  #stayed = 0

  reset(): void {
    this.#last = null
    this.#stayed = 0
  }

  /** Index of who goes on. Changes nothing. */
  pick(candidates: readonly Candidate[]): number {
    if (this.#last === null || this.#stayed >= STAY_MAX) return 0
    const index = candidates.indexOf(this.#last)
    return Math.max(index, 0)
  }

  /** To be told of every step; the outer of nested ones ends last, and goes on. */
  stepEnded(item: Candidate): void {
    if (item === this.#last) {
      this.#stayed++
      return
    }
    this.#last = item
    this.#stayed = 0
  }
}
