// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { entryFrame, entryPerms, type PageTable } from './page-table.ts'

/** Slots of each of the two halves. */
const SLOTS = 1024
const SLOT_MASK = SLOTS - 1
/** The first half holds runs inside an aligned window of 1 MiB, and has a slot a window. */
const BIG_SHIFT = 8
/** The second half holds runs inside an aligned window of 64 KiB, and has a slot a page. */
const SMALL_SHIFT = 4
const SMALL_PAGES = 1 << SMALL_SHIFT

/**
 * The cache of translations of a domain. An entry is a run of pages that map to neighbouring frames with the same
 * permissions, and has a valid bit of its own: no page number or frame stands for "empty". A run never leaves its window,
 * so to forget a range it is enough to clear the slots of the windows that it touches.
 * @internal
 */
export class Iotlb {
  readonly #valid: Uint8Array = new Uint8Array(2 * SLOTS)
  readonly #starts: Int32Array = new Int32Array(2 * SLOTS)
  /** Exclusive. */
  readonly #ends: Int32Array = new Int32Array(2 * SLOTS)
  readonly #frames: Int32Array = new Int32Array(2 * SLOTS)
  readonly #perms: Uint8Array = new Uint8Array(2 * SLOTS)

  /** The slot of the entry for a page, or -1. */
  lookup(pfn: number): number {
    const big = (pfn >>> BIG_SHIFT) & SLOT_MASK
    if (this.#holds(big, pfn)) return big
    const small = SLOTS + (pfn & SLOT_MASK)
    return this.#holds(small, pfn) ? small : -1
  }

  /** Makes the entry for a page by a walk of the page table; its slot, or -1 if the page is not mapped. */
  fill(pfn: number, table: PageTable): number {
    const entry = table.lookup(pfn)
    if (entry === 0) return -1
    const window = pfn & -(1 << BIG_SHIFT)
    let start = pfn
    while (start > window && table.lookup(start - 1) === entry - (pfn - start + 1)) start--
    let end = pfn + 1
    const windowEnd = window + (1 << BIG_SHIFT)
    while (end < windowEnd && table.lookup(end) === entry + (end - pfn)) end++
    let slot = (pfn >>> BIG_SHIFT) & SLOT_MASK
    if (end - start <= SMALL_PAGES) {
      slot = SLOTS + (pfn & SLOT_MASK)
      const small = pfn & -SMALL_PAGES
      start = Math.max(start, small)
      end = Math.min(end, small + SMALL_PAGES)
    }
    this.#valid[slot] = 1
    this.#starts[slot] = start
    this.#ends[slot] = end
    this.#frames[slot] = entryFrame(entry) - (pfn - start)
    this.#perms[slot] = entryPerms(entry)
    return slot
  }

  /** The frame of a page that the entry in `slot` holds. */
  frame(slot: number, pfn: number): number {
    return (this.#frames[slot] ?? 0) + pfn - (this.#starts[slot] ?? 0)
  }

  perms(slot: number): number {
    return this.#perms[slot] ?? 0
  }

  /** The page after the last that the entry in `slot` holds. */
  end(slot: number): number {
    return this.#ends[slot] ?? 0
  }

  /** Forgets every entry that holds a page of the range. */
  flushRange(pfn: number, pages: number): void {
    const last = pfn + pages - 1
    const bigCount = (last >>> BIG_SHIFT) - (pfn >>> BIG_SHIFT) + 1
    this.#clear(0, (pfn >>> BIG_SHIFT) & SLOT_MASK, bigCount)
    const small = pfn & -SMALL_PAGES
    const smallCount = (last | (SMALL_PAGES - 1)) + 1 - small
    this.#clear(SLOTS, small & SLOT_MASK, smallCount)
  }

  flushAll(): void {
    this.#valid.fill(0)
  }

  #holds(slot: number, pfn: number): boolean {
    return (
      this.#valid[slot] === 1 && pfn >= (this.#starts[slot] ?? 0) && pfn < (this.#ends[slot] ?? 0)
    )
  }

  #clear(base: number, from: number, count: number): void {
    const slots = Math.min(count, SLOTS)
    for (let i = 0; i < slots; i++) this.#valid[base + ((from + i) & SLOT_MASK)] = 0
  }
}
