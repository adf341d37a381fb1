// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assert,
  type Blocker,
  Errno,
  type Kernel,
  Kref,
  type Op,
  type Park,
  WaitQueue,
} from '@iolayers/kernel'
import {
  appendCallback,
  type DmaFenceCallback,
  type DmaFenceCallbackList,
  unlinkCallback,
} from './dma-fence-callback.ts'
import { DmaFenceDebug } from './dma-fence-debug.ts'
import { traceDmaFence } from './dma-fence-trace.ts'
import { waitFor } from './wait-for.ts'

export { MAX_SCHEDULE_TIMEOUT } from './wait-for.ts'

/**
 * What the driver behind a fence answers. One object serves all fences of a driver.
 *
 * The kernel's `wait` (deprecated there) does not exist: every fence is waited for in the same way.
 *
 * @see include/linux/dma-fence.h struct dma_fence_ops
 */
export interface DmaFenceOps {
  /** Called in an RCU section, and only while the fence is pending: the name may live in the driver. */
  getDriverName(fence: DmaFence): string
  /** As `getDriverName`. */
  getTimelineName(fence: DmaFence): string
  /** Called at most once, at the first callback or wait. False: the work is over already, the fence is then signalled. */
  enableSignaling?(fence: DmaFence): boolean
  /** Asks the hardware whether the work is over, without waiting. */
  signaled?(fence: DmaFence): boolean
  /** The last reference is gone. Without it a fence that has signalled needs its driver no more. */
  release?(fence: DmaFence): void
  /** Somebody hopes that the fence signals by then, on the scheduler's clock. */
  setDeadline?(fence: DmaFence, deadlineNs: number): void
  /** Who has to get on before the fence can signal, where the driver knows: for reports of who waits for whom. */
  dependsOn?(fence: DmaFence): readonly Blocker[]
  /**
   * The driver promises to reserve the slot first, then to initialise the fence, then to add it, without anything in between that could fail: checked
   * mode reports any other order. Not for fences that others know before they come into a reservation object.
   */
  readonly reserveBeforeInit?: boolean
}

const MAX_ERRNO = 4095

/**
 * Says that a piece of asynchronous work is over. Signalled once, for ever; fences of one context signal in the order of their
 * sequence numbers. Made before it is needed, and bound to its place in a context by `init`: nothing after that
 * allocates, because memory reclaim may be waiting for the fence.
 *
 * A driver that goes away signals its fences and waits for an RCU grace period: nobody calls its ops after that, save for `release`.
 *
 * @see drivers/dma-buf/dma-fence.c
 */
export class DmaFence implements Park {
  readonly kernel: Kernel
  readonly #kref: Kref
  readonly #callbacks: DmaFenceCallbackList
  readonly #waiters: WaitQueue
  readonly #waitDone: () => boolean
  readonly #debug: DmaFenceDebug | null
  #ops: DmaFenceOps | null
  #context: number
  #seqno: number
  #seqno64: boolean
  #initialised: boolean
  #signaled: boolean
  #signalingEnabled: boolean
  #error: number
  #timestampNs: number

  constructor(kernel: Kernel, ops: DmaFenceOps) {
    this.kernel = kernel
    this.#ops = ops
    this.#kref = new Kref()
    this.#callbacks = { first: null, last: null }
    this.#waiters = new WaitQueue(kernel.scheduler, 'dma_fence', this)
    this.#waitDone = () => this.#signaled
    this.#debug = kernel.checked ? new DmaFenceDebug(kernel, this, ops) : null
    this.#context = 0
    this.#seqno = 0
    this.#seqno64 = false
    this.#initialised = false
    this.#signaled = false
    this.#signalingEnabled = false
    this.#error = 0
    this.#timestampNs = 0
  }

