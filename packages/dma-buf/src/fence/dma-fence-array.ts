// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Blocker, DeferredCall, type Kernel } from '@iolayers/kernel'
import { DmaFence, type DmaFenceOps } from './dma-fence.ts'
import { DmaFenceCallback } from './dma-fence-callback.ts'
import { toDmaFenceChain } from './dma-fence-chain.ts'

export interface DmaFenceArrayInit {
  readonly context: number
  readonly seqno: number
  /** Signals with the first of the fences, not with the last. */
  readonly signalOnAny?: boolean
}

/** Behind an array: what the fence itself cannot keep while it is being made. */
class ArrayBody implements DmaFenceOps {
  readonly fences: readonly DmaFence[]
  readonly #kernel: Kernel
  readonly #children: { readonly fence: DmaFence; readonly callback: DmaFenceCallback }[] = []
  #pending: number
  #error = 0

  constructor(kernel: Kernel, fences: readonly DmaFence[], signalOnAny: boolean) {
    this.#kernel = kernel
    this.fences = fences
    this.#pending = signalOnAny ? 1 : fences.length
  }

  /** Makes what enabling will need: it may not allocate. */
  bind(array: DmaFence): void {
    const work = new DeferredCall('dma_fence_array', () => {
      this.#takeError(array)
      array.signal()
      array.put()
    })
    const signaled = (child: DmaFence): void => this.#childSignaled(array, child, work)
    for (const fence of this.fences) {
      this.#children.push({ fence, callback: new DmaFenceCallback(signaled) })
    }
  }

  getDriverName(): string {
    return 'dma_fence_array'
  }

  getTimelineName(): string {
    return 'unbound'
  }

  /** @see dma_fence_array_enable_signaling */
  enableSignaling(array: DmaFence): boolean {
    for (const { fence, callback } of this.#children) {
      // For the callback: one of several may still come when the array has signalled and everybody else has let go of it.
      array.get()
      if (fence.addCallback(callback)) continue
      this.#keepError(fence.error)
      array.put()
      this.#pending--
      if (this.#pending !== 0) continue
      this.#takeError(array)
      return false
    }
    return true
  }

  /** Before anybody asked to be told, the fences are asked themselves. @see dma_fence_array_signaled */
  signaled(array: DmaFence): boolean {
    if (array.signalingEnabled) {
      if (this.#pending > 0) return false
      this.#takeError(array)
      return true
    }
    let pending = this.#pending
    for (const fence of this.fences) if (fence.isSignaled() && --pending === 0) return true
    return false
  }

  setDeadline(_array: DmaFence, deadlineNs: number): void {
    for (const fence of this.fences) fence.setDeadline(deadlineNs)
  }

  dependsOn(): readonly Blocker[] {
    return this.fences.filter((fence) => !fence.signaledFlag)
  }

  release(): void {
    for (const fence of this.fences) fence.put()
  }

  /** @see dma_fence_array_cb_func */
  #childSignaled(array: DmaFence, child: DmaFence, work: DeferredCall): void {
    this.#keepError(child.error)
    this.#pending--
    // Not here: signalling the array inside the signal of a child would nest as deep as containers do.
    if (this.#pending === 0) this.#kernel.scheduler.queue(work)
    else array.put()
  }

  /** The first error is the array's. @see dma_fence_array_set_pending_error */
  #keepError(error: number): void {
    if (this.#error === 0) this.#error = error
  }

  #takeError(array: DmaFence): void {
    if (this.#error !== 0 && !array.signaledFlag) array.setError(this.#error)
  }
}

/**
 * One fence for several: signals with the last of them, or with the first. It ends with the first error that one of them ended with; that of a fence which had
 * ended before anybody asked the array to signal is not looked at.
 *
 * @see drivers/dma-buf/dma-fence-array.c
 */
export class DmaFenceArray extends DmaFence {
  readonly #body: ArrayBody

  /** Takes over one reference on each of `fences`, of which there is at least one; no containers (checked mode reports them). @see dma_fence_array_create */
  constructor(kernel: Kernel, fences: readonly DmaFence[], init: DmaFenceArrayInit) {
    assert(fences.length > 0, 'a dma_fence_array holds at least one fence')
    const body = new ArrayBody(kernel, [...fences], init.signalOnAny === true)
    super(kernel, body)
    this.#body = body
    body.bind(this)
    this.init(init.context, init.seqno)
    if (!kernel.checked || !fences.some(dmaFenceIsContainer)) return
    kernel.report({
      check: 'dma-fence',
      message:
        'a dma_fence_array holds a container: what it asks of its fences would nest without bound',
    })
  }

  get fences(): readonly DmaFence[] {
    return this.#body.fences
  }
}

export function toDmaFenceArray(fence: DmaFence | null): DmaFenceArray | null {
  return fence instanceof DmaFenceArray ? fence : null
}

/** Whether the fence, or every one of an array, is of `context`. @see dma_fence_match_context */
export function dmaFenceMatchContext(fence: DmaFence, context: number): boolean {
  const array = toDmaFenceArray(fence)
  if (array === null) return fence.context === context
  return array.fences.every((one) => one.context === context)
}

/** Whether the fence stands for others: an array, or a link of a chain. @see include/linux/dma-fence.h dma_fence_is_container */
export function dmaFenceIsContainer(fence: DmaFence): boolean {
  return toDmaFenceArray(fence) !== null || toDmaFenceChain(fence) !== null
}
