// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterSource } from './iter-source.ts'

/**
 * Walks a source from inside a program, without a file. The object that `next` returned is current, and its reference the
 * iterator's, until the next call of `next` or `destroy`.
 * @see kernel/bpf/dmabuf_iter.c bpf_iter_dmabuf_new, bpf_iter_dmabuf_next, bpf_iter_dmabuf_destroy
 */
export interface OpenCodedIter<T> {
  /** The next object; null at the end, and from then on. */
  next(): T | null
  /** Drops the current object's reference. Idempotent; afterwards `next` returns null. */
  destroy(): void
}

export function createOpenCodedIter<T>(source: IterSource<T>): OpenCodedIter<T> {
  let current: T | null = null
  let state: 'new' | 'walking' | 'ended' = 'new'
  return {
    next(): T | null {
      if (state === 'ended') return null
      current = current === null ? source.begin() : source.next(current)
      state = current === null ? 'ended' : 'walking'
      return current
    },
    destroy(): void {
      if (current !== null) source.put(current)
      current = null
      state = 'ended'
    },
  }
}
