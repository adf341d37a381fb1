// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, Errno, type Kernel, Kref, type Op, WaitQueue } from '@iolayers/kernel'
import {
  appendCallback,
  type DmaFenceCallback,
  type DmaFenceCallbackList,
  unlinkCallback,
} from './dma-fence-callback.ts'

/**
 * What the driver behind a fence answers. One object serves all fences of a driver.
 *
 * @see include/linux/dma-fence.h struct dma_fence_ops
 */
export interface DmaFenceOps {
  getDriverName(fence: DmaFence): string
  getTimelineName(fence: DmaFence): string
  /** Called at most once, at the first callback or wait. False: the work is over already, the fence is then signalled. */
  enableSignaling?(fence: DmaFence): boolean
  /** Asks the hardware whether the work is over, without waiting. */
  signaled?(fence: DmaFence): boolean
  /** The last reference is gone. */
  release?(fence: DmaFence): void
}

/** A wait with this timeout has none. @see include/linux/sched.h MAX_SCHEDULE_TIMEOUT */
export const MAX_SCHEDULE_TIMEOUT: number = Number.POSITIVE_INFINITY

const MAX_ERRNO = 4095

/**
 * Says that a piece of asynchronous work is over. Signalled once, for ever; fences of one context signal in the order of their
 * sequence numbers. Made before it is needed, and bound to its place in a context by `init`: nothing after that
 * allocates, because memory reclaim may be waiting for the fence.
 *
 * @see drivers/dma-buf/dma-fence.c
 */
export class DmaFence {
  readonly #kernel: Kernel
  readonly #ops: DmaFenceOps
  readonly #kref: Kref
  readonly #callbacks: DmaFenceCallbackList
  readonly #waiters: WaitQueue
  readonly #waitDone: () => boolean
  #context: number
  #seqno: number
  #initialised: boolean
  #signaled: boolean
  #signalingEnabled: boolean
  #error: number
  #timestampNs: number

  constructor(kernel: Kernel, ops: DmaFenceOps) {
    this.#kernel = kernel
    this.#ops = ops
    this.#kref = new Kref()
    this.#callbacks = { first: null, last: null }
    this.#waiters = new WaitQueue(kernel.scheduler, 'dma_fence')
    this.#waitDone = () => this.#signaled
    this.#context = 0
    this.#seqno = 0
    this.#initialised = false
    this.#signaled = false
    this.#signalingEnabled = false
    this.#error = 0
    this.#timestampNs = 0
  }

