// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Reservation object: the lock of a buffer, and the fences of the work that is under way on it. Not a lock on contents: whoever only
// wants to know whether work is over waits without the lock.

import {
  assert,
  type Kernel,
  KernelError,
  type Op,
  type WwAcquireCtx,
  type WwClass,
  WwMutex,
} from '@iolayers/kernel'
import type { DmaFence } from '../fence/dma-fence.ts'
import type { DmaResvUsage } from './dma-resv-usage.ts'

const RESERVE_MIN = 4

export interface DmaResvInit {
  /** Fault injection: true makes this `reserveFences` fail with ENOMEM. */
  readonly failReserveFences?: (resv: DmaResv, count: number) => boolean
}

/** Slots for fences. Replaced as a whole when it grows, which is how a walk without the lock notices. @see struct dma_resv_list */
class DmaResvList {
  readonly fences: (DmaFence | null)[]
  readonly usages: DmaResvUsage[]
  count: number
  maxFences: number

  constructor(maxFences: number) {
    this.fences = new Array<DmaFence | null>(maxFences).fill(null)
    this.usages = new Array<DmaResvUsage>(maxFences).fill(0)
    this.count = 0
    this.maxFences = maxFences
  }

  set(index: number, fence: DmaFence, usage: DmaResvUsage): void {
    this.fences[index] = fence
    this.usages[index] = usage
  }

  /** The fence at `index` if it belongs to `usage` or a class below it. */
  at(index: number, usage: DmaResvUsage): DmaFence | null {
    if ((this.usages[index] ?? 0) > usage) return null
    return this.fences[index] ?? null
  }
}

/**
 * The reservation object of one buffer, or of several that an exporter locks together.
 *
 * @see drivers/dma-buf/dma-resv.c
 */
export class DmaResv {
  readonly #kernel: Kernel
  readonly #lock: WwMutex
  readonly #init: DmaResvInit
  #list: DmaResvList

  constructor(kernel: Kernel, wwClass: WwClass, init: DmaResvInit = {}) {
    this.#kernel = kernel
    this.#lock = new WwMutex(kernel.scheduler, wwClass.name)
    this.#init = init
    this.#list = new DmaResvList(0)
  }

  /** 0, or with a context -EDEADLK (back off: unlock everything, then `lockSlow`) or -EALREADY. @see dma_resv_lock */
  *lock(ctx: WwAcquireCtx | null): Op<number> {
    return yield* this.#lock.lock(ctx)
  }

  /** As `lock`, and -ERESTARTSYS when a signal came first. @see dma_resv_lock_interruptible */
  *lockInterruptible(ctx: WwAcquireCtx | null): Op<number> {
    return yield* this.#lock.lockInterruptible(ctx)
  }

  /** After -EDEADLK, with nothing locked in the context. @see dma_resv_lock_slow */
  *lockSlow(ctx: WwAcquireCtx): Op<void> {
    yield* this.#lock.lockSlow(ctx)
  }

  /** @see dma_resv_trylock */
  tryLock(ctx: WwAcquireCtx | null = null): boolean {
    return this.#lock.tryLock(ctx)
  }

