// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a layer offers so that its objects can be listed: a list that can be walked with nothing locked in between.
 * The list's own lock is held only inside `begin` and `next`; both skip objects whose reference count is already zero,
 * and neither sees objects that are added ahead of the current one.
 */
export interface IterSource<T> {
  /** The first object, with a reference that the caller must put; null when there is none. */
  begin(): T | null
  /** Drops the caller's reference on `current` and takes one on the object after it; null at the end. */
  next(current: T): T | null
  put(item: T): void
  /** The record that the default text program writes for an object. */
  show(item: T): string
}
