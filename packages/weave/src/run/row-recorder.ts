// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate, TraceEvent } from '@iolayers/kernel'
import { ActorNames } from '../search/actor-names.ts'
import type { Row } from '../search/contracts.ts'
import type { World } from './world.ts'

/** Notes what happens in every step of a race: who ran, where, and what the tracepoints of the layers said. */
export class RowRecorder {
  readonly rows: Row[] = []
  readonly #world: World
  readonly #names: ActorNames = new ActorNames()
  readonly #outer: (string[] | null)[] = []
  #notes: string[] | null = null

  constructor(world: World) {
    this.#world = world
    world.kernel.tracer.subscribe(
      () => true,
      (event) => this.#notes?.push(noteOf(event)),
    )
  }

  begins(item: Candidate): void {
    const { strategy, scheduler } = this.#world
    const notes: string[] = []
    this.rows.push({
      actor: this.#names.nameOf(item),
      at: strategy.chosenAt,
      chosen: strategy.chosen,
      depth: this.#outer.length,
      nowNs: scheduler.nowNs(),
      notes,
    })
    strategy.chosen = false
    strategy.chosenAt = null
    this.#outer.push(this.#notes)
    this.#notes = notes
  }

  ended(): void {
    this.#notes = this.#outer.pop() ?? null
  }
}

function noteOf({ point, fields, values }: TraceEvent): string {
  const shown = fields.map((field, index) => `${field}=${values[index] ?? ''}`)
  return `${point} ${shown.join(' ')}`
}
