// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { recordedStrategy } from '@iolayers/kernel'
import type { Pick, Program } from './contracts.ts'
import { recordingStrategy } from './record.ts'
import { scriptStrategy } from './script-strategy.ts'

const DEFAULT_RUNS_MAX = 10_000
/** Scripts up to this length are tried without every two picks too. */
const PAIRS_LENGTH_MAX = 40

export interface ShrinkInit {
  /** Runs of the program that it may take; 10,000 by default. */
  readonly runsMax?: number
}

export interface Shrunk {
  /** For `scriptStrategy`. */
  readonly script: readonly Pick[]
  readonly check: string
  /** Runs that it took. */
  readonly runs: number
  /** Whether it was seen that no single pick can be dropped; false when `runsMax` came before, or the names do not replay the run. */
  readonly minimal: boolean
}

/**
 * Makes a short script of a run that fails: one that fails by the same check, and does not without any one of its picks. Null when
 * the choices do not fail. The same choices give the same script.
 *
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), then single picks, then pairs.
 */
export function shrink(
  program: Program,
  choices: readonly number[],
  init?: ShrinkInit,
): Shrunk | null {
  const recording = recordingStrategy(recordedStrategy(choices))
  const { fault } = program(recording)
  if (fault === null) return null
  const search = new Search(program, fault.check, init?.runsMax ?? DEFAULT_RUNS_MAX)
  return search.shrink(recording.picks)
}

/** Shrinks each of several runs and gives the shortest script; the first of equals. Null when none of them fails. */
export function shrinkShortest(
  program: Program,
  runs: readonly (readonly number[])[],
  init?: ShrinkInit,
): Shrunk | null {
  let best: Shrunk | null = null
  let taken = 0
  for (const choices of runs) {
    const shrunk = shrink(program, choices, init)
    if (shrunk === null) continue
    taken += shrunk.runs
    if (best === null || shrunk.script.length < best.script.length) best = shrunk
  }
  return best === null ? null : { ...best, runs: taken }
}

class Search {
  readonly #program: Program
  readonly #check: string
  readonly #runsMax: number
  readonly #tried: Set<string> = new Set()
  #runs = 0
  /** The shortest script that fails. */
  #best: readonly Pick[] = []

  constructor(program: Program, check: string, runsMax: number) {
    this.#program = program
    this.#check = check
    this.#runsMax = runsMax
  }

  shrink(picks: readonly Pick[]): Shrunk {
    this.#best = picks
    const replays = this.#fails(picks)
    const always = this.#fails([])
    if (replays && !always) {
      this.#deltaDebug()
      while (this.#dropOne() || this.#passOne() || this.#dropTwo());
    }
    return {
      script: this.#best,
      check: this.#check,
      runs: this.#runs,
      minimal: (replays || always) && this.#runs < this.#runsMax,
    }
  }

  /** Whether `script` fails by the same check; if so it is the best, without the picks that the run did not come to. */
  #fails(script: readonly Pick[]): boolean {
    if (this.#runs >= this.#runsMax) return false
    const key = keyOf(script)
    if (this.#tried.has(key)) return false
    this.#tried.add(key)
    this.#runs++
    const strategy = scriptStrategy(script)
    if (this.#program(strategy).fault?.check !== this.#check) return false
    this.#best = script.slice(0, strategy.used)
    return true
  }

  /** Drops chunks, from halves down to single picks. */
  #deltaDebug(): void {
    let size = Math.ceil(this.#best.length / 2)
    while (size >= 1) {
      const before = this.#best.length
      let from = 0
      while (from < this.#best.length) {
        if (!this.#fails(without(this.#best, from, size))) from += size
      }
      if (this.#best.length === before) size = size === 1 ? 0 : Math.ceil(size / 2)
      else size = Math.min(size, Math.ceil(this.#best.length / 2))
    }
  }

  #dropOne(): boolean {
    for (let at = this.#best.length - 1; at >= 0; at--) {
      if (this.#fails(without(this.#best, at, 1))) return true
    }
    return false
  }

  /** A pick between steps says less than one at a choice point of plain code, and may let others go. */
  #passOne(): boolean {
    for (let at = 0; at < this.#best.length; at++) {
      const pick = this.#best[at]
      if (pick === undefined || pick.at === null || pick.actor === '') continue
      const plain = { actor: pick.actor, at: null }
      if (this.#fails([...this.#best.slice(0, at), plain, ...this.#best.slice(at + 1)])) return true
    }
    return false
  }

  #dropTwo(): boolean {
    const { length } = this.#best
    if (length > PAIRS_LENGTH_MAX) return false
    for (let first = 0; first < length; first++) {
      for (let second = first; second < length - 1; second++) {
        if (this.#fails(without(without(this.#best, first, 1), second, 1))) return true
      }
    }
    return false
  }
}

function without(script: readonly Pick[], from: number, count: number): readonly Pick[] {
  return [...script.slice(0, from), ...script.slice(from + count)]
}

function keyOf(script: readonly Pick[]): string {
  let key = ''
  for (const { actor, at } of script) key += at === null ? `${actor}\n` : `${actor}\t${at}\n`
  return key
}
