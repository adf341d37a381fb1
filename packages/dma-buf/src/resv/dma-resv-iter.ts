// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import type { DmaFence } from '../fence/dma-fence.ts'
import type { DmaResvList, DmaResvListSlot } from './dma-resv-list.ts'
import type { DmaResvUsage } from './dma-resv-usage.ts'

/**
 * A walk over the fences of one class and those below it. Made by `DmaResv.iterBegin`, ended with `end`.
 *
 * With the lock: `first` and `next` give every fence, signalled or not, without a reference. Without: `firstUnlocked` and `nextUnlocked` give what is pending,
 * with a reference that the walk keeps until it goes on; when the fences are rearranged meanwhile it starts again from the first one, and says so.
 *
 * @see include/linux/dma-resv.h struct dma_resv_iter
 */
export class DmaResvIter {
  readonly #kernel: Kernel
  readonly #slot: DmaResvListSlot
  readonly #asked: DmaResvUsage
  readonly #assertHeld: () => void
  #list: DmaResvList
  #count: number
  #index: number
  #usage: DmaResvUsage
  #restarted: boolean
  /** That of the walk without the lock, with its reference. */
  #fence: DmaFence | null

  constructor(kernel: Kernel, slot: DmaResvListSlot, usage: DmaResvUsage, assertHeld: () => void) {
    this.#kernel = kernel
    this.#slot = slot
    this.#asked = usage
    this.#assertHeld = assertHeld
    this.#list = slot.list
    this.#count = 0
    this.#index = 0
    this.#usage = usage
    this.#restarted = false
    this.#fence = null
  }

  /** The class of the fence that was given last. @see dma_resv_iter_usage */
  get usage(): DmaResvUsage {
    return this.#usage
  }

  /** The fence that was given last is the first one: what was gathered before it counts no more. @see dma_resv_iter_is_restarted */
  get isRestarted(): boolean {
    return this.#restarted
  }

  /** @see dma_resv_iter_first */
  first(): DmaFence | null {
    this.#assertHeld()
    this.#list = this.#slot.list
    this.#index = 0
    const fence = this.next()
    this.#restarted = true
    return fence
  }

  /** @see dma_resv_iter_next */
  next(): DmaFence | null {
    this.#assertHeld()
    this.#restarted = false
    const list = this.#list
    while (this.#index < list.count) {
      const index = this.#index++
      this.#usage = list.usageAt(index)
      if (this.#usage <= this.#asked) return list.fenceAt(index)
    }
    return null
  }

  /** @see dma_resv_iter_first_unlocked */
  firstUnlocked(): DmaFence | null {
    return this.#walk(true)
  }

  /** @see dma_resv_iter_next_unlocked */
  nextUnlocked(): DmaFence | null {
    this.#restarted = false
    return this.#walk(this.#list !== this.#slot.list)
  }

  /** Drops the reference on the fence that was given last. May be called twice. @see dma_resv_iter_end */
  end(): void {
    this.#fence?.put()
    this.#fence = null
  }

  #walk(restart: boolean): DmaFence | null {
    const { rcu } = this.#kernel
    rcu.readLock()
    try {
      if (restart) this.#restart()
      this.#step()
      while (this.#list !== this.#slot.list) {
        this.#restart()
        this.#step()
      }
      return this.#fence
    } finally {
      rcu.readUnlock()
    }
  }

  #restart(): void {
    this.#list = this.#slot.list
    this.#count = this.#list.count
    this.#index = 0
    this.#restarted = true
  }

  /** To the next fence that is pending and asked for, with a reference. @see dma_resv_iter_walk_unlocked */
  #step(): void {
    const { scheduler } = this.#kernel
    for (;;) {
      this.end()
      if (this.#index >= this.#count) return
      this.#list.assertLive(this.#kernel)
      const index = this.#index++
      const fence = this.#list.fenceAt(index)
      this.#usage = this.#list.usageAt(index)
      if (scheduler.exploring) scheduler.choicePoint('dma_resv_iter_walk')
      if (fence === null) continue
      if (!fence.tryGet()) {
        // Its slot has been given to another one.
        this.#restart()
        continue
      }
      this.#fence = fence
      if (this.#usage <= this.#asked && !fence.isSignaled()) return
    }
  }
}
