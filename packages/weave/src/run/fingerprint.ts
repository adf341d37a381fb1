// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate, TraceEvent } from '@iolayers/kernel'
import type { World } from './world.ts'

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/**
 * Tells the states of runs apart well enough to count them: who waits where, and what each actor has been seen to do so far, whatever the order
 * between actors was. Nothing is pruned by it.
 */
export class Fingerprinter {
  readonly prints: number[] = []
  readonly #world: World
  /** What each actor did so far. */
  readonly #histories: Map<string, number> = new Map()
  #event = FNV_OFFSET
  readonly #unsubscribe: () => void

  constructor(world: World) {
    this.#world = world
    this.#unsubscribe = world.kernel.tracer.subscribe(
      () => true,
      (event) => this.#hear(event),
    )
  }

  look(item: Candidate): void {
    const before = this.#histories.get(item.name) ?? FNV_OFFSET
    this.#histories.set(item.name, Math.imul(before ^ this.#event, FNV_PRIME))
    this.#event = FNV_OFFSET
    let print = 0
    for (const [name, history] of this.#histories) print += mixed(mixed(FNV_OFFSET, name), history)
    for (const task of this.#world.scheduler.liveTasks) {
      const waits = task.waitingFor?.what ?? ''
      print += mixed(mixed(mixed(FNV_OFFSET, task.name), task.state), waits)
    }
    this.prints.push(print >>> 0)
  }

  stop(): void {
    this.#unsubscribe()
  }

  #hear(event: TraceEvent): void {
    this.#event = mixed(this.#event, event.point)
  }
}

function mixed(hash: number, value: string | number): number {
  if (typeof value === 'number') return Math.imul(hash ^ value, FNV_PRIME)
  let result = hash
  for (let i = 0; i < value.length; i++) {
    result = Math.imul(result ^ value.charCodeAt(i), FNV_PRIME)
  }
  return result
}
