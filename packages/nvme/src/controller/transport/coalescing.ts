// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, Timer } from '@iolayers/kernel'
import type { CompletionQueue } from './queues.ts'

const TIME_UNIT_NS = 100_000

/**
 * Interrupt coalescing: a queue's interrupt waits until there are enough entries, or for so long. Both a threshold and a time have to be set, and the vector's
 * not turned off. Not for the admin queue. @see NVMe over PCIe Transport 1.1, 3.5.2; NVMe Base 2.1, 5.1.25.2.1, 5.1.25.2.2
 */
export class Coalescing {
  readonly #timer: Timer
  /** The feature: threshold in the low byte, 0's based; time above it. */
  readonly #feature: () => number
  readonly #disabled: Set<number> = new Set()
  /** The time of those that wait is up. */
  #due = false

  constructor(kernel: Kernel, feature: () => number, kick: () => void) {
    this.#feature = feature
    this.#timer = new Timer(kernel.scheduler, 'nvme interrupt coalescing', () => {
      this.#due = true
      kick()
    })
  }

  /** Whether the interrupt of this queue waits a little longer. */
  waits(cq: CompletionQueue): boolean {
    const feature = this.#feature()
    const threshold = feature & 0xff
    const time = (feature >>> 8) & 0xff
    if (threshold === 0 || time === 0 || cq.id === 0 || this.#disabled.has(cq.vector)) return false
    if (this.#due || cq.unreported > threshold) return false
    if (!this.#timer.pending) this.#timer.arm(time * TIME_UNIT_NS)
    return true
  }

  /** All queues were looked at. */
  looked(): void {
    this.#due = false
  }

  /** Interrupt Vector Configuration: CD of a vector. */
  setDisabled(vector: number, disabled: boolean): void {
    if (disabled) this.#disabled.add(vector)
    else this.#disabled.delete(vector)
  }

  isDisabled(vector: number): boolean {
    return this.#disabled.has(vector)
  }

  reset(): void {
    this.#timer.cancel()
    this.#due = false
    this.#disabled.clear()
  }
}
