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
import { DmaFenceArray, dmaFenceIsContainer } from '../fence/dma-fence-array.ts'
import type { DmaFenceContexts } from '../fence/dma-fence-contexts.ts'
import { DmaResvIter } from './dma-resv-iter.ts'
import { DmaResvList, type DmaResvListSlot } from './dma-resv-list.ts'
import { DmaResvUsage } from './dma-resv-usage.ts'

const RESERVE_MIN = 4

/** By class. @see drivers/dma-buf/dma-resv.c dma_resv_describe */
const USAGE_NAMES = ['kernel', 'write', 'read', 'bookkeep'] as const

export interface DmaResvInit {
  /** Fault injection: true makes this `reserveFences` fail with ENOMEM. */
  readonly failReserveFences?: (resv: DmaResv, count: number) => boolean
}

/**
 * The reservation object of one buffer, or of several that an exporter locks together.
 *
 * @see drivers/dma-buf/dma-resv.c
 */
export class DmaResv {
  readonly #kernel: Kernel
  readonly #lock: WwMutex
  readonly #lockClass: string
  readonly #init: DmaResvInit
  readonly #slot: DmaResvListSlot
  readonly #assertHeld: () => void
  /** Checked mode: when slots were reserved first under this hold of the lock; 0 before. */
  #reservedStamp: number

  constructor(kernel: Kernel, wwClass: WwClass, init: DmaResvInit = {}) {
    this.#kernel = kernel
    this.#lock = new WwMutex(kernel.scheduler, wwClass.name)
    this.#lockClass = wwClass.name
    this.#init = init
    this.#slot = { list: new DmaResvList(0) }
    this.#assertHeld = () => this.assertHeld()
    this.#reservedStamp = 0
  }

  /** 0, or with a context -EDEADLK (back off: unlock everything, then `lockSlow`) or -EALREADY. @see dma_resv_lock */
  *lock(ctx: WwAcquireCtx | null): Op<number> {
    this.#kernel.signalling.mightLock(this.#lockClass)
    return yield* this.#lock.lock(ctx)
  }

  /** As `lock`, and -ERESTARTSYS when a signal came first. @see dma_resv_lock_interruptible */
  *lockInterruptible(ctx: WwAcquireCtx | null): Op<number> {
    this.#kernel.signalling.mightLock(this.#lockClass)
    return yield* this.#lock.lockInterruptible(ctx)
  }

  /** After -EDEADLK, with nothing locked in the context. @see dma_resv_lock_slow */
  *lockSlow(ctx: WwAcquireCtx): Op<void> {
    this.#kernel.signalling.mightLock(this.#lockClass)
    yield* this.#lock.lockSlow(ctx)
  }

  /** As `lockSlow`: 0, or -ERESTARTSYS when a signal came first. @see dma_resv_lock_slow_interruptible */
  *lockSlowInterruptible(ctx: WwAcquireCtx): Op<number> {
    this.#kernel.signalling.mightLock(this.#lockClass)
    return yield* this.#lock.lockSlowInterruptible(ctx)
  }

  /** Allowed where fences are signalled: it does not wait. @see dma_resv_trylock */
  tryLock(ctx: WwAcquireCtx | null = null): boolean {
    return this.#lock.tryLock(ctx)
  }

