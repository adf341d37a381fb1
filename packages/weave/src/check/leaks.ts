// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { VirtualScheduler, WatchedFence } from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'

/** One kind of thing that a stack may leave behind. Named by the stack, counted when a run has ended. */
export interface LeakProbe {
  /** In words, in the plural: `mapped pages`. */
  readonly what: string
  /** How many there are. */
  count(): number
}

export interface LeaksComponents {
  readonly scheduler: VirtualScheduler
  /** To be counted at the end; the stack may add to it until then. */
  readonly probes: readonly LeakProbe[]
}

/** After a run in which everybody gave everything back, nothing is left: one fault for all that is. */
export class Leaks implements Checker {
  readonly name = 'leaks'
  readonly #components: LeaksComponents
  #fences = 0

  constructor(components: LeaksComponents) {
    this.#components = components
  }

  fenceMade(_fence: WatchedFence): void {
    this.#fences++
  }

  fenceFreed(_fence: WatchedFence): void {
    this.#fences--
  }

  /** Fences that have been initialised and not freed. */
  get fences(): number {
    return this.#fences
  }

  atEnd(): Fault | null {
    const { scheduler, probes } = this.#components
    const left = scheduler.outstanding()
    for (const probe of probes) {
      const count = probe.count()
      if (count !== 0) left.push(`${probe.what}: ${count}`)
    }
    if (this.#fences !== 0) left.push(`fences: ${this.#fences}`)
    if (left.length === 0) return null
    return { check: 'leak', message: `left at the end: ${left.join('; ')}`, details: left }
  }
}