  /** Binds the fence to a context and its place in it. Once. Allocates nothing. @see dma_fence_init */
  init(context: number, seqno: number): void {
    assert(!this.#initialised, 'a dma_fence is initialised once')
    this.#initialised = true
    this.#context = context
    this.#seqno = seqno
  }

  get context(): number {
    return this.#context
  }

  get seqno(): number {
    return this.#seqno
  }

  /** 0, or the negative errno that the work ended with. Meaningful once signalled. */
  get error(): number {
    return this.#error
  }

  /** When it signalled, on the scheduler's clock; 0 before. */
  get timestampNs(): number {
    return this.#timestampNs
  }

  /** 0: pending; 1: signalled; negative: signalled with that errno. @see dma_fence_get_status */
  get status(): number {
    if (!this.isSignaled()) return 0
    return this.#error === 0 ? 1 : this.#error
  }

  /** Whether somebody asked to be told; the driver's `enableSignaling` ran then, if it has one. */
  get signalingEnabled(): boolean {
    return this.#signalingEnabled
  }

  /** The driver may be gone once the fence signalled, so its name is not asked for after that. @see dma_fence_driver_name */
  get driverName(): string {
    return this.#signaled ? 'detached-driver' : this.#ops.getDriverName(this)
  }

  /** @see dma_fence_timeline_name */
  get timelineName(): string {
    return this.#signaled ? 'signaled-timeline' : this.#ops.getTimelineName(this)
  }

  get(): void {
    this.#kref.get()
  }

  /** A reference unless the last one is gone. @see dma_fence_get_rcu */
  tryGet(): boolean {
    return this.#kref.getUnlessZero()
  }

  put(): void {
    this.#kref.put(() => this.#release())
  }

  /** Also asks the driver, and signals if the work turns out to be over. @see dma_fence_is_signaled */
  isSignaled(): boolean {
    if (this.#signaled) return true
    if (this.#ops.signaled?.(this) !== true) return false
    this.signal()
    return true
  }

  /** What the work ended with; before the signal, a negative errno. @see dma_fence_set_error */
  setError(error: number): void {
    assert(!this.#signaled, 'the error of a dma_fence is set before it signals')
    assert(error < 0 && error >= -MAX_ERRNO, 'the error of a dma_fence is a negative errno')
    this.#error = error
  }

  /** The work is over: wakes who waits and runs the callbacks in the order in which they were added. No effect the second time. */
  signal(): void {
    this.checkAndSignal()
  }

  /** `signal` with an error, in one. No effect on a fence that has signalled. */
  signalWithError(error: number): void {
    if (this.#signaled) return
    this.setError(error)
    this.checkAndSignal()
  }

  /** Signals; true when it had been signalled before. Neither sleeps nor allocates. @see dma_fence_check_and_signal */
  checkAndSignal(): boolean {
    assert(this.#initialised, 'a dma_fence is initialised before it signals')
    if (this.#signaled) return true
    this.#timestampNs = this.#kernel.scheduler.nowNs()
    this.#signaled = true
    const callbacks = this.#callbacks
    for (let callback = callbacks.first; callback !== null; callback = callbacks.first) {
      unlinkCallback(callback)
      callback.func(this, callback)
    }
    this.#waiters.wakeUpAll()
    return false
  }

  /** Sees to it that the fence will signal by itself. False when it has signalled. @see dma_fence_enable_sw_signaling */
  enableSignaling(): boolean {
    assert(this.#initialised, 'a dma_fence is initialised before it is used')
    const first = !this.#signalingEnabled
    this.#signalingEnabled = true
    if (this.#signaled) return false
    if (!first || this.#ops.enableSignaling === undefined) return true
    if (this.#ops.enableSignaling(this)) return !this.#signaled
    this.signal()
    return false
  }

  /** True: `callback` will be called, once. False: the fence has signalled and it will not be. @see dma_fence_add_callback */
  addCallback(callback: DmaFenceCallback): boolean {
    assert(callback.list === null, 'a dma_fence callback waits on one fence at a time')
    if (!this.enableSignaling()) return false
    appendCallback(this.#callbacks, callback)
    return true
  }

  /** True: it was taken off and will not be called. False: it was called, or never added here. @see dma_fence_remove_callback */
  removeCallback(callback: DmaFenceCallback): boolean {
    return callback.list === this.#callbacks && unlinkCallback(callback)
  }

  /**
   * Waits until the fence signals. The time that is left (at least 1; the timeout itself when it was signalled already, 1 for a timeout of 0), 0
   * when the timeout ran out, -ERESTARTSYS when `interruptible` and a signal came. With a timeout of 0 it only looks.
   *
   * @see dma_fence_wait_timeout
   */
  *wait(interruptible: boolean, timeoutNs: number): Op<number> {
    assert(timeoutNs >= 0, 'a timeout is not negative')
    this.enableSignaling()
    if (this.isSignaled()) return timeoutNs === 0 ? 1 : timeoutNs
    const task = this.#kernel.scheduler.current
    if (interruptible && task?.signalPending === true) return -Errno.ERESTARTSYS
    if (timeoutNs === 0) return 0
    const forEver = timeoutNs === MAX_SCHEDULE_TIMEOUT
    if (forEver && interruptible) {
      const result = yield* this.#waiters.waitEventInterruptible(this.#waitDone)
      return result === 0 ? timeoutNs : result
    }
    if (forEver) {
      yield* this.#waiters.waitEvent(this.#waitDone)
      return timeoutNs
    }
    if (interruptible) {
      return yield* this.#waiters.waitEventInterruptibleTimeout(this.#waitDone, timeoutNs)
    }
    return yield* this.#waiters.waitEventTimeout(this.#waitDone, timeoutNs)
  }

  /** Whether this fence comes after `other` in the context that they share. @see dma_fence_is_later */
  isLater(other: DmaFence): boolean {
    assert(this.#context === other.context, 'only fences of one context have an order')
    return this.#seqno > other.seqno
  }

  /** @see dma_fence_is_later_or_same */
  isLaterOrSame(other: DmaFence): boolean {
    return this === other || this.isLater(other)
  }

  #release(): void {
    // Whoever still waits would wait for ever: the kernel warns and signals with EDEADLK.
    if (this.#initialised && !this.#signaled && this.#callbacks.first !== null) {
      this.signalWithError(-Errno.EDEADLK)
    }
    this.#ops.release?.(this)
  }
}
