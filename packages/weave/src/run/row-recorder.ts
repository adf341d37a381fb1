// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate, TraceEvent } from '@iolayers/kernel'
import { ActorNames } from '../search/actor-names.ts'
import type { Row } from '../search/contracts.ts'
import type { World } from './world.ts'

/** A step that is under way. */
interface OpenStep {
  readonly head: Omit<Row, 'notes'>
  /** Null while others run nested in it: what it does afterwards is a row of its own. */
  notes: string[] | null
}

/** Notes what happens in every step of a race: who ran, where, and what the tracepoints of the layers said. */
export class RowRecorder {
  readonly rows: Row[] = []
  readonly #world: World
  readonly #names: ActorNames
  readonly #open: OpenStep[] = []
  #steps = 0

  constructor(world: World, names: ActorNames | undefined) {
    this.#world = world
    this.#names = names ?? new ActorNames()
    world.kernel.tracer.subscribe(
      () => true,
      (event) => this.#hear(event),
    )
  }

  begins(item: Candidate): void {
    const { strategy, scheduler } = this.#world
    const outer = this.#open.at(-1)
    if (outer !== undefined) outer.notes = null
    const head = {
      step: this.#steps++,
      actor: this.#names.nameOf(item),
      at: strategy.chosenAt,
      chosen: strategy.chosen,
      depth: this.#open.length,
      nowNs: scheduler.nowNs(),
    }
    strategy.chosen = false
    strategy.chosenAt = null
    this.#open.push({ head, notes: this.#row(head) })
  }

  ended(): void {
    this.#open.pop()
  }

  #hear(event: TraceEvent): void {
    const step = this.#open.at(-1)
    if (step === undefined) return
    step.notes ??= this.#row(step.head)
    step.notes.push(noteOf(event))
  }

  #row(head: Omit<Row, 'notes'>): string[] {
    const notes: string[] = []
    this.rows.push({ ...head, notes })
    return notes
  }
}

function noteOf({ point, fields, values }: TraceEvent): string {
  const shown = fields.map((field, index) => `${field}=${values[index] ?? ''}`)
  return `${point} ${shown.join(' ')}`
}
