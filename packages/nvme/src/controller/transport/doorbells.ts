// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { CompletionPoster } from './completion-poster.ts'
import type { QueueTable } from './queue-table.ts'
import type { RegisterListener } from './registers.ts'

export interface DoorbellsComponents {
  readonly queues: QueueTable
  /** The controller looks at what is new, soon. */
  readonly kick: () => void
  /** Interrupts are messages; otherwise their level depends on what the host has read. */
  readonly msix: () => boolean
  /** A value that a queue cannot have, or none that there is: ignored otherwise. */
  readonly invalid: (queueExists: boolean) => void
}

/** What the registers ask for. None of it does work inside the access. */
export class Doorbells implements RegisterListener {
  poster: CompletionPoster | null = null
  readonly #queues: QueueTable
  readonly #kick: () => void
  readonly #msix: () => boolean
  readonly #invalid: (queueExists: boolean) => void

  constructor(components: DoorbellsComponents) {
    this.#queues = components.queues
    this.#kick = components.kick
    this.#msix = components.msix
    this.#invalid = components.invalid
  }

  /** CC changed something. */
  kick(): void {
    this.#kick()
  }

  ringSqTail(id: number, value: number): void {
    const sq = this.#queues.sq(id)
    if (sq === null || value >= sq.entries) {
      this.#invalid(sq !== null)
      return
    }
    sq.tail = value
    this.#kick()
  }

  ringCqHead(id: number, value: number): void {
    const cq = this.#queues.cq(id)
    if (cq === null || !cq.validHead(value)) {
      this.#invalid(cq !== null)
      return
    }
    cq.head = value
    // Room for what waits, and maybe the end of an interrupt by level.
    if (cq.backlogFirst !== null || !this.#msix()) this.#kick()
  }

  /** What was completed while its vector was masked is told now. */
  unmasked(): void {
    this.poster?.again()
    this.#kick()
  }

  /** The same for one in host memory. */
  invalidValue(): void {
    this.#invalid(true)
  }
}
