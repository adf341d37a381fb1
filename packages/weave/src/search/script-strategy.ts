// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate } from '@iolayers/kernel'
import { ActorNames } from './actor-names.ts'
import type { Pick, WeaveStrategy } from './contracts.ts'
import { DefaultPolicy } from './default-policy.ts'

export interface ScriptStrategy extends WeaveStrategy {
  readonly names: ActorNames
  /** How many picks were made so far. */
  readonly used: number
  /** For each pick that was made, the number of the step (from 0, in the order in which steps begin) that it began, or in which it passed a choice point. */
  readonly pickedSteps: readonly number[]
}

/**
 * Makes named picks, each as soon as it can be made after the one before: between steps when its actor is a candidate, at a choice
 * point of plain code when the label is that one and its actor is a candidate. Where the next pick cannot be made, and after the last
 * one, whoever ran last goes on, else the one that waits longest, and nobody runs nested.
 *
 * The picks of a whole run, in order, replay it choice by choice. Needs to be told of the steps.
 */
export function scriptStrategy(script: readonly Pick[]): ScriptStrategy {
  return new Script(script)
}

class Script implements ScriptStrategy {
  readonly names: ActorNames = new ActorNames()
  readonly pickedSteps: number[] = []
  used = 0
  readonly #script: readonly Pick[]
  readonly #policy: DefaultPolicy = new DefaultPolicy()
  #steps = 0

  constructor(script: readonly Pick[]) {
    this.#script = script
  }

  choose(candidates: readonly Candidate[]): number {
    this.names.look(candidates)
    const pick = this.#script[this.used]
    if (pick !== undefined && pick.at === null) {
      const index = this.names.find(candidates, pick.actor)
      if (index >= 0) {
        this.#take(this.#steps)
        return index
      }
    }
    return this.#policy.pick(candidates)
  }

  chooseNested(candidates: readonly Candidate[], label: string): number {
    this.names.look(candidates)
    const pick = this.#script[this.used]
    if (pick === undefined || pick.at !== label) return -1
    if (pick.actor === '') {
      this.#take(this.#steps - 1)
      return -1
    }
    const index = this.names.find(candidates, pick.actor)
    if (index >= 0) this.#take(this.#steps)
    return index
  }

  stepBegins(item: Candidate): void {
    this.names.nameOf(item)
    this.#steps++
  }

  stepEnded(item: Candidate): void {
    this.#policy.stepEnded(item)
  }

  #take(step: number): void {
    this.used++
    this.pickedSteps.push(step)
  }
}