  unlock(): void {
    // A reservation of slots does not outlive the lock: found early in checked mode, as with CONFIG_DEBUG_MUTEXES.
    if (this.#kernel.checked) this.#slot.list.maxFences = this.#slot.list.count
    this.#reservedStamp = 0
    this.#lock.unlock()
  }

  /** Whether anybody holds the lock. @see dma_resv_is_locked */
  get isLocked(): boolean {
    return this.#lock.locked
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
    return this.#slot.list.count
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
    this.#alloc(count)
    if (this.#reservedStamp === 0) this.#reservedStamp = this.#kernel.signalling.stamp()
    const old = this.#slot.list
    const needed = old.count + count
    if (needed <= old.capacity) {
      old.maxFences = old.capacity
      return
    }
    this.#grow(old, Math.max(needed, old.capacity * 2, RESERVE_MIN))
  }

  /**
   * Adds a fence, with a reference of its own, into a slot reserved before under the same hold of the lock. It takes the place of a fence of the
   * same context that is not later and of this class or one above it, or of one that has signalled. Neither sleeps nor allocates. Containers are taken apart before, and
   * their fences added: checked mode reports one.
   *
   * @see dma_resv_add_fence
   */
  addFence(fence: DmaFence, usage: DmaResvUsage): void {
    this.assertHeld()
    fence.noteAdded(this.#reservedStamp)
    this.#refuseContainer(fence)
    fence.get()
    const { list } = this.#slot
    for (let i = 0; i < list.count; i++) {
      const old = list.fenceAt(i)
      if (old === null) continue
      const replaces =
        old.context === fence.context && list.usageAt(i) >= usage && fence.isLaterOrSame(old)
      if (!replaces && !old.isSignaled()) continue
      list.set(i, fence, usage)
      old.put()
      return
    }
    assert(list.count < list.maxFences, 'dma_resv: a fence was added without a reserved slot')
    list.push(fence, usage)
  }

  /** Puts `replacement` in place of every fence of `context`: the work has been overtaken. @see dma_resv_replace_fences */
  replaceFences(context: number, replacement: DmaFence, usage: DmaResvUsage): void {
    this.assertHeld()
    const { list } = this.#slot
    for (let i = 0; i < list.count; i++) {
      const old = list.fenceAt(i)
      if (old === null || old.context !== context) continue
      replacement.get()
      list.set(i, replacement, usage)
      old.put()
    }
  }

  /** A walk over the fences of `usage` and the classes below it, with or without the lock; to be ended. @see dma_resv_iter_begin */
  iterBegin(usage: DmaResvUsage): DmaResvIter {
    return new DmaResvIter(this.#kernel, this.#slot, usage, this.#assertHeld)
  }

  /** Calls `visit` for every fence of `usage` and the classes below it, signalled ones included. Lock held. @see dma_resv_for_each_fence */
  forEachFence(usage: DmaResvUsage, visit: (fence: DmaFence, usage: DmaResvUsage) => void): void {
    const cursor = this.iterBegin(usage)
    for (let fence = cursor.first(); fence !== null; fence = cursor.next()) {
      visit(fence, cursor.usage)
    }
  }

  /**
   * The fences of `usage` and the classes below it that are pending, all at one moment, with a reference on each for the caller. With or without the lock. Throws ENOMEM.
   *
   * @see dma_resv_get_fences
   */
  getFences(usage: DmaResvUsage): DmaFence[] {
    const list = this.#gather(usage)
    return Array.from({ length: list.count }, (_, i) => list.fenceAt(i)).filter(
      (fence) => fence !== null,
    )
  }

  /**
   * One fence for those that `getFences` gives, with a reference: null for none, the only one, or an array of them in a context of its own. Not to be added to a reservation object.
   *
   * @see dma_resv_get_singleton
   */
  getSingleton(usage: DmaResvUsage, contexts: DmaFenceContexts): DmaFence | null {
    const fences = this.getFences(usage)
    if (fences.length <= 1) return fences[0] ?? null
    const context = contexts.fenceContextAlloc(1)
    return new DmaFenceArray(this.#kernel, fences, { context, seqno: 1 })
  }

  /**
   * Replaces all fences by those that are pending in `source`, in their classes. Lock held; that of `source` need not be. Throws ENOMEM, and nothing has changed then.
   *
   * @see dma_resv_copy_fences
   */
  copyFences(source: DmaResv): void {
    this.assertHeld()
    this.#replaceList(source.#gather(DmaResvUsage.BOOKKEEP)).putAll()
  }

  /**
   * Waits until the fences of `usage` and the classes below it have signalled, with or without the lock held. Without it, fences that are added
   * meanwhile may or may not be waited for. The time that is left (at least 1), 0 when the timeout ran out, -ERESTARTSYS.
   * A timeout of 0 looks only: 0 then means that something is pending, and is no error.
   *
   * @see dma_resv_wait_timeout
   */
  *waitTimeout(usage: DmaResvUsage, interruptible: boolean, timeoutNs: number): Op<number> {
    let left = timeoutNs
    let result = timeoutNs === 0 ? 1 : timeoutNs
    const cursor = this.iterBegin(usage)
    try {
      for (let fence = cursor.firstUnlocked(); fence !== null; fence = cursor.nextUnlocked()) {
        result = yield* fence.wait(interruptible, left)
        if (result <= 0) return result
        if (timeoutNs !== 0) left = result
      }
      return result
    } finally {
      cursor.end()
    }
  }

  /** Whether every fence of `usage` and the classes below it has signalled. @see dma_resv_test_signaled */
  testSignaled(usage: DmaResvUsage): boolean {
    const { rcu } = this.#kernel
    rcu.readLock()
    try {
      let { list } = this.#slot
      for (let i = 0; i < list.count; i++) {
        const fence = list.usageAt(i) <= usage ? list.fenceAt(i) : null
        if (fence !== null && isPending(fence)) return false
        if (list === this.#slot.list) continue
        // Rearranged while a driver was asked.
        list = this.#slot.list
        i = -1
      }
      return true
    } finally {
      rcu.readUnlock()
    }
  }

  /** Tells the fences of `usage` and the classes below it when somebody hopes that they signal. @see dma_resv_set_deadline */
  setDeadline(usage: DmaResvUsage, deadlineNs: number): void {
    const cursor = this.iterBegin(usage)
    for (let fence = cursor.firstUnlocked(); fence !== null; fence = cursor.nextUnlocked()) {
      fence.setDeadline(deadlineNs)
    }
    cursor.end()
  }

  /**
   * One line a fence of `usage` and the classes below it: class and fence. Lock held. The kernel stops at READ, which is the default.
   *
   * @see dma_resv_describe
   */
  describe(usage: DmaResvUsage = DmaResvUsage.READ): string {
    let text = ''
    this.forEachFence(usage, (fence, its) => {
      text += `\t${USAGE_NAMES[its]} fence:${fence.describe()}\n`
    })
    return text
  }

  /** Drops the references on all fences. The buffers are gone. @see dma_resv_fini */
  fini(): void {
    this.#replaceList(new DmaResvList(0)).putAll()
  }

  /** Memory for `count` fences is about to be taken. */
  #alloc(count: number): void {
    this.#kernel.signalling.mightAlloc('dma_resv_list_alloc')
    if (this.#init.failReserveFences?.(this, count) !== true) return
    throw new KernelError('ENOMEM', `no memory for ${count} fence slots`)
  }

  /** What is pending, with references, in a list that nobody else knows. */
  #gather(usage: DmaResvUsage): DmaResvList {
    const cursor = this.iterBegin(usage)
    let list = new DmaResvList(0)
    try {
      for (let fence = cursor.firstUnlocked(); fence !== null; fence = cursor.nextUnlocked()) {
        if (cursor.isRestarted) {
          list.putAll()
          list = new DmaResvList(0)
          this.#alloc(this.fences)
        }
        fence.get()
        list.push(fence, cursor.usage)
      }
      return list
    } catch (error) {
      list.putAll()
      throw error
    } finally {
      cursor.end()
    }
  }

  /** A larger list without the fences that have signalled; what is pending is the same for who looks at either. */
  #grow(old: DmaResvList, maxFences: number): void {
    const list = new DmaResvList(maxFences)
    const signaled: DmaFence[] = []
    for (let i = 0; i < old.count; i++) {
      const fence = old.fenceAt(i)
      if (fence === null) continue
      if (fence.isSignaled()) signaled.push(fence)
      else list.push(fence, old.usageAt(i))
    }
    this.#replaceList(list)
    // Not before: who walks the old list would find fences without references there.
    for (const fence of signaled) fence.put()
  }

  /** The old list, whose references the caller deals with. */
  #replaceList(list: DmaResvList): DmaResvList {
    const old = this.#slot.list
    this.#slot.list = list
    old.free(this.#kernel)
    return old
  }

  #refuseContainer(fence: DmaFence): void {
    if (!this.#kernel.checked || !dmaFenceIsContainer(fence)) return
    this.#kernel.report({
      check: 'dma-fence',
      message: `${fence.driverName} ${fence.context}:${fence.seqno} was added to a dma_resv: its fences are to be added one by one`,
    })
  }
}

/** One that is gone has been replaced. */
function isPending(fence: DmaFence): boolean {
  if (!fence.tryGet()) return false
  const pending = !fence.isSignaled()
  fence.put()
  return pending
}
