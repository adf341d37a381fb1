// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertOnce } from '@iolayers/kernel'
import { MAX_ORDER_NR_PAGES, MAX_PAGE_ORDER } from '../constants.ts'

// One byte of state for the first frame of every block, free or not; frames inside a block have 0. Blocks tile the region,
// so a walk from block to block sees all of it.
const ORDER_MASK = 0x0f // order + 1
const ALLOCATED = 0x80
/** Part of a contiguous range, which is freed only as a whole. */
const CONTIGUOUS = 0x40
/** The block with which a contiguous range begins. */
const RANGE_START = 0x20

/**
 * The buddy allocator of one region. Indexes are frames relative to the region, whose base is a multiple of the largest
 * block. Its own memory is nine bytes a frame in typed arrays, of which only what is used is ever touched.
 *
 * Invariants: blocks are aligned to their size and tile the region; no two free buddies are left apart; a block is on the
 * free list of its order exactly when its state says that it is free.
 * @see mm/page_alloc.c __rmqueue_smallest, expand, __free_one_page
 * @internal
 */
export class PageAllocator {
  readonly #frames: number
  readonly #state: Uint8Array
  // Doubly linked free lists; links are index + 1, 0 is the end.
  readonly #next: Int32Array
  readonly #prev: Int32Array
  readonly #heads: Int32Array = new Int32Array(MAX_PAGE_ORDER + 1)
  #freeFrames = 0

  constructor(frames: number) {
    this.#frames = frames
    this.#state = new Uint8Array(frames)
    this.#next = new Int32Array(frames)
    this.#prev = new Int32Array(frames)
    // From the end, so that the lists start with the lowest blocks.
    let end = frames
    for (let order = 0; order < MAX_PAGE_ORDER; order++) {
      if ((end & (1 << order)) !== 0) {
        end -= 1 << order
        this.#pushFree(end, order)
      }
    }
    for (let i = end - MAX_ORDER_NR_PAGES; i >= 0; i -= MAX_ORDER_NR_PAGES) {
      this.#pushFree(i, MAX_PAGE_ORDER)
    }
  }

  get freeFrames(): number {
    return this.#freeFrames
  }

  /** Index of a block of 2^order frames, or -1. */
  alloc(order: number): number {
    const index = this.#take(order)
    if (index >= 0) this.#state[index] = ALLOCATED | (order + 1)
    return index
  }

  /** Asserts that exactly this block is allocated. */
  free(index: number, order: number): void {
    assertOnce(
      this.#state[index] === (ALLOCATED | (order + 1)),
      'freePages: no such allocated block',
    )
    this.#freeBlock(index, order)
  }

  /** Index of the first of `count` neighbouring frames, or -1 when there is no such run. */
  allocContiguous(count: number): number {
    if (count <= MAX_ORDER_NR_PAGES) {
      const order = orderFor(count)
      const index = this.#take(order)
      if (index >= 0) {
        this.#freeRun(index + count, index + (1 << order))
        this.#markContiguous(index, count)
        return index
      }
    }
    const start = this.#findRun(count)
    if (start < 0) return -1
    this.#takeRun(start, count)
    this.#markContiguous(start, count)
    return start
  }

