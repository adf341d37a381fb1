// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { ElvRq } from './elv-rq.ts'

/** Requests in the order in which they came; one can leave from the middle. */
export class FifoList {
  #head: ElvRq | null
  #tail: ElvRq | null

  constructor() {
    this.#head = null
    this.#tail = null
  }

  get head(): ElvRq | null {
    return this.#head
  }

  addTail(node: ElvRq): void {
    this.#link(node, this.#tail, null)
  }

  addHead(node: ElvRq): void {
    this.#link(node, null, this.#head)
  }

  remove(node: ElvRq): void {
    assert(node.inFifo, 'fifo: not in it')
    if (node.previous === null) this.#head = node.next
    else node.previous.next = node.next
    if (node.next === null) this.#tail = node.previous
    else node.next.previous = node.previous
    node.previous = null
    node.next = null
    node.inFifo = false
  }

  /** Takes `node` from its place to that behind `behind`. */
  moveBehind(node: ElvRq, behind: ElvRq): void {
    this.remove(node)
    this.#link(node, behind, behind.next)
  }

  #link(node: ElvRq, previous: ElvRq | null, next: ElvRq | null): void {
    assert(!node.inFifo, 'fifo: added twice')
    node.inFifo = true
    node.previous = previous
    node.next = next
    if (previous === null) this.#head = node
    else previous.next = node
    if (next === null) this.#tail = node
    else next.previous = node
  }
}
