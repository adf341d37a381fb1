// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assertLive,
  formatStack,
  type Kernel,
  StackTrace,
  type WatchedFence,
} from '@iolayers/kernel'
import type { DmaFence, DmaFenceOps } from './dma-fence.ts'

/** What checked mode knows of one fence. */
export class DmaFenceDebug implements WatchedFence {
  readonly fenceClass: DmaFenceOps
  publishedStamp = 0
  readonly #fence: DmaFence
  readonly #kernel: Kernel
  #made = false
  #initStamp = 0
  #initAt: StackTrace | null = null
  /** Somebody other than its driver may know it: the order in which it got there no longer matters. */
  #published = false
  #freeState = -1

  constructor(kernel: Kernel, fence: DmaFence, ops: DmaFenceOps) {
    this.fenceClass = ops
    this.#fence = fence
    this.#kernel = kernel
  }

  get fenceClassName(): string {
    return `dma_fence ${this.#fence.timelineName}`
  }

  /** Called by `DmaFence.init`, which its caller calls: both are left out of the stack. */
  initialised(reserveBeforeInit: boolean): void {
    this.#made = true
    this.#kernel.scheduler.watch?.fenceMade(this)
    if (!reserveBeforeInit) return
    this.#initStamp = this.#kernel.signalling.stamp()
    if (this.#kernel.stackTraces) this.#initAt = new StackTrace(2)
  }

  published(): void {
    if (this.#published) return
    this.#published = true
    this.#kernel.scheduler.watch?.fencePublished(this)
  }

  waited(): void {
    this.#kernel.scheduler.watch?.fenceWaited(this)
  }

  signalled(): void {
    this.assertLive()
    this.#kernel.scheduler.watch?.fenceSignalled(this)
  }

  /**
   * Reserve, initialise, add. Reserving allocates, memory reclaim may wait for any fence that was initialised, and that one's turn comes after the
   * reserving.
   */
  checkOrder(name: string, reservedStamp: number): void {
    const inOrder =
      this.#initStamp === 0 ||
      this.#published ||
      (reservedStamp !== 0 && reservedStamp < this.#initStamp)
    this.published()
    if (inOrder) return
    const why =
      reservedStamp === 0 ? 'no slot was reserved for it' : 'its slot was reserved only after that'
    this.#kernel.report({
      check: 'dma-fence',
      message: [
        `fence ${name} was initialised too early: ${why}`,
        '  initialised at:',
        formatStack(this.#initAt),
        '  added at:',
        formatStack(this.#kernel.stackTraces ? new StackTrace(3) : null),
      ].join('\n'),
    })
  }

  /** The last reference is gone: who looks it up in an RCU section that is open now may still do so. */
  released(): void {
    if (this.#made) this.#kernel.scheduler.watch?.fenceFreed(this)
    this.#freeState = this.#kernel.rcu.getState()
  }

  assertLive(): void {
    assertLive(
      this.#freeState < 0 || !this.#kernel.rcu.pollState(this.#freeState),
      'a dma_fence was used after it was freed',
    )
  }
}