  freeContiguous(index: number, count: number): void {
    this.#assertRange(index, count)
    let at = index
    while (at < index + count) {
      const order = ((this.#state[at] ?? 0) & ORDER_MASK) - 1
      const next = at + (1 << order)
      this.#freeBlock(at, order)
      at = next
    }
  }

  /** The blocks in order of address, for tests: calls `visit(index, order, allocated)`. */
  forEachBlock(visit: (index: number, order: number, allocated: boolean) => void): void {
    let at = 0
    while (at < this.#frames) {
      const state = this.#state[at] ?? 0
      const order = (state & ORDER_MASK) - 1
      assert(order >= 0, 'page allocator: blocks do not tile the region')
      visit(at, order, (state & ALLOCATED) !== 0)
      at += 1 << order
    }
  }

  #take(order: number): number {
    for (let from = order; from <= MAX_PAGE_ORDER; from++) {
      const head = this.#heads[from] ?? 0
      if (head === 0) continue
      const index = head - 1
      this.#removeFree(index, from)
      for (let half = from - 1; half >= order; half--) this.#pushFree(index + (1 << half), half)
      return index
    }
    return -1
  }

  #freeBlock(index: number, order: number): void {
    let at = index
    let size = order
    this.#state[at] = 0
    while (size < MAX_PAGE_ORDER) {
      const buddy = at ^ (1 << size)
      if (buddy >= this.#frames || this.#state[buddy] !== size + 1) break
      this.#removeFree(buddy, size)
      at = Math.min(at, buddy)
      size++
    }
    this.#pushFree(at, size)
  }

  /** Frees frames that belong to no block, as the largest aligned blocks that fit. */
  #freeRun(start: number, end: number): void {
    let at = start
    while (at < end) {
      const order = largestBlock(at, end)
      this.#freeBlock(at, order)
      at += 1 << order
    }
  }

  #markContiguous(start: number, count: number): void {
    let at = start
    let flags = ALLOCATED | CONTIGUOUS | RANGE_START
    while (at < start + count) {
      const order = largestBlock(at, start + count)
      this.#state[at] = flags | (order + 1)
      flags = ALLOCATED | CONTIGUOUS
      at += 1 << order
    }
  }

  /** First fit over whole free blocks. @see mm/page_alloc.c alloc_contig_pages */
  #findRun(count: number): number {
    let runStart = 0
    let at = 0
    while (at < this.#frames) {
      const state = this.#state[at] ?? 0
      at += 1 << ((state & ORDER_MASK) - 1)
      if ((state & ALLOCATED) !== 0) runStart = at
      else if (at - runStart >= count) return runStart
    }
    return -1
  }

  #takeRun(start: number, count: number): void {
    let at = start
    while (at < start + count) {
      const order = ((this.#state[at] ?? 0) & ORDER_MASK) - 1
      this.#removeFree(at, order)
      at += 1 << order
    }
    this.#freeRun(start + count, at)
  }

  #assertRange(index: number, count: number): void {
    const want = ALLOCATED | CONTIGUOUS
    assertOnce(
      ((this.#state[index] ?? 0) & ~ORDER_MASK) === (want | RANGE_START),
      'freeContiguous: no contiguous range begins here',
    )
    let at = index
    while (at < index + count) {
      const state = this.#state[at] ?? 0
      assert(
        (state & want) === want && (at === index || (state & RANGE_START) === 0),
        'freeContiguous: the range is shorter',
      )
      at += 1 << ((state & ORDER_MASK) - 1)
    }
    assert(
      at === index + count && ((this.#state[at] ?? 0) & ~ORDER_MASK) !== want,
      'freeContiguous: the range is longer',
    )
  }

  #pushFree(index: number, order: number): void {
    const head = this.#heads[order] ?? 0
    this.#next[index] = head
    this.#prev[index] = 0
    if (head !== 0) this.#prev[head - 1] = index + 1
    this.#heads[order] = index + 1
    this.#state[index] = order + 1
    this.#freeFrames += 1 << order
  }

  #removeFree(index: number, order: number): void {
    const next = this.#next[index] ?? 0
    const prev = this.#prev[index] ?? 0
    if (prev !== 0) this.#next[prev - 1] = next
    else this.#heads[order] = next
    if (next !== 0) this.#prev[next - 1] = prev
    this.#state[index] = 0
    this.#freeFrames -= 1 << order
  }
}

/** The smallest order whose block holds `frames`. @see include/asm-generic/getorder.h get_order (there of bytes) */
export function orderFor(frames: number): number {
  return frames <= 1 ? 0 : 32 - Math.clz32(frames - 1)
}

/** Order of the largest aligned block that begins at `at` and ends by `end`. */
function largestBlock(at: number, end: number): number {
  let order = MAX_PAGE_ORDER
  while ((at & ((1 << order) - 1)) !== 0 || at + (1 << order) > end) order--
  return order
}
