// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { InterruptControl, InterruptSink } from '../contracts.ts'
import type { CompletionQueue } from './queues.ts'

/** Vectors, their masks, and the pin. It tells its sink when it is asked to, from the work of the controller, and never when a mask is changed. */
export class InterruptLines implements InterruptControl {
  sink: InterruptSink | null = null
  msix = true
  readonly #masked: boolean[]
  readonly #pending: boolean[]
  readonly #kick: () => void
  #functionMasked = false
  #anyPending = false
  #level = false

  constructor(vectors: number, kick: () => void) {
    this.#masked = new Array<boolean>(vectors).fill(false)
    this.#pending = new Array<boolean>(vectors).fill(false)
    this.#kick = kick
  }

  enableMsix(on: boolean): void {
    this.msix = on
    this.#kick()
  }

  maskVector(vector: number, masked: boolean): void {
    this.#masked[vector] = masked
    if (!masked) this.#kick()
  }

  maskFunction(masked: boolean): void {
    this.#functionMasked = masked
    if (!masked) this.#kick()
  }

  isPending(vector: number): boolean {
    return this.#pending[vector] === true
  }

  /** A message of a vector. True when it left. */
  message(vector: number): boolean {
    if (this.#functionMasked || this.#masked[vector] === true) {
      this.#pending[vector] = true
      this.#anyPending = true
      return false
    }
    this.sink?.raise(vector)
    return true
  }

  /** What was pending and is not masked any more leaves now: how many. */
  unmasked(): number {
    if (!this.#anyPending || this.#functionMasked) return 0
    this.#anyPending = false
    let left = 0
    for (let vector = 0; vector < this.#pending.length; vector++) {
      if (this.#pending[vector] !== true) continue
      this.#pending[vector] = false
      if (this.message(vector)) left++
    }
    return left
  }

  /** The pin is up while a queue has entries that the host has not read. True when it went up. */
  pin(cqs: readonly (CompletionQueue | null)[], isMasked: (vector: number) => boolean): boolean {
    const level = cqs.some(
      (cq) => cq?.interruptsEnabled && cq.head !== cq.tail && !isMasked(cq.vector),
    )
    if (level === this.#level) return false
    this.#level = level
    if (level) this.sink?.raise(0)
    else this.sink?.lower(0)
    return level
  }

  /** The queues are gone. */
  forget(): void {
    this.#pending.fill(false)
    this.#anyPending = false
    if (this.#level) this.sink?.lower(0)
    this.#level = false
  }
}
