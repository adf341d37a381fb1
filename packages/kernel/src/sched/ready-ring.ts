// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DeferredCall } from './deferred-call.ts'
import type { Task } from './task.ts'

/** Tasks and calls that are ready, in the order in which they became so; a ring that grows and is kept. */
export class ReadyRing {
  #slots: (Task | DeferredCall | null)[] = new Array<Task | DeferredCall | null>(256).fill(null)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: Task | DeferredCall): void {
    if (this.#size === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item
    this.#size++
  }

  shift(): Task | DeferredCall | null {
    if (this.#size === 0) return null
    const item = this.#slots[this.#head] ?? null
    this.#slots[this.#head] = null
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#size--
    return item
  }

  /** The calls among them, in order. */
  calls(): DeferredCall[] {
    const found: DeferredCall[] = []
    for (let i = 0; i < this.#size; i++) {
      const item = this.#slots[(this.#head + i) & (this.#slots.length - 1)]
      if (item?.kind === 'call') found.push(item)
    }
    return found
  }

  #grow(): void {
    const ordered = [...this.#slots.slice(this.#head), ...this.#slots.slice(0, this.#head)]
    this.#slots = ordered.concat(new Array<Task | DeferredCall | null>(ordered.length).fill(null))
    this.#head = 0
  }
}
