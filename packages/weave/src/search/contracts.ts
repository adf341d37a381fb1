// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { StepObserver, Strategy } from '@iolayers/kernel'
import type { ActorNames } from './actor-names.ts'

/** What a run did wrong, as one of the checkers found it. Two runs fail the same way when `check` is the same. */
export interface Fault {
  /** A short constant: `use-after-free`, `deadlock`, `leak`. */
  readonly check: string
  readonly message: string
  /** A cycle of waiting, or who else was part of it: one line each. */
  readonly details?: readonly string[]
}

/** One scheduler choice, by name: it means the same in a run that differs elsewhere. */
export interface Pick {
  /** The actor that ran: its name, with `#2` and so on for later ones of the same name. Empty: nobody, a choice point was passed. */
  readonly actor: string
  /** Label of the choice point in plain code at which it ran nested; null for a choice between steps. */
  readonly at: string | null
}

/** A step of a recorded run, or what it did after others had run nested in it. */
export interface Row {
  /** The number of the step, from 0 in the order in which steps begin. A row that continues a step has the number of that step. Absent: the row's place. */
  readonly step?: number
  readonly actor: string
  /** The choice point that it ran nested at, and null between steps. */
  readonly at: string | null
  /** Others could have run instead. */
  readonly chosen: boolean
  /** How many steps it is nested in. */
  readonly depth: number
  readonly nowNs: number
  /** What happened in it, a line each. */
  readonly notes: readonly string[]
}

export interface RunReport {
  /** The first that was found, or null. */
  readonly fault: Fault | null
  /** Every choice of the run, as the scheduler counts them; for `recordedStrategy`. */
  readonly choices: readonly number[]
  readonly steps: number
  /** Of every state that the run went through, where they were asked for. */
  readonly fingerprints: readonly number[]
  /** Where they were asked for. */
  readonly rows: readonly Row[]
}

/** Chooses, and may listen to the steps. */
export interface WeaveStrategy extends Strategy, Partial<StepObserver> {
  /** What it calls the actors of the run, where it does; rows are best written with these names. */
  readonly names?: ActorNames
}

export interface RunOptions {
  readonly rows?: boolean
  readonly fingerprints?: boolean
}

/**
 * Makes all of its state anew and runs it to its end or to its first fault, and tells the strategy of every step. The same choices give the
 * same report. Does not throw.
 */
export type Program = (strategy: WeaveStrategy, options?: RunOptions) => RunReport
