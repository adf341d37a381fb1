// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

interface BlockRange {
  first: number
  /** One past the last. */
  end: number
}

/** A set of blocks, as ranges that do not touch, in order. */
export class BlockRanges {
  readonly #ranges: BlockRange[] = []
  readonly #rangesMax: number

  /** Holds at most so many ranges. */
  constructor(rangesMax: number) {
    this.#rangesMax = rangesMax
  }

  get empty(): boolean {
    return this.#ranges.length === 0
  }

  /** In order, first and count of each. */
  list(): { readonly first: number; readonly count: number }[] {
    return this.#ranges.map(({ first, end }) => ({ first, count: end - first }))
  }

  overlaps(first: number, count: number): boolean {
    const range = this.#ranges[this.#indexFrom(first)]
    return range !== undefined && range.first < first + count
  }

  /** False, and nothing changed, when there would be too many ranges. */
  add(first: number, count: number): boolean {
    let start = first
    let end = first + count
    // A neighbour that touches becomes part of it.
    const from = this.#indexFrom(first - 1)
    let to = from
    for (let range = this.#ranges[to]; range !== undefined; range = this.#ranges[to]) {
      if (range.first > end) break
      start = Math.min(start, range.first)
      end = Math.max(end, range.end)
      to++
    }
    if (to === from && this.#ranges.length === this.#rangesMax) return false
    this.#ranges.splice(from, to - from, { first: start, end })
    return true
  }

  /** False, and nothing changed, when there would be too many ranges: one that is cut in two makes one more. */
  remove(first: number, count: number): boolean {
    const end = first + count
    const from = this.#indexFrom(first)
    const kept: BlockRange[] = []
    let to = from
    for (let range = this.#ranges[to]; range !== undefined; range = this.#ranges[to]) {
      if (range.first >= end) break
      if (range.first < first) kept.push({ first: range.first, end: first })
      if (range.end > end) kept.push({ first: end, end: range.end })
      to++
    }
    if (this.#ranges.length - (to - from) + kept.length > this.#rangesMax) return false
    if (to > from) this.#ranges.splice(from, to - from, ...kept)
    return true
  }

  clear(): void {
    this.#ranges.length = 0
  }

  /** Index of the first range that ends behind `block`. */
  #indexFrom(block: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle]?.end ?? 0) > block) high = middle
      else low = middle + 1
    }
    return low
  }
}
