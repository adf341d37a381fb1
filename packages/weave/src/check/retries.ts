// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'

export interface RetriesInit {
  /** Retries of one thing at one moment of virtual time that are still no loop; 64 by default. */
  readonly stillMax?: number
  /** Of one thing in a whole run; 1000 by default. */
  readonly max?: number
}

interface Count {
  atNs: number
  still: number
  total: number
}

/** The same request or I/O done again and again. A retry is bounded, or waits for time to go by; both bounds are far above what the layers allow themselves. */
export class Retries implements Checker {
  readonly name = 'retries'
  readonly #scheduler: Scheduler
  readonly #stillMax: number
  readonly #max: number
  readonly #counts: WeakMap<object, Count> = new WeakMap()
  #fault: Fault | null = null

  constructor(scheduler: Scheduler, init: RetriesInit = {}) {
    this.#scheduler = scheduler
    this.#stillMax = init.stillMax ?? 64
    this.#max = init.max ?? 1000
  }

  afterStep(): Fault | null {
    return this.#fault
  }

  retried(subject: object, what: string): void {
    const nowNs = this.#scheduler.nowNs()
    const count = this.#counts.get(subject)
    if (count === undefined) {
      this.#counts.set(subject, { atNs: nowNs, still: 1, total: 1 })
      return
    }
    count.total++
    count.still = count.atNs === nowNs ? count.still + 1 : 1
    count.atNs = nowNs
    if (count.still <= this.#stillMax && count.total <= this.#max) return
    const bound = count.still > this.#stillMax ? this.#stillMax : this.#max
    this.#fault ??= { check: 'livelock', message: `${what} more than ${bound} times` }
  }
}
