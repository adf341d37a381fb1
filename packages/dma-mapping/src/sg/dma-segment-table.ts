// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { SgTable } from './sg-table.ts'

/** The granule is never taken to be larger than 2^30, so that shifts by it stay in 32 bits. */
const GRANULE_SHIFT_MAX = 30

/**
 * The device's side of a mapped buffer, made for looking up offsets: segment `i` is `lengthAt(i)` bytes at device address
 * `addressAt(i)`, and begins `startAt(i)` bytes into the buffer. Plain data that outlives nothing: the addresses are good
 * for as long as the mapping that it was built from.
 */
export class DmaSegmentTable {
  /** Number of segments. */
  readonly count: number
  readonly totalBytes: number
  /** The largest n, at most 30, such that the length of every segment is a multiple of 2^n. */
  readonly granuleShift: number
  readonly #addresses: Float64Array
  /** `count + 1` entries; the last is the total. */
  readonly #starts: Float64Array
  /** Length of all segments but the last, which is not longer; 0 when they differ. */
  readonly #uniformBytes: number

  /** Takes the arrays over. `starts` has one entry more than `addresses`. */
  constructor(addresses: Float64Array, starts: Float64Array) {
    assert(starts.length === addresses.length + 1, 'DmaSegmentTable: starts has one entry more')
    this.#addresses = addresses
    this.#starts = starts
    this.count = addresses.length
    this.totalBytes = starts[this.count] ?? 0
    this.#uniformBytes = this.#findUniform()
    this.granuleShift = this.#findGranule()
  }

  /**
   * Index of the segment that holds the byte at `offsetBytes`, or -1 when the buffer has no such byte. O(1) when all
   * segments but a shorter last one have the same length (one segment included), else O(log count).
   */
  find(offsetBytes: number): number {
    if (!(offsetBytes >= 0 && offsetBytes < this.totalBytes)) return -1
    if (this.count === 1) return 0
    if (this.#uniformBytes !== 0) return Math.floor(offsetBytes / this.#uniformBytes)
    const starts = this.#starts
    let low = 0
    let high = this.count - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((starts[middle] ?? 0) <= offsetBytes) low = middle
      else high = middle - 1
    }
    return low
  }

  addressAt(i: number): number {
    return this.#addresses[i] ?? -1
  }

  lengthAt(i: number): number {
    return (this.#starts[i + 1] ?? 0) - (this.#starts[i] ?? 0)
  }

  startAt(i: number): number {
    return this.#starts[i] ?? 0
  }

  #findUniform(): number {
    if (this.count === 0) return 0
    const first = this.lengthAt(0)
    for (let i = 1; i < this.count - 1; i++) if (this.lengthAt(i) !== first) return 0
    return this.lengthAt(this.count - 1) <= first ? first : 0
  }

  #findGranule(): number {
    let bits = 0
    for (let i = 0; i < this.count; i++) bits |= this.lengthAt(i) % 0x4000_0000
    return bits === 0 ? GRANULE_SHIFT_MAX : 31 - Math.clz32(bits & -bits)
  }
}

/**
 * Builds the lookup table of a mapped scatterlist. Neighbouring segments that are contiguous for the device become one,
 * as long as it is not longer than `maxSegmentSizeBytes` and than the device's own limits, which held for the mapping.
 */
export function buildDmaSegmentTable(
  table: SgTable,
  maxSegmentSizeBytes: number = Number.POSITIVE_INFINITY,
): DmaSegmentTable {
  const mapping = table.mapping
  assert(mapping !== null, 'buildDmaSegmentTable: the table is not mapped')
  const maxLength = Math.min(maxSegmentSizeBytes, mapping.maxSegmentSizeBytes)
  const boundary = mapping.segBoundaryMask + 1
  const addresses = new Float64Array(table.nents)
  const starts = new Float64Array(table.nents + 1)
  let count = 0
  let total = 0
  let end = -1
  for (let i = 0; i < table.nents; i++) {
    const address = table.dmaAddressAt(i)
    const length = table.dmaLengthAt(i)
    const merged = total - (starts[count - 1] ?? 0) + length
    if (address !== end || merged > maxLength || address % boundary === 0) {
      addresses[count] = address
      starts[count] = total
      count++
    }
    total += length
    end = address + length
  }
  starts[count] = total
  if (count === table.nents) return new DmaSegmentTable(addresses, starts)
  return new DmaSegmentTable(addresses.slice(0, count), starts.slice(0, count + 1))
}