  /**
   * Binds the fence to a context and its place in it. Once. Allocates nothing. The sequence number counts as one of 32 bits, which wraps: of two fences
   * the later one is that which is less than 2^31 ahead.
   *
   * @see dma_fence_init
   */
  init(context: number, seqno: number): void {
    assert(!this.#initialised, 'a dma_fence is initialised once')
    assert(Number.isSafeInteger(seqno) && seqno >= 0, 'a sequence number is a whole number')
    this.#initialised = true
    this.#context = context
    this.#seqno = seqno
    this.#debug?.initialised(this.#ops?.reserveBeforeInit === true)
    traceDmaFence(this, 'dma_fence_init')
  }

  /** As `init`, for sequence numbers that never wrap. The kernel's have 64 bits; ours end at 2^53. @see dma_fence_init64 */
  init64(context: number, seqno: number): void {
    this.init(context, seqno)
    this.#seqno64 = true
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

  /** When it signalled, on the scheduler's clock; 0 before. @see dma_fence_timestamp */
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

  /** Whether it has signalled, as far as is known: the driver is not asked. @see dma_fence_test_signaled_flag */
  get signaledFlag(): boolean {
    return this.#signaled
  }

  /** The driver behind it: null once the fence has signalled and needs it no more. For containers, which know theirs by it; to be called by nobody else. */
  get ops(): DmaFenceOps | null {
    return this.#ops
  }

  get references(): number {
    return this.#kref.references
  }

  /** The driver may be gone once the fence signalled, so its name is not asked for after that. @see dma_fence_driver_name */
  get driverName(): string {
    return this.ask((ops) => ops.getDriverName(this), 'detached-driver')
  }

  /** @see dma_fence_timeline_name */
  get timelineName(): string {
    return this.ask((ops) => ops.getTimelineName(this), 'signaled-timeline')
  }

  /** For who waits. */
  get what(): string {
    return `dma_fence ${this.timelineName} ${this.#context}:${this.#seqno}`
  }

  blockers(): readonly Blocker[] {
    return this.#signaled ? [] : (this.#ops?.dependsOn?.(this) ?? [])
  }

  get anyOf(): boolean {
    return true
  }

  /** One line: context, sequence number, names while it is pending, and whether it has signalled. @see dma_fence_describe */
  describe(): string {
    const pending = !this.isSignaled()
    const timeline = pending
      ? this.ask((ops) => this.#heldUp(ops).getTimelineName(this), 'signaled-timeline')
      : ''
    const driver = pending ? this.driverName : ''
    return `${this.#context}:${this.#seqno} ${timeline} ${driver} ${pending ? 'un' : ''}signalled`
  }

  get(): void {
    this.#kref.get()
  }

  /** A reference unless the last one is gone, which may be known in an RCU section only. @see dma_fence_get_rcu */
  tryGet(): boolean {
    this.#debug?.assertLive()
    return this.#kref.getUnlessZero()
  }

  put(): void {
    this.#kref.put(() => this.#release())
  }

  /** Also asks the driver, and signals if the work turns out to be over. @see dma_fence_is_signaled */
  isSignaled(): boolean {
    this.#debug?.assertLive()
    if (this.#signaled) return true
    if (this.#ops?.signaled === undefined) return false
    const { rcu } = this.kernel
    rcu.readLock()
    try {
      if (!this.#ops.signaled(this)) return false
    } finally {
      rcu.readUnlock()
    }
    this.signal()
    return true
  }

  /** What the work ended with; before the signal, a negative errno. @see dma_fence_set_error */
  setError(error: number): void {
    assert(!this.#signaled, 'the error of a dma_fence is set before it signals')
    assert(error < 0 && error >= -MAX_ERRNO, 'the error of a dma_fence is a negative errno')
    this.#error = error
  }

  /** The work is over: runs the callbacks in the order in which they were added and wakes who waits. No effect the second time. */
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
    return this.#signalAt(this.kernel.scheduler.nowNs())
  }

  /** Signals, as having done so at `timestampNs`: the hardware knew it earlier. No effect the second time. @see dma_fence_signal_timestamp */
  signalTimestamp(timestampNs: number): void {
    this.#signalAt(timestampNs)
  }

  /** Sees to it that the fence will signal by itself. False when it has signalled. @see dma_fence_enable_signaling */
  enableSignaling(): boolean {
    this.#debug?.assertLive()
    assert(this.#initialised, 'a dma_fence is initialised before it is used')
    const first = !this.#signalingEnabled
    this.#signalingEnabled = true
    this.#debug?.published()
    if (this.#signaled) return false
    if (!first || this.#ops?.enableSignaling === undefined) return true
    traceDmaFence(this, 'dma_fence_enable_signal')
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
   * when the timeout ran out, -ERESTARTSYS when `interruptible` and a signal came. With a timeout of 0 it only looks: 0 then means that the fence is
   * pending, and is no error.
   *
   * @see dma_fence_wait_timeout
   */
  *wait(interruptible: boolean, timeoutNs: number): Op<number> {
    assert(timeoutNs >= 0, 'a timeout is not negative')
    this.kernel.signalling.mightWait('dma_fence_wait')
    this.enableSignaling()
    if (timeoutNs > 0) this.#debug?.waited()
    if (this.isSignaled()) return timeoutNs === 0 ? 1 : timeoutNs
    const { scheduler } = this.kernel
    traceDmaFence(this, 'dma_fence_wait_start')
    try {
      return yield* waitFor(this.#waiters, scheduler, this.#waitDone, { interruptible, timeoutNs })
    } finally {
      traceDmaFence(this, 'dma_fence_wait_end')
    }
  }

  /** A hint: somebody would like it signalled by then. Drivers may ignore it; without effect once signalled. @see dma_fence_set_deadline */
  setDeadline(deadlineNs: number): void {
    if (this.#ops?.setDeadline === undefined || this.isSignaled()) return
    this.#ops?.setDeadline?.(this, deadlineNs)
  }

  /** Whether this fence comes after `other` in the context that they share. @see dma_fence_is_later */
  isLater(other: DmaFence): boolean {
    assert(this.#context === other.context, 'only fences of one context have an order')
    if (this.#seqno64) return this.#seqno > other.seqno
    return ((this.#seqno - other.seqno) | 0) > 0
  }

  /** @see dma_fence_is_later_or_same */
  isLaterOrSame(other: DmaFence): boolean {
    return this === other || this.isLater(other)
  }

  /**
   * A reservation object takes it in. `reservedStamp`: when its slot was reserved, under the same hold of the lock; 0 when none was. Only checked mode
   * looks at the order.
   */
  noteAdded(reservedStamp: number): void {
    assert(this.#initialised, 'a dma_fence is initialised before it is added')
    this.#debug?.checkOrder(`${this.#context}:${this.#seqno}`, reservedStamp)
  }

  #signalAt(timestampNs: number): boolean {
    assert(this.#initialised, 'a dma_fence is initialised before it signals')
    if (this.#signaled) return true
    this.#debug?.signalled()
    const { signalling } = this.kernel
    const cookie = signalling.begin('dma_fence_signal')
    try {
      this.#timestampNs = timestampNs
      this.#signaled = true
      if (this.#ops !== null && this.#ops.release === undefined) this.#ops = null
      traceDmaFence(this, 'dma_fence_signaled')
      this.#runCallbacks()
      this.#waiters.wakeUpAll()
    } finally {
      signalling.end(cookie)
    }
    return false
  }

  #runCallbacks(): void {
    const callbacks = this.#callbacks
    for (let callback = callbacks.first; callback !== null; callback = callbacks.first) {
      unlinkCallback(callback)
      try {
        callback.func(this, callback)
      } catch (error) {
        // Others wait for this fence too, and its signaller can do nothing about it.
        this.kernel.scheduler.raise(error, 'a dma_fence callback')
      }
    }
  }

  /** In an RCU section, for which a driver that goes away waits (T3). */
  protected ask(question: (ops: DmaFenceOps) => string, gone: string): string {
    const { rcu } = this.kernel
    rcu.readLock()
    try {
      return this.askPending(question, gone)
    } finally {
      rcu.readUnlock()
    }
  }

  /** A fence that has signalled has no driver any more. */
  protected askPending(question: (ops: DmaFenceOps) => string, gone: string): string {
    const ops = this.#signaled ? null : this.#ops
    return ops === null ? gone : question(ops)
  }

  /** Whoever asks may be held up here, and the driver go away meanwhile. */
  #heldUp(ops: DmaFenceOps): DmaFenceOps {
    const { scheduler } = this.kernel
    if (scheduler.exploring) scheduler.choicePoint('dma_fence: pending, name not yet asked for')
    return ops
  }

  /** @see dma_fence_release */
  #release(): void {
    const abandoned = this.#initialised && !this.#signaled && this.#callbacks.first !== null
    traceDmaFence(this, 'dma_fence_destroy')
    if (abandoned) this.signalWithError(-Errno.EDEADLK)
    this.#ops?.release?.(this)
    this.#debug?.released()
    if (!abandoned || !this.kernel.checked) return
    this.kernel.report({
      check: 'dma-fence',
      message: `fence ${this.#context}:${this.#seqno} lost its last reference while somebody waited for it`,
    })
  }
}
