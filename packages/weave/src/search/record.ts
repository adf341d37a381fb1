// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate } from '@iolayers/kernel'
import { ActorNames } from './actor-names.ts'
import type { Pick, WeaveStrategy } from './contracts.ts'

export interface RecordingStrategy extends WeaveStrategy {
  readonly names: ActorNames
  /** Every choice made so far, by name: as a script it replays the run. */
  readonly picks: readonly Pick[]
}

/** Lets `inner` choose and writes down what it chose. */
export function recordingStrategy(inner: WeaveStrategy): RecordingStrategy {
  return new Recording(inner)
}

class Recording implements RecordingStrategy {
  readonly names: ActorNames = new ActorNames()
  readonly picks: Pick[] = []
  readonly #inner: WeaveStrategy

  constructor(inner: WeaveStrategy) {
    this.#inner = inner
  }

  choose(candidates: readonly Candidate[]): number {
    const index = this.#inner.choose(candidates)
    this.#note(candidates, index, null)
    return index
  }

  chooseNested(candidates: readonly Candidate[], label: string): number {
    const index = this.#inner.chooseNested?.(candidates, label) ?? -1
    this.#note(candidates, index, label)
    return index
  }

  stepBegins(item: Candidate): void {
    this.names.nameOf(item)
    this.#inner.stepBegins?.(item)
  }

  stepEnded(item: Candidate): void {
    this.#inner.stepEnded?.(item)
  }

  #note(candidates: readonly Candidate[], index: number, at: string | null): void {
    this.names.look(candidates)
    const chosen = candidates[index]
    this.picks.push({ actor: chosen === undefined ? '' : this.names.nameOf(chosen), at })
  }
}
