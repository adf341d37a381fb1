// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, StackTrace } from '@iolayers/kernel'

/** What checked mode knows of one fence. */
export class DmaFenceDebug {
  readonly #kernel: Kernel
  #initStamp = 0
  #initAt: StackTrace | null = null
  /** Somebody other than its driver may know it: the order in which it got there no longer matters. */
  #published = false
  #freeState = -1

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Called by `DmaFence.init`, which its caller calls: both are left out of the stack. */
  initialised(reserveBeforeInit: boolean): void {
    if (!reserveBeforeInit) return
    this.#initStamp = this.#kernel.signalling.stamp()
    this.#initAt = new StackTrace(2)
  }

  published(): void {
    this.#published = true
  }

  /**
   * Reserve, initialise, add. Reserving allocates, memory reclaim may wait for any fence that was initialised, and that one's turn comes after the
   * reserving.
   */
  checkOrder(name: string, reservedStamp: number): void {
    const inOrder =
      this.#initAt === null ||
      this.#published ||
      (reservedStamp !== 0 && reservedStamp < this.#initStamp)
    this.#published = true
    if (inOrder || this.#initAt === null) return
    const why =
      reservedStamp === 0 ? 'no slot was reserved for it' : 'its slot was reserved only after that'
    this.#kernel.report({
      check: 'dma-fence',
      message: [
        `fence ${name} was initialised too early: ${why}`,
        '  initialised at:',
        this.#initAt.format(),
        '  added at:',
        new StackTrace(3).format(),
      ].join('\n'),
    })
  }

  /** The last reference is gone: who looks it up in an RCU section that is open now may still do so. */
  released(): void {
    this.#freeState = this.#kernel.rcu.getState()
  }

  assertLive(): void {
    assert(
      this.#freeState < 0 || !this.#kernel.rcu.pollState(this.#freeState),
      'a dma_fence was used after it was freed',
    )
  }
}
