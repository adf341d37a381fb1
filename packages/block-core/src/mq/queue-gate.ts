// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, type Op, WaitQueue } from '@iolayers/kernel'

/** Who may enter a queue, and whether the driver may be called. @see block/blk-core.c blk_queue_enter */
export class QueueGate {
  /** No more I/O, for ever. */
  dying: boolean
  /** Calls of the driver that are handing requests to it right now, on some CPU. */
  dispatching: number
  readonly #changed: WaitQueue
  #usage: number
  #freezeDepth: number
  #quiesceDepth: number

  constructor(kernel: Kernel, name: string) {
    this.dying = false
    this.dispatching = 0
    this.#changed = new WaitQueue(kernel.scheduler, `queue of ${name}`)
    this.#usage = 0
    this.#freezeDepth = 0
    this.#quiesceDepth = 0
  }

  get frozen(): boolean {
    return this.#freezeDepth > 0
  }

  get quiesced(): boolean {
    return this.#quiesceDepth > 0
  }

  tryEnter(): boolean {
    if (this.#freezeDepth > 0 || this.dying) return false
    this.#usage++
    return true
  }

  exit(): void {
    assert(this.#usage > 0, 'queue left more often than entered')
    this.#usage--
    if (this.#usage === 0 && this.#freezeDepth > 0) this.#changed.wakeUpAll()
  }

  *waitOpen(): Op<void> {
    yield* this.#changed.waitEvent(() => this.#freezeDepth === 0 || this.dying)
  }

  /** A call of the driver is over. */
  dispatched(): void {
    this.dispatching--
    if (this.dispatching === 0 && this.#quiesceDepth > 0) this.#changed.wakeUpAll()
  }

  /** @see block/blk-mq.c blk_mq_wait_quiesce_done */
  *waitQuiesceDone(): Op<void> {
    yield* this.#changed.waitEvent(() => this.dispatching === 0)
  }

  /** @see block/blk-mq.c blk_freeze_queue_start */
  freezeStart(): void {
    this.#freezeDepth++
  }

  /** False when `timeoutNs` went by first. @see block/blk-mq.c blk_mq_freeze_queue_wait_timeout */
  *freezeWait(timeoutNs: number): Op<boolean> {
    const left = yield* this.#changed.waitEventTimeout(() => this.#usage === 0, timeoutNs)
    return left > 0
  }

  *freeze(): Op<void> {
    this.#freezeDepth++
    yield* this.#changed.waitEvent(() => this.#usage === 0)
  }

  unfreeze(): void {
    assert(this.#freezeDepth > 0, 'queue unfrozen more often than frozen')
    this.#freezeDepth--
    if (this.#freezeDepth === 0) this.#changed.wakeUpAll()
  }

  quiesce(): void {
    this.#quiesceDepth++
  }

  /** True when this was the last one. */
  unquiesce(): boolean {
    assert(this.#quiesceDepth > 0, 'queue unquiesced more often than quiesced')
    this.#quiesceDepth--
    return this.#quiesceDepth === 0
  }

  markDying(): void {
    this.dying = true
    this.#changed.wakeUpAll()
  }
}
