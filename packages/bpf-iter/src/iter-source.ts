// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a layer offers so that its objects can be listed: a list that can be walked with nothing locked in between.
 * The list's own lock is held only inside `begin` and `next`; both skip objects whose reference count is already zero,
 * and neither sees objects that are added ahead of the current one.
 *
 * Objects that cannot be referenced, or that have no list (a table of slots whose occupants come and go), fit as well: an item is
 * then a copy of what there is to show, with the place that it was found at; `next` goes on behind that place, `put` does nothing, and
 * `live` tells whether the object is still there.
 * @see drivers/dma-buf/dma-buf.c dma_buf_iter_begin, dma_buf_iter_next
 */
export interface IterSource<T> {
  /** The first object, with a reference that the caller must put; null when there is none. */
  begin(): T | null
  /**
   * Drops the caller's reference on `current` and takes one on the object after it; null at the end. It does so also where it throws a
   * KernelError, which then ends the listing.
   */
  next(current: T): T | null
  put(item: T): void
  /** The record that the default text program writes for an object. */
  show(item: T): string
  /**
   * Asked right before a program sees an object: false for one that went away since `begin` or `next` gave it, which is then
   * passed over. Without it all are shown.
   */
  live?(item: T): boolean
}
