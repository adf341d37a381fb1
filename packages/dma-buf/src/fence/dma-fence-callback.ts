// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaFence } from './dma-fence.ts'

/** The ends of the list that a callback is on. */
export interface DmaFenceCallbackList {
  first: DmaFenceCallback | null
  last: DmaFenceCallback | null
}

/**
 * Called once when a fence signals. Intrusive: it is its own place on the fence's list, so that adding it allocates nothing; it can wait
 * on one fence at a time, and be used again after it ran or was removed. `func` runs in the signaller's context and may not sleep.
 *
 * @see include/linux/dma-fence.h struct dma_fence_cb
 */
export class DmaFenceCallback {
  readonly func: (fence: DmaFence, callback: DmaFenceCallback) => void
  list: DmaFenceCallbackList | null = null
  prev: DmaFenceCallback | null = null
  next: DmaFenceCallback | null = null

  constructor(func: (fence: DmaFence, callback: DmaFenceCallback) => void) {
    this.func = func
  }
}

export function appendCallback(list: DmaFenceCallbackList, callback: DmaFenceCallback): void {
  callback.list = list
  callback.prev = list.last
  callback.next = null
  if (list.last === null) list.first = callback
  else list.last.next = callback
  list.last = callback
}

/** Takes a callback off the list that it is on; false when it is on none. */
export function unlinkCallback(callback: DmaFenceCallback): boolean {
  const { list, prev, next } = callback
  if (list === null) return false
  if (prev === null) list.first = next
  else prev.next = next
  if (next === null) list.last = prev
  else next.prev = prev
  callback.list = null
  callback.prev = null
  callback.next = null
  return true
}
