// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertOnce } from '@iolayers/kernel'

/**
 * Free device page numbers as sorted ranges in two arrays. Allocation is first fit from the top, as the kernel's is; the
 * cost grows with the number of holes, not with what is allocated.
 * @see drivers/iommu/iova.c __alloc_and_insert_iova_range
 * @internal
 */
export class IovaRanges {
  #starts: Int32Array = new Int32Array(16)
  /** Exclusive. */
  #ends: Int32Array = new Int32Array(16)
  #count = 0
  #freePages = 0

  constructor(startPfn: number, endPfn: number) {
    assert(startPfn < endPfn, 'IovaRanges: empty')
    this.#starts[0] = startPfn
    this.#ends[0] = endPfn
    this.#count = 1
    this.#freePages = endPfn - startPfn
  }

  get count(): number {
    return this.#count
  }

  get freePages(): number {
    return this.#freePages
  }

  /** The highest run of `pages` below `limitPfn` that begins at a multiple of `align` (a power of two), or -1. */
  alloc(pages: number, align: number, limitPfn: number): number {
    for (let i = this.#count - 1; i >= 0; i--) {
      const start = this.#starts[i] ?? 0
      const top = Math.min(this.#ends[i] ?? 0, limitPfn) - pages
      if (top < start) continue
      const pfn = top & -align
      if (pfn < start) continue
      this.#carve(i, pfn, pfn + pages)
      this.#freePages -= pages
      return pfn
    }
    return -1
  }

  free(pfn: number, pages: number): void {
    const end = pfn + pages
    const i = this.#firstAbove(pfn)
    const below = i > 0 ? (this.#ends[i - 1] ?? 0) : -1
    const above = i < this.#count ? (this.#starts[i] ?? 0) : 0x7fff_ffff
    assertOnce(below <= pfn && end <= above, 'IovaRanges: freed twice')
    this.#freePages += pages
    if (below === pfn && above === end) {
      this.#ends[i - 1] = this.#ends[i] ?? 0
      this.#removeAt(i)
    } else if (below === pfn) this.#ends[i - 1] = end
    else if (above === end) this.#starts[i] = pfn
    else this.#insertAt(i, pfn, end)
  }

  #carve(i: number, start: number, end: number): void {
    const rangeStart = this.#starts[i] ?? 0
    const rangeEnd = this.#ends[i] ?? 0
    if (rangeStart === start && rangeEnd === end) this.#removeAt(i)
    else if (rangeStart === start) this.#starts[i] = end
    else if (rangeEnd === end) this.#ends[i] = start
    else {
      this.#ends[i] = start
      this.#insertAt(i + 1, end, rangeEnd)
    }
  }

  #firstAbove(pfn: number): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] ?? 0) <= pfn) low = middle + 1
      else high = middle
    }
    return low
  }

  #insertAt(i: number, start: number, end: number): void {
    if (this.#count === this.#starts.length) {
      const starts = new Int32Array(this.#count * 2)
      const ends = new Int32Array(this.#count * 2)
      starts.set(this.#starts)
      ends.set(this.#ends)
      this.#starts = starts
      this.#ends = ends
    }
    this.#starts.copyWithin(i + 1, i, this.#count)
    this.#ends.copyWithin(i + 1, i, this.#count)
    this.#starts[i] = start
    this.#ends[i] = end
    this.#count++
  }

  #removeAt(i: number): void {
    this.#starts.copyWithin(i, i + 1, this.#count)
    this.#ends.copyWithin(i, i + 1, this.#count)
    this.#count--
  }
}
