// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assertLive, type Kernel } from '@iolayers/kernel'
import type { DmaFence } from '../fence/dma-fence.ts'
import type { DmaResvUsage } from './dma-resv-usage.ts'

/** Slots for fences. Replaced as a whole when it grows, which is how a walk without the lock notices. @see struct dma_resv_list */
export class DmaResvList {
  readonly #fences: (DmaFence | null)[]
  readonly #usages: DmaResvUsage[]
  count: number
  /** Slots that may be used: fewer than there are when a reservation ran out. */
  maxFences: number
  /** Checked mode: when it was replaced. It may be read until a grace period has gone by. */
  #freeState: number

  constructor(maxFences: number) {
    this.#fences = new Array<DmaFence | null>(maxFences).fill(null)
    this.#usages = new Array<DmaResvUsage>(maxFences).fill(0)
    this.count = 0
    this.maxFences = maxFences
    this.#freeState = -1
  }

  get capacity(): number {
    return this.#fences.length
  }

  set(index: number, fence: DmaFence, usage: DmaResvUsage): void {
    this.#fences[index] = fence
    this.#usages[index] = usage
  }

  push(fence: DmaFence, usage: DmaResvUsage): void {
    this.set(this.count, fence, usage)
    this.count++
  }

  fenceAt(index: number): DmaFence | null {
    return this.#fences[index] ?? null
  }

  usageAt(index: number): DmaResvUsage {
    return this.#usages[index] ?? 0
  }

  putAll(): void {
    for (let i = 0; i < this.count; i++) this.#fences[i]?.put()
  }

  /** It has been replaced. @see kfree_rcu */
  free(kernel: Kernel): void {
    if (kernel.checked) this.#freeState = kernel.rcu.getState()
  }

  assertLive(kernel: Kernel): void {
    assertLive(
      this.#freeState < 0 || !kernel.rcu.pollState(this.#freeState),
      'the list of a dma_resv was read after it was freed',
    )
  }
}

/** Where the list of a reservation object is looked up. */
export interface DmaResvListSlot {
  list: DmaResvList
}
