// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { entryFrame, entryPerms, LEAF_MASK, type PageTable } from './page-table.ts'

/** Slots of each of the three parts. */
const SLOTS = 1024
const SLOT_MASK = SLOTS - 1
/** The first part holds runs of more than 16 pages inside an aligned window of 1 MiB, and has a slot a window. */
const BIG_SHIFT = 8
const BIG_PAGES = 1 << BIG_SHIFT
/** The second holds runs of 2 to 16 pages inside an aligned window of 64 KiB, and has a slot a window. */
const SMALL_SHIFT = 4
const SMALL_PAGES = 1 << SMALL_SHIFT
/** The third holds single pages. */
const PAGE_PART = 2 * SLOTS

// The words of an entry; its slot is the index of the first.
const ENTRY_SHIFT = 2
const START = 0
/** Exclusive. */
const END = 1
/** Frame of a page less the page number. */
const DELTA = 2
/** Permissions, and above them the generation in which the entry was made; an entry of another generation is void. */
const FLAGS = 3
const PERMS = 3
const GENERATION_SHIFT = 2
/** Then all entries are cleared and the count begins anew: seldom enough to cost nothing. */
const GENERATION_MAX = 0xffff

/**
 * The cache of translations of a domain. An entry is a run of pages that map to neighbouring frames with the same
 * permissions. It says itself whether it is valid: no page number or frame stands for "empty". A flush of everything begins a
 * new generation, which voids all entries. A run never leaves its window, so to forget a range it is enough to clear the
 * slots of the windows that it touches, and of its pages.
 * @internal
 */
export class Iotlb {
  readonly #words: Int32Array = new Int32Array((3 * SLOTS) << ENTRY_SHIFT)
  /** Never 0, which is what a cleared entry has. */
  #generation = 1

  /** The slot of the entry for a page, or -1. */
  lookup(pfn: number): number {
    const words = this.#words
    const generation = this.#generation
    // Written out three times: a helper was not inlined by V8, and cost as much as all the rest.
    let slot = ((pfn >>> BIG_SHIFT) & SLOT_MASK) << ENTRY_SHIFT
    let start = words[slot + START] ?? 0
    if (
      pfn >= start &&
      pfn < (words[slot + END] ?? 0) &&
      (words[slot + FLAGS] ?? 0) >>> GENERATION_SHIFT === generation
    )
      return slot
    slot = (SLOTS + ((pfn >>> SMALL_SHIFT) & SLOT_MASK)) << ENTRY_SHIFT
    start = words[slot + START] ?? 0
    if (
      pfn >= start &&
      pfn < (words[slot + END] ?? 0) &&
      (words[slot + FLAGS] ?? 0) >>> GENERATION_SHIFT === generation
    )
      return slot
    slot = (PAGE_PART + (pfn & SLOT_MASK)) << ENTRY_SHIFT
    start = words[slot + START] ?? 0
    if (start === pfn && (words[slot + FLAGS] ?? 0) >>> GENERATION_SHIFT === generation) return slot
    return -1
  }

  /** Makes the entry for a page by a walk of the page table; its slot, or -1 if the page is not mapped. */
  fill(pfn: number, table: PageTable): number {
    // A leaf holds whole windows.
    const leaf = table.leafOf(pfn)
    const at = pfn & LEAF_MASK
    const entry = leaf?.[at] ?? 0
    if (leaf === null || entry === 0) return -1
    const base = at & -BIG_PAGES
    let first = at
    while (first > base && leaf[first - 1] === entry - (at - first + 1)) first--
    let last = at
    while (last + 1 < base + BIG_PAGES && leaf[last + 1] === entry + (last + 1 - at)) last++
    let slot = (pfn >>> BIG_SHIFT) & SLOT_MASK
    if (last - first < SMALL_PAGES) {
      const small = at & -SMALL_PAGES
      first = Math.max(first, small)
      last = Math.min(last, small + SMALL_PAGES - 1)
      slot =
        first === last ? PAGE_PART + (pfn & SLOT_MASK) : SLOTS + ((pfn >>> SMALL_SHIFT) & SLOT_MASK)
    }
    slot <<= ENTRY_SHIFT
    const words = this.#words
    words[slot + START] = pfn - (at - first)
    words[slot + END] = pfn + (last - at) + 1
    words[slot + DELTA] = entryFrame(entry) - pfn
    words[slot + FLAGS] = (this.#generation << GENERATION_SHIFT) | entryPerms(entry)
    return slot
  }

  /** The frame of a page that the entry in `slot` holds. */
  frame(slot: number, pfn: number): number {
    return (this.#words[slot + DELTA] ?? 0) + pfn
  }

  perms(slot: number): number {
    return (this.#words[slot + FLAGS] ?? 0) & PERMS
  }

  /** The page after the last that the entry in `slot` holds. */
  end(slot: number): number {
    return this.#words[slot + END] ?? 0
  }

  /** Forgets every entry that holds a page of the range. */
  flushRange(pfn: number, pages: number): void {
    if (pages === 1) {
      const words = this.#words
      words[(((pfn >>> BIG_SHIFT) & SLOT_MASK) << ENTRY_SHIFT) + FLAGS] = 0
      words[((SLOTS + ((pfn >>> SMALL_SHIFT) & SLOT_MASK)) << ENTRY_SHIFT) + FLAGS] = 0
      words[((PAGE_PART + (pfn & SLOT_MASK)) << ENTRY_SHIFT) + FLAGS] = 0
      return
    }
    const last = pfn + pages - 1
    this.#clear(0, pfn >>> BIG_SHIFT, last >>> BIG_SHIFT)
    this.#clear(SLOTS, pfn >>> SMALL_SHIFT, last >>> SMALL_SHIFT)
    this.#clear(PAGE_PART, pfn, last)
  }

  flushAll(): void {
    if (this.#generation === GENERATION_MAX) {
      this.#words.fill(0)
      this.#generation = 0
    }
    this.#generation++
  }

  #clear(part: number, first: number, last: number): void {
    const words = this.#words
    const end = last - first < SLOTS ? last : first + SLOT_MASK
    for (let i = first; i <= end; i++) {
      words[((part + (i & SLOT_MASK)) << ENTRY_SHIFT) + FLAGS] = 0
    }
  }
}
