// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * A set of bytes, kept as sorted ranges that neither touch nor overlap. For checked mode: not for hot paths.
 * @internal
 */
export class RangeSet {
  #starts: number[] = []
  #ends: number[] = []

  /** The union of ranges in any order. */
  static of(starts: Float64Array, lengths: Float64Array): RangeSet {
    const set = new RangeSet()
    for (const i of sortedIndexes(starts)) {
      const start = starts[i] ?? 0
      const end = start + (lengths[i] ?? 0)
      const last = set.#ends.length - 1
      if (last >= 0 && start <= (set.#ends[last] ?? 0))
        set.#ends[last] = Math.max(set.#ends[last] ?? 0, end)
      else {
        set.#starts.push(start)
        set.#ends.push(end)
      }
    }
    return set
  }

  clone(): RangeSet {
    const copy = new RangeSet()
    copy.#starts = this.#starts.slice()
    copy.#ends = this.#ends.slice()
    return copy
  }

  get isEmpty(): boolean {
    return this.#starts.length === 0
  }

  /** Number of ranges. */
  get count(): number {
    return this.#starts.length
  }

  add(start: number, end: number): void {
    if (start >= end) return
    // Everything that touches [start, end] becomes one range.
    const from = this.#firstEndingAtOrAfter(start)
    let to = from
    let low = start
    let high = end
    while (to < this.#starts.length && (this.#starts[to] ?? 0) <= end) {
      low = Math.min(low, this.#starts[to] ?? 0)
      high = Math.max(high, this.#ends[to] ?? 0)
      to++
    }
    this.#starts.splice(from, to - from, low)
    this.#ends.splice(from, to - from, high)
  }

  remove(start: number, end: number): void {
    if (start >= end) return
    const from = this.#firstEndingAtOrAfter(start + 1)
    let to = from
    const starts: number[] = []
    const ends: number[] = []
    while (to < this.#starts.length && (this.#starts[to] ?? 0) < end) {
      const low = this.#starts[to] ?? 0
      const high = this.#ends[to] ?? 0
      if (low < start) {
        starts.push(low)
        ends.push(start)
      }
      if (high > end) {
        starts.push(end)
        ends.push(high)
      }
      to++
    }
    this.#starts.splice(from, to - from, ...starts)
    this.#ends.splice(from, to - from, ...ends)
  }

  /** True if every byte of [start, end) is in the set. */
  covers(start: number, end: number): boolean {
    const i = this.#firstEndingAtOrAfter(end)
    return start >= end || (i < this.#starts.length && (this.#starts[i] ?? 0) <= start)
  }

  /** True if any byte of [start, end) is in the set. */
  intersects(start: number, end: number): boolean {
    const i = this.#firstEndingAtOrAfter(start + 1)
    return start < end && i < this.#starts.length && (this.#starts[i] ?? 0) < end
  }

  #firstEndingAtOrAfter(addr: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ends[middle] ?? 0) < addr) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Indexes of the values by rising value. @internal */
export function sortedIndexes(values: Float64Array): Uint32Array {
  const order = new Uint32Array(values.length)
  let sorted = true
  for (let i = 0; i < order.length; i++) {
    order[i] = i
    if (i > 0 && (values[i] ?? 0) < (values[i - 1] ?? 0)) sorted = false
  }
  return sorted ? order : order.sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))
}
