// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterSource } from './iter-source.ts'

/**
 * Walks a source from inside a program, without a file. The object that `next` returned is current, and its reference the
 * iterator's, until the next call of `next` or `destroy`. In a `for` loop it destroys itself when the loop is left, however that
 * happens.
 * @see kernel/bpf/dmabuf_iter.c bpf_iter_dmabuf_new, bpf_iter_dmabuf_next, bpf_iter_dmabuf_destroy
 */
export interface OpenCodedIter<T> extends Iterable<T, void> {
  /** The next object; null at the end, and from then on. What the source throws ends the walk. */
  next(): T | null
  /** Drops the current object's reference. Idempotent; afterwards `next` returns null. */
  destroy(): void
}

/** Making one walks nothing yet, and cannot fail. @see kernel/bpf/dmabuf_iter.c bpf_iter_dmabuf_new */
export function createOpenCodedIter<T>(source: IterSource<T>): OpenCodedIter<T> {
  let current: T | null = null
  let ended = false
  const iter: OpenCodedIter<T> = {
    next(): T | null {
      if (ended) return null
      const before = current
      current = null
      // If the source throws, nothing is current, and there is no going on.
      ended = true
      current = before === null ? source.begin() : source.next(before)
      ended = current === null
      return current
    },
    destroy(): void {
      if (current !== null) source.put(current)
      current = null
      ended = true
    },
    *[Symbol.iterator](): Generator<T, void> {
      try {
        for (let item = iter.next(); item !== null; item = iter.next()) yield item
      } finally {
        iter.destroy()
      }
    },
  }
  return iter
}