  unlock(): void {
    // A reservation of slots does not outlive the lock: found early in checked mode, as with CONFIG_DEBUG_MUTEXES.
    if (this.#kernel.checked) this.#list.maxFences = this.#list.count
    this.#lock.unlock()
  }

  /** Whether the running task holds the lock. */
  get held(): boolean {
    return this.#lock.heldByCurrent
  }

  /** @see dma_resv_assert_held */
  assertHeld(): void {
    assert(this.held, 'the reservation lock is not held by the running task')
  }

  /** Fences that are kept now, signalled ones included. */
  get fences(): number {
    return this.#list.count
  }

  /**
   * Makes room so that the next `count` calls of `addFence` cannot fail. With the lock held, which the room does not outlive. Throws
   * ENOMEM, and EINVAL for a count that is not positive.
   *
   * @see dma_resv_reserve_fences
   */
  reserveFences(count: number): void {
    this.assertHeld()
    if (!(Number.isInteger(count) && count > 0)) {
      throw new KernelError('EINVAL', 'fence slots to reserve', {
        value: count,
        accepted: '1 or more',
      })
    }
    if (this.#init.failReserveFences?.(this, count) === true) {
      throw new KernelError('ENOMEM', `no memory for ${count} fence slots`)
    }
    const old = this.#list
    const needed = old.count + count
    if (needed <= old.fences.length) {
      old.maxFences = old.fences.length
      return
    }
    this.#list = this.#grow(old, Math.max(needed, old.fences.length * 2, RESERVE_MIN))
  }

  /**
   * Adds a fence, with a reference of its own, into a slot reserved before under the same hold of the lock. It takes the place of a fence of the
   * same context that is not later and of this class or one above it, or of one that has signalled. Neither sleeps nor allocates.
   *
   * @see dma_resv_add_fence
   */
  addFence(fence: DmaFence, usage: DmaResvUsage): void {
    this.assertHeld()
    fence.get()
    const list = this.#list
    for (let i = 0; i < list.count; i++) {
      const old = list.fences[i] ?? null
      if (old === null) continue
      const replaces =
        old.context === fence.context && (list.usages[i] ?? 0) >= usage && fence.isLaterOrSame(old)
      if (!replaces && !old.isSignaled()) continue
      list.set(i, fence, usage)
      old.put()
      return
    }
    assert(list.count < list.maxFences, 'dma_resv: a fence was added without a reserved slot')
    list.set(list.count, fence, usage)
    list.count++
  }

  /** Puts `replacement` in place of every fence of `context`: the work has been overtaken. @see dma_resv_replace_fences */
  replaceFences(context: number, replacement: DmaFence, usage: DmaResvUsage): void {
    this.assertHeld()
    const list = this.#list
    for (let i = 0; i < list.count; i++) {
      const old = list.fences[i] ?? null
      if (old === null || old.context !== context) continue
      replacement.get()
      list.set(i, replacement, usage)
      old.put()
    }
  }

  /** Calls `visit` for every fence of `usage` and the classes below it, signalled ones included. Lock held. @see dma_resv_for_each_fence */
  forEachFence(usage: DmaResvUsage, visit: (fence: DmaFence, usage: DmaResvUsage) => void): void {
    this.assertHeld()
    const list = this.#list
    for (let i = 0; i < list.count; i++) {
      const fence = list.at(i, usage)
      if (fence !== null) visit(fence, list.usages[i] ?? 0)
    }
  }

  /**
   * Waits until the fences of `usage` and the classes below it have signalled, with or without the lock held. Without it, fences that are added
   * meanwhile may or may not be waited for. The time that is left (at least 1), 0 when the timeout ran out, -ERESTARTSYS.
   * A timeout of 0 looks only: 0 then means that something is pending.
   *
   * @see dma_resv_wait_timeout
   */
  *waitTimeout(usage: DmaResvUsage, interruptible: boolean, timeoutNs: number): Op<number> {
    let left = timeoutNs
    let result = timeoutNs === 0 ? 1 : timeoutNs
    let list = this.#list
    let count = list.count
    for (let i = 0; i < count; i++) {
      const fence = list.at(i, usage)
      if (fence === null || !fence.tryGet()) continue
      try {
        if (fence.isSignaled()) continue
        result = yield* fence.wait(interruptible, left)
      } finally {
        fence.put()
      }
      if (result <= 0) return result
      if (timeoutNs !== 0) left = result
      if (this.#list === list) continue
      list = this.#list
      count = list.count
      i = -1
    }
    return result
  }

  /** Whether every fence of `usage` and the classes below it has signalled. @see dma_resv_test_signaled */
  testSignaled(usage: DmaResvUsage): boolean {
    const list = this.#list
    for (let i = 0; i < list.count; i++) {
      const fence = list.at(i, usage)
      if (fence !== null && !fence.isSignaled()) return false
    }
    return true
  }

  /** Drops the references on all fences. The buffers are gone. @see dma_resv_fini */
  fini(): void {
    const list = this.#list
    this.#list = new DmaResvList(0)
    for (let i = 0; i < list.count; i++) list.fences[i]?.put()
  }

  /** A larger list without the fences that have signalled. */
  #grow(old: DmaResvList, maxFences: number): DmaResvList {
    const list = new DmaResvList(maxFences)
    for (let i = 0; i < old.count; i++) {
      const fence = old.fences[i] ?? null
      if (fence === null) continue
      if (fence.isSignaled()) {
        fence.put()
        continue
      }
      list.set(list.count, fence, old.usages[i] ?? 0)
      list.count++
    }
    return list
  }
}
