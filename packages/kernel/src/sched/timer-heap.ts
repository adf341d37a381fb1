// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Timer } from './timer.ts'

/** Pending timers by deadline, then by arming order; a binary heap that knows each one's slot. */
export class TimerHeap {
  readonly #heap: Timer[] = []
  #sequence = 0

  get size(): number {
    return this.#heap.length
  }

  get first(): Timer | null {
    return this.#heap[0] ?? null
  }

  /** In no order. */
  get timers(): readonly Timer[] {
    return this.#heap
  }

  add(timer: Timer, deadlineNs: number): void {
    timer.deadlineNs = deadlineNs
    timer.sequence = this.#sequence++
    timer.slot = this.#heap.length
    this.#heap.push(timer)
    this.#up(timer)
  }

  remove(timer: Timer): void {
    const slot = timer.slot
    const last = this.#heap.pop()
    timer.slot = -1
    if (last === undefined || last === timer) return
    this.#put(last, slot)
    this.#up(last)
    this.#down(last)
  }

  /** Takes off the first timer whose deadline is not after `nowNs`. */
  shiftDue(nowNs: number): Timer | null {
    const timer = this.#heap[0]
    if (timer === undefined || timer.deadlineNs > nowNs) return null
    this.remove(timer)
    return timer
  }

  #put(timer: Timer, slot: number): void {
    this.#heap[slot] = timer
    timer.slot = slot
  }

  #up(timer: Timer): void {
    while (timer.slot > 0) {
      const slot = timer.slot
      const parentSlot = (slot - 1) >> 1
      const parent = this.#heap[parentSlot]
      if (parent === undefined || !before(timer, parent)) return
      this.#put(parent, slot)
      this.#put(timer, parentSlot)
    }
  }

  #down(timer: Timer): void {
    for (;;) {
      const slot = timer.slot
      const child = this.#lesserChild(slot)
      if (child === null || !before(child, timer)) return
      const childSlot = child.slot
      this.#put(child, slot)
      this.#put(timer, childSlot)
    }
  }

  #lesserChild(slot: number): Timer | null {
    const left = this.#heap[2 * slot + 1]
    if (left === undefined) return null
    const right = this.#heap[2 * slot + 2]
    return right !== undefined && before(right, left) ? right : left
  }
}

function before(a: Timer, b: Timer): boolean {
  if (a.deadlineNs !== b.deadlineNs) return a.deadlineNs < b.deadlineNs
  return a.sequence < b.sequence
}
