// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { QueueTable } from './queue-table.ts'
import { QueuePriority } from './queues.ts'
import type { ShadowDoorbells } from './shadow-doorbells.ts'
import type { SubmissionReader } from './submission-reader.ts'

/** Commands of one queue before others get their turn, where the burst has no limit. */
const BURST_MAX = 64
const BURST_UNLIMITED = 7

export interface ArbiterComponents {
  readonly queues: QueueTable
  readonly reader: SubmissionReader
  /** The value of the feature Arbitration: burst as a power of two, weights 0's based from bit 8 on. */
  readonly feature: () => number
  /** CC.AMS: weighted round robin with an urgent class. */
  readonly weighted: () => boolean
}

/**
 * Whose commands are fetched next. Round robin: each queue up to a burst. Weighted: the admin queue first, then urgent queues as long as they have any, then of the
 * classes high, medium and low as many in a round as their weights say. @see NVMe Base 2.1, 3.4.4
 */
export class Arbiter {
  shadow: ShadowDoorbells | null = null
  readonly #components: ArbiterComponents
  /** Where each class goes on, so that its queues share its weight. */
  readonly #next: number[] = [0, 0, 0, 0]

  constructor(components: ArbiterComponents) {
    this.#components = components
  }

  /** One round; true when there may be more. */
  fetch(): boolean {
    const { queues, reader, feature, weighted } = this.#components
    const value = feature()
    const burst = (value & 7) === BURST_UNLIMITED ? BURST_MAX : 2 ** (value & 7)
    if (this.shadow !== null) this.#lookAtShadows(this.shadow)
    let more = reader.fetch(queues.sq(0), BURST_MAX)
    if (!weighted()) {
      for (let id = 1; id < queues.sqs.length; id++) {
        more = reader.fetch(queues.sqs[id] ?? null, burst) || more
      }
      return more
    }
    if (this.#class(QueuePriority.URGENT, burst, BURST_MAX)) return true
    const weights = [value >>> 24, value >>> 16, value >>> 8]
    for (const [i, priority] of CLASSES.entries()) {
      more = this.#class(priority, burst, ((weights[i] ?? 0) & 0xff) + 1) || more
    }
    return more
  }

  /** Up to `credit` commands of the queues of a class, a burst of each in turn. True when there may be more. */
  #class(priority: QueuePriority, burst: number, credit: number): boolean {
    let left = credit
    for (;;) {
      const before = left
      left -= this.#round(priority, burst, left)
      if (left === before) return false
      if (left === 0) return true
    }
  }

  /** How many it fetched. */
  #round(priority: QueuePriority, burst: number, credit: number): number {
    const { queues, reader } = this.#components
    const { length } = queues.sqs
    const start = this.#next[priority] ?? 0
    let fetched = 0
    for (let i = 0; i < length && fetched < credit; i++) {
      const id = (start + i) % length
      const sq = queues.sqs[id] ?? null
      if (sq === null || id === 0 || sq.priority !== priority) continue
      const before = sq.fetched
      reader.fetch(sq, Math.min(burst, credit - fetched))
      fetched += sq.fetched - before
      this.#next[priority] = (id + 1) % length
    }
    return fetched
  }

  #lookAtShadows(shadow: ShadowDoorbells): void {
    const { queues } = this.#components
    for (const sq of queues.sqs) if (sq !== null && sq.id > 0) shadow.look(sq)
    for (const cq of queues.cqs) if (cq !== null && cq.id > 0) shadow.lookAtHead(cq)
  }
}

const CLASSES: readonly QueuePriority[] = [
  QueuePriority.HIGH,
  QueuePriority.MEDIUM,
  QueuePriority.LOW,
]
