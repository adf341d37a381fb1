// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A chain is a timeline: each link holds one fence and the link before it, and has signalled when its own fence and all those before have. Links whose
// fence has signalled are taken out by whoever walks by, so that a chain never keeps more than what is pending.

import { assert, DeferredCall, type Kernel, KernelError } from '@iolayers/kernel'
import { DmaFence, type DmaFenceOps } from './dma-fence.ts'
import { DmaFenceCallback } from './dma-fence-callback.ts'
import type { DmaFenceComponents } from './dma-fence-contexts.ts'
import { dmaFenceGetRcuSafe } from './dma-fence-lookup.ts'

/** Behind a link: what the fence itself cannot keep while it is being made. As a slot, its `fence` is the link before. */
class ChainBody implements DmaFenceOps {
  readonly contained: DmaFence
  fence: DmaFence | null
  readonly #kernel: Kernel
  /** On one fence of the chain at a time, the newest that is pending. */
  #callback: DmaFenceCallback | null = null

  constructor(kernel: Kernel, prev: DmaFence | null, contained: DmaFence) {
    this.#kernel = kernel
    this.fence = prev
    this.contained = contained
  }

  /** Makes what enabling will need: it may not allocate. */
  bind(head: DmaFence): void {
    const work = new DeferredCall('dma_fence_chain', () => {
      // Others may be pending still: on to the next of them.
      if (!this.enableSignaling(head)) head.signal()
      head.put()
    })
    this.#callback = new DmaFenceCallback((fence) => {
      this.#kernel.scheduler.queue(work)
      fence.put()
    })
  }

  getDriverName(): string {
    return 'dma_fence_chain'
  }

  getTimelineName(): string {
    return 'unbound'
  }

  /** The link before, with a reference. @see dma_fence_chain_get_prev */
  getPrev(): DmaFence | null {
    const { rcu } = this.#kernel
    rcu.readLock()
    try {
      return dmaFenceGetRcuSafe(this.#kernel, this)
    } finally {
      rcu.readUnlock()
    }
  }

  /** @see dma_fence_chain_enable_signaling */
  enableSignaling(head: DmaFence): boolean {
    const callback = this.#callback
    assert(callback !== null, 'a link of a dma_fence_chain without its callback')
    head.get()
    const added = findLink(head, (fence) => {
      fence.get()
      if (fence.addCallback(callback)) return true
      fence.put()
      return false
    })
    if (!added) head.put()
    return added
  }

  /** @see dma_fence_chain_signaled */
  signaled(head: DmaFence): boolean {
    return !findLink(head, (fence) => !fence.isSignaled())
  }

  /** @see dma_fence_chain_set_deadline */
  setDeadline(head: DmaFence, deadlineNs: number): void {
    findLink(head, (fence) => {
      fence.setDeadline(deadlineNs)
      return false
    })
  }

  /** Takes out one by one those that nobody else holds, so that a long chain does not end link within link. @see dma_fence_chain_release */
  release(): void {
    for (let prev = this.fence; prev !== null; prev = this.fence) {
      const before = bodyOf(prev)
      if (before === null || prev.references > 1) break
      this.fence = before.fence
      before.fence = null
      prev.put()
    }
    this.fence?.put()
    this.contained.put()
  }
}

function bodyOf(fence: DmaFence): ChainBody | null {
  return fence.ops instanceof ChainBody ? fence.ops : null
}

/** Whether `found` says true of what one of the links adds, newest first; no further than that one. */
function findLink(head: DmaFence, found: (contained: DmaFence) => boolean): boolean {
  head.get()
  for (let link: DmaFence | null = head; link !== null; link = dmaFenceChainWalk(link)) {
    if (!found(dmaFenceChainContained(link))) continue
    link.put()
    return true
  }
  return false
}

/**
 * One link of a chain. Its sequence number never wraps.
 *
 * @see drivers/dma-buf/dma-fence-chain.c
 */
export class DmaFenceChain extends DmaFence {
  /** The sequence number of the link before as it was when this one was made; 0 when the timeline begins here. */
  readonly prevSeqno: number
  /** What this link adds to its chain, without a reference of its own. */
  readonly fence: DmaFence

  /**
   * A link on top of `prev`: of its timeline when `seqno` is later than it, else the first of a new one whose number is not smaller than that of `prev`.
   * Takes over one reference on `prev`, which may be any fence or null, and on `fence`, which is no chain. The caller has the one reference on the link.
   *
   * @see dma_fence_chain_init
   */
  constructor(
    components: DmaFenceComponents,
    prev: DmaFence | null,
    fence: DmaFence,
    seqno: number,
  ) {
    assert(toDmaFenceChain(fence) === null, 'a link of a dma_fence_chain adds no other chain')
    const body = new ChainBody(components.kernel, prev, fence)
    super(components.kernel, body)
    body.bind(this)
    this.fence = fence
    const before = toDmaFenceChain(prev)
    const goesOn = before !== null && seqno > before.seqno
    this.prevSeqno = goesOn ? before.seqno : 0
    this.init64(
      goesOn ? before.context : components.contexts.fenceContextAlloc(1),
      before === null ? seqno : Math.max(before.seqno, seqno),
    )
  }
}

export function toDmaFenceChain(fence: DmaFence | null): DmaFenceChain | null {
  return fence instanceof DmaFenceChain ? fence : null
}

/** What a link adds to its chain; any other fence is itself. @see include/linux/dma-fence-chain.h dma_fence_chain_contained */
export function dmaFenceChainContained(fence: DmaFence): DmaFence {
  return toDmaFenceChain(fence)?.fence ?? fence
}

/**
 * From one link to the one before that is pending, or whose turn it is to be looked at; null at the end, and after a fence that is no chain. Takes over the caller's
 * reference on `link` and gives one on what it returns. Takes links out that have signalled.
 *
 * @see dma_fence_chain_walk
 */
export function dmaFenceChainWalk(link: DmaFence): DmaFence | null {
  const body = bodyOf(link)
  if (body === null) {
    link.put()
    return null
  }
  let prev = body.getPrev()
  while (prev !== null) {
    const before = bodyOf(prev)
    if (!dmaFenceChainContained(prev).isSignaled()) break
    const replacement = before === null ? null : before.getPrev()
    // Another walker may have taken it out meanwhile.
    if (body.fence === prev) {
      body.fence = replacement
      prev.put()
    } else {
      replacement?.put()
    }
    prev.put()
    prev = body.getPrev()
  }
  link.put()
  return prev
}

/**
 * The link to wait for, so that everything up to `seqno` is over, with a reference; null when all of that has signalled. `head` for number 0, and the link that reaches `seqno`
 * where numbers have gaps. Throws EINVAL when `head` is no chain or has not come as far as `seqno` yet.
 *
 * @see dma_fence_chain_find_seqno
 */
export function dmaFenceChainFindSeqno(head: DmaFence, seqno: number): DmaFence | null {
  if (seqno === 0) {
    head.get()
    return head
  }
  const chain = toDmaFenceChain(head)
  if (chain === null) throw new KernelError('EINVAL', 'a fence that is no chain was searched')
  if (chain.seqno < seqno) {
    throw new KernelError('EINVAL', 'sequence number to find in a chain', {
      value: seqno,
      accepted: `up to ${chain.seqno}`,
    })
  }
  head.get()
  for (let link: DmaFence | null = head; link !== null; link = dmaFenceChainWalk(link)) {
    const reaches = (toDmaFenceChain(link)?.prevSeqno ?? 0) >= seqno
    if (link.context !== chain.context || !reaches) return link
  }
  return null
}
