// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** A place on the list; intrusive. */
export interface BufferListNode<N> {
  listPrev: N | null
  listNext: N | null
  /** A reference, unless the last one is gone. */
  tryGet(): boolean
}

/**
 * All buffers of a core, newest first. A buffer leaves the list when it is released, so one that somebody holds a reference on is always on
 * it, and a walk can go on from there.
 *
 * @see drivers/dma-buf/dma-buf.c dmabuf_list
 */
export class BufferList<N extends BufferListNode<N>> {
  #head: N | null = null

  addHead(node: N): void {
    node.listNext = this.#head
    if (this.#head !== null) this.#head.listPrev = node
    this.#head = node
  }

  remove(node: N): void {
    if (node.listPrev === null) this.#head = node.listNext
    else node.listPrev.listNext = node.listNext
    if (node.listNext !== null) node.listNext.listPrev = node.listPrev
    node.listPrev = null
    node.listNext = null
  }

  /** The newest buffer that still has references, with one more. */
  firstLive(): N | null {
    return takeLive(this.#head)
  }

  /** The one after `node`, on which the caller has a reference. */
  nextLive(node: N): N | null {
    return takeLive(node.listNext)
  }
}

function takeLive<N extends BufferListNode<N>>(from: N | null): N | null {
  let node = from
  while (node !== null && !node.tryGet()) node = node.listNext
  return node
}
