// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Pick, Row } from '../search/contracts.ts'

/** Which rows the picks of a script began: `script` and `pickedSteps` of the strategy that made them. */
export interface Told {
  readonly script: readonly Pick[]
  readonly pickedSteps: readonly number[]
}

/** A choice of the scheduler, with what happened until the next. */
export interface Line {
  /** From 1. */
  readonly number: number
  readonly actor: string
  /** The choice point of plain code: at which it ran nested, or that it passed. */
  readonly at: string | null
  /** Nobody ran at the choice point, and the actor went on. */
  readonly passes: boolean
  /** The actors in whose steps it is nested, the outermost first. */
  readonly interrupted: readonly string[]
  readonly nowNs: number
  /** What the actor did. What others did until the next choice begins with their name. */
  readonly notes: readonly string[]
}

export interface Story {
  /** What happened before the first choice. */
  readonly before: readonly string[]
  readonly lines: readonly Line[]
}

interface OpenLine extends Omit<Line, 'number'> {
  readonly notes: string[]
}

/** Rows as lines: one for each pick of the script, or for each row that was chosen when no script is given. */
export function storyOf(rows: readonly Row[], told?: Told): Story {
  const teller = new Teller(told === undefined ? null : picksByStep(told))
  rows.forEach((row, place) => {
    teller.add(row, row.step ?? place)
  })
  const lines = teller.lines.map((line, i) => ({ number: i + 1, ...line }))
  return { before: teller.before, lines }
}

class Teller {
  readonly before: string[] = []
  readonly lines: OpenLine[] = []
  readonly #picks: PicksByStep | null
  /** Who is under way, the outermost first. */
  readonly #stack: string[] = []
  readonly #seen: Set<number> = new Set()

  constructor(picks: PicksByStep | null) {
    this.#picks = picks
  }

  add(row: Row, step: number): void {
    const { actor, nowNs, depth } = row
    const begins = !this.#seen.has(step)
    this.#seen.add(step)
    this.#stack.length = Math.min(depth, this.#stack.length)
    const interrupted = [...this.#stack]
    this.#stack.push(actor)
    const at = begins ? this.#chosenAt(row, step) : undefined
    if (at === undefined) this.#note(row)
    else this.lines.push({ actor, at, passes: false, interrupted, nowNs, notes: [...row.notes] })
    if (!begins || this.#picks === null) return
    for (const pick of this.#picks.passed.get(step) ?? []) {
      this.lines.push({ actor, at: pick.at, passes: true, interrupted, nowNs, notes: [] })
    }
  }

  /** Where it was chosen: null between steps; undefined when it was not. */
  #chosenAt(row: Row, step: number): string | null | undefined {
    if (this.#picks !== null) return this.#picks.begun.get(step)?.at
    return row.chosen ? row.at : undefined
  }

  #note({ actor, notes }: Row): void {
    const line = this.lines.at(-1)
    const target = line?.notes ?? this.before
    for (const note of notes) target.push(line?.actor === actor ? note : `${actor}: ${note}`)
  }
}

interface PicksByStep {
  readonly begun: ReadonlyMap<number, Pick>
  readonly passed: ReadonlyMap<number, readonly Pick[]>
}

function picksByStep({ script, pickedSteps }: Told): PicksByStep {
  const begun = new Map<number, Pick>()
  const passed = new Map<number, Pick[]>()
  pickedSteps.forEach((step, i) => {
    const pick = script[i]
    if (pick === undefined) return
    if (pick.actor !== '') begun.set(step, pick)
    else if (passed.get(step)?.push(pick) === undefined) passed.set(step, [pick])
  })
  return { begun, passed }
}
