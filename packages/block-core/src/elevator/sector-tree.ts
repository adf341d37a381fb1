// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { ElvRq } from './elv-rq.ts'

/**
 * Requests by sector, those of one sector in the order in which they came: a treap, whose weights are scrambled sequence numbers,
 * so that every operation takes O(log n) steps without a balance to keep, and every run is the same.
 * @see block/elevator.c elv_rb_add, where the kernel has a red-black tree
 */
export class SectorTree {
  #root: ElvRq | null
  #sequence: number

  constructor() {
    this.#root = null
    this.#sequence = 0
  }

  get isEmpty(): boolean {
    return this.#root === null
  }

  /** At the request's present sector. */
  add(node: ElvRq): void {
    assert(!node.inTree, 'sector tree: added twice')
    node.sector = node.rq.sector
    node.sequence = this.#sequence
    node.weight = scramble(this.#sequence)
    this.#sequence++
    node.inTree = true
    this.#root = insert(this.#root, node)
  }

  remove(node: ElvRq): void {
    assert(node.inTree, 'sector tree: not in it')
    this.#root = erase(this.#root, node)
    node.left = null
    node.right = null
    node.inTree = false
  }

  /** The first that begins at this sector or after it. */
  atOrAfter(sector: number): ElvRq | null {
    let found: ElvRq | null = null
    let node = this.#root
    while (node !== null) {
      if (node.sector >= sector) {
        found = node
        node = node.left
      } else node = node.right
    }
    return found
  }

  /** The one after it. @see block/elevator.c elv_rb_latter_request */
  latter(of: ElvRq): ElvRq | null {
    let found: ElvRq | null = null
    let node = this.#root
    while (node !== null) {
      if (isBefore(of, node)) {
        found = node
        node = node.left
      } else node = node.right
    }
    return found
  }

  /** The one before it. @see block/elevator.c elv_rb_former_request */
  former(of: ElvRq): ElvRq | null {
    let found: ElvRq | null = null
    let node = this.#root
    while (node !== null) {
      if (isBefore(node, of)) {
        found = node
        node = node.right
      } else node = node.left
    }
    return found
  }
}

/** Spreads consecutive numbers over 32 bits. */
function scramble(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x45d9_f3b)
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9_f3b)
  return (bits ^ (bits >>> 16)) >>> 0
}

function isBefore(one: ElvRq, other: ElvRq): boolean {
  return one.sector < other.sector || (one.sector === other.sector && one.sequence < other.sequence)
}

function insert(root: ElvRq | null, node: ElvRq): ElvRq {
  if (root === null) return node
  if (node.weight > root.weight) {
    split(root, node, node)
    return node
  }
  if (isBefore(node, root)) root.left = insert(root.left, node)
  else root.right = insert(root.right, node)
  return root
}

/** Hangs what is before `at` under `holder.left` and the rest under `holder.right`. */
function split(root: ElvRq | null, at: ElvRq, holder: ElvRq): void {
  let node = root
  let before: ElvRq | null = null
  let after: ElvRq | null = null
  let left: ElvRq | null = null
  let right: ElvRq | null = null
  while (node !== null) {
    if (isBefore(node, at)) {
      if (before === null) left = node
      else before.right = node
      before = node
      node = node.right
      continue
    }
    if (after === null) right = node
    else after.left = node
    after = node
    node = node.left
  }
  if (before !== null) before.right = null
  if (after !== null) after.left = null
  holder.left = left
  holder.right = right
}

function erase(root: ElvRq | null, node: ElvRq): ElvRq | null {
  assert(root !== null, 'sector tree: lost a request')
  if (root === node) return join(node.left, node.right)
  if (isBefore(node, root)) root.left = erase(root.left, node)
  else root.right = erase(root.right, node)
  return root
}

/** All of `left` is before all of `right`. */
function join(left: ElvRq | null, right: ElvRq | null): ElvRq | null {
  if (left === null) return right
  if (right === null) return left
  if (left.weight > right.weight) {
    left.right = join(left.right, right)
    return left
  }
  right.left = join(left, right.left)
  return right
}
