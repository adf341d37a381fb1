// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { DesignParts, Policy } from '../stack/stack.ts'
import type { Weave } from './weave.ts'

/** Who acts in a scenario, by name; each is a task. What runs besides (device, interrupt, workers, RCU) comes with the stack. */
export type Actors = Readonly<Record<string, Op<void>>>

/** What a scenario sets up. */
export interface Race {
  readonly actors: Actors
  /** After all has come to rest, one thing after the other: gives back what the scenario made. Then nothing may be left. */
  finish?(): Op<void>
}

/** Which design a program runs. */
export type Design = 'mutant' | 'ours'

/** One hazard, as something that can be run. */
export interface Scenario {
  /** For commands and files: `H2`, `H3b`. */
  readonly id: string
  /** Hazards of the public record that it replays. */
  readonly hazards: readonly string[]
  readonly title: string
  /** The versions and designs in which it happened, or was feared. */
  readonly happenedIn: string
  /** What the mutant does instead of ours: one step. */
  readonly step: string
  /** Why our design survives. */
  readonly survives: string
  /** Policies of the mutant; the first is the one that it is searched with. Ours is run with both, unless `policies` says otherwise. */
  readonly mutantPolicy: Policy
  /** Ours is run with each; both by default. */
  readonly policies?: readonly Policy[]
  readonly mutant: DesignParts
  /** Every run in a world made anew: for scenarios that leave a stack changed, as one whose device is gone. */
  readonly freshWorld?: boolean
  /** Everything before the race, one thing after the other. */
  setup(weave: Weave): Op<Race>
}
