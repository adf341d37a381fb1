// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import type { DmaFence } from './dma-fence.ts'

/**
 * The later of two fences of one context, without a reference of its own; null when that one has signalled, and so both have.
 *
 * @see include/linux/dma-fence.h dma_fence_later
 */
export function dmaFenceLater(first: DmaFence, second: DmaFence): DmaFence | null {
  // Asked of the later one only: an earlier one may be told last that it has signalled.
  const later = first.isLater(second) ? first : second
  return later.isSignaled() ? null : later
}

/** A place that holds a fence, and that is read without a lock. */
export interface DmaFenceSlot {
  readonly fence: DmaFence | null
}

/**
 * The fence that is in `slot`, with a reference; null when there is none. In an RCU section. A fence whose last reference goes, or that is replaced, meanwhile is
 * looked up again.
 *
 * @see include/linux/dma-fence.h dma_fence_get_rcu_safe
 */
export function dmaFenceGetRcuSafe(kernel: Kernel, slot: DmaFenceSlot): DmaFence | null {
  const { scheduler } = kernel
  for (;;) {
    const { fence } = slot
    if (fence === null) return null
    if (scheduler.exploring) scheduler.choicePoint('dma_fence_get_rcu_safe')
    if (!fence.tryGet()) continue
    // Meanwhile it may have been put elsewhere as another fence; a reference makes sure that it is this one.
    if (slot.fence === fence) return fence
    fence.put()
  }
}
