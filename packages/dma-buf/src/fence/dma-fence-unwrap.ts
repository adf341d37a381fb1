// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaFence } from './dma-fence.ts'
import { DmaFenceArray, toDmaFenceArray } from './dma-fence-array.ts'
import { dmaFenceChainContained, dmaFenceChainWalk } from './dma-fence-chain.ts'
import type { DmaFenceComponents } from './dma-fence-contexts.ts'
import { dmaFencePrivateStub } from './dma-fence-stub.ts'

/**
 * Walks the fences that a container stands for: a chain, newest link first, with arrays as what links add, or an array. A fence that is no container is its only one.
 *
 * @see drivers/dma-buf/dma-fence-unwrap.c struct dma_fence_unwrap
 */
export class DmaFenceUnwrap {
  #chain: DmaFence | null = null
  #contained: DmaFence | null = null
  #index = 0

  /** The first fence of `head`, good until the walk goes on; null when there is none. @see dma_fence_unwrap_first */
  first(head: DmaFence | null): DmaFence | null {
    this.end()
    head?.get()
    return this.#enter(head)
  }

  /** @see dma_fence_unwrap_next */
  next(): DmaFence | null {
    const array = toDmaFenceArray(this.#contained)
    this.#index++
    const fence = array?.fences[this.#index]
    if (fence !== undefined) return fence
    if (this.#chain === null) return null
    return this.#enter(dmaFenceChainWalk(this.#chain))
  }

  /** Lets go of where the walk is. Not needed once it came to its end. */
  end(): void {
    this.#chain?.put()
    this.#enter(null)
  }

  #enter(chain: DmaFence | null): DmaFence | null {
    this.#chain = chain
    this.#contained = chain === null ? null : dmaFenceChainContained(chain)
    this.#index = 0
    return toDmaFenceArray(this.#contained)?.fences[0] ?? this.#contained
  }
}

/** Calls `visit` for every fence that `head` stands for. @see include/linux/dma-fence-unwrap.h dma_fence_unwrap_for_each */
export function dmaFenceUnwrapForEach(
  head: DmaFence | null,
  visit: (fence: DmaFence) => void,
): void {
  const cursor = new DmaFenceUnwrap()
  try {
    for (let fence = cursor.first(head); fence !== null; fence = cursor.next()) visit(fence)
  } finally {
    cursor.end()
  }
}

/**
 * Sorts by context and keeps the latest fence of each: in place, what was overtaken is put and dropped from the array. How many are left.
 *
 * @see dma_fence_dedup_array
 */
export function dmaFenceDedupArray(fences: DmaFence[]): number {
  fences.sort(latestFirst)
  let kept = 0
  for (const fence of fences) {
    if (kept > 0 && fences[kept - 1]?.context === fence.context) fence.put()
    else fences[kept++] = fence
  }
  fences.length = kept
  return kept
}

/**
 * One fence for all that `fences` stand for, with a reference: nothing in it has signalled, or is there twice. A signalled stub with the time of the last signal when nothing is
 * pending, the only one that is, or an array in a context of its own. Takes no reference over.
 *
 * @see include/linux/dma-fence-unwrap.h dma_fence_unwrap_merge
 */
export function dmaFenceUnwrapMerge(
  components: DmaFenceComponents,
  fences: readonly (DmaFence | null)[],
): DmaFence {
  const pending: DmaFence[] = []
  let timestampNs = 0
  for (const head of fences) {
    dmaFenceUnwrapForEach(head, (fence) => {
      if (fence.isSignaled()) {
        timestampNs = Math.max(timestampNs, fence.timestampNs)
        return
      }
      fence.get()
      pending.push(fence)
    })
  }
  dmaFenceDedupArray(pending)
  const [first] = pending
  if (first === undefined) return dmaFencePrivateStub(components.kernel, timestampNs)
  if (pending.length === 1) return first
  const context = components.contexts.fenceContextAlloc(1)
  return new DmaFenceArray(components.kernel, pending, { context, seqno: 1 })
}

/** By context; in one context the latest first. */
function latestFirst(a: DmaFence, b: DmaFence): number {
  if (a.context !== b.context) return a.context - b.context
  if (b.isLater(a)) return 1
  return a.isLater(b) ? -1 : 0
}
