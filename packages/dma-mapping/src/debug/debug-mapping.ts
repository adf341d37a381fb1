// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaDirection } from '../dma-direction.ts'
import type { SgTable } from '../sg/sg-table.ts'
import { RangeSet, sortedIndexes } from './range-set.ts'

export type DebugKind = 'single' | 'sgtable' | 'coherent'

/** Pieces of memory that are contiguous for the CPU and for the device, as parallel arrays. */
interface Pieces {
  readonly physAddrs: Float64Array
  readonly dmaAddrs: Float64Array
  readonly lengths: Float64Array
}

/**
 * What checked mode remembers of one mapping: where its bytes are, and which of them the device owns. Ownership is kept by
 * device address, byte by byte. @see kernel/dma/debug.c struct dma_debug_entry
 * @internal
 */
export class DebugMapping {
  readonly owner: object
  readonly kind: DebugKind
  readonly direction: DmaDirection
  readonly totalBytes: number
  /** Device addresses that the device owns now. */
  owned: RangeSet = new RangeSet()
  readonly #covered: RangeSet
  readonly #pieces: Pieces
  /** Indexes of the pieces by rising physical address; made when first asked for. */
  #byPhys: Uint32Array | null = null
  #physEndMax: Float64Array | null = null

  constructor(owner: object, kind: DebugKind, direction: DmaDirection, pieces: Pieces) {
    this.owner = owner
    this.kind = kind
    this.direction = direction
    this.#pieces = pieces
    let total = 0
    for (let i = 0; i < pieces.lengths.length; i++) total += pieces.lengths[i] ?? 0
    this.totalBytes = total
    this.#covered = RangeSet.of(pieces.dmaAddrs, pieces.lengths)
  }

  get pieceCount(): number {
    return this.#pieces.lengths.length
  }

  physAt(i: number): number {
    return this.#pieces.physAddrs[i] ?? 0
  }

  dmaAt(i: number): number {
    return this.#pieces.dmaAddrs[i] ?? 0
  }

  lengthAt(i: number): number {
    return this.#pieces.lengths[i] ?? 0
  }

  /** Gives the whole mapping to the device. */
  ownAll(): void {
    this.owned = this.#covered.clone()
  }

  /** Gives a range to the device, or to the CPU. */
  handOver(dmaAddr: number, length: number, toDevice: boolean): void {
    if (toDevice) this.owned.add(dmaAddr, dmaAddr + length)
    else this.owned.remove(dmaAddr, dmaAddr + length)
  }

  /** True if [dmaAddr, dmaAddr + length) lies in the mapping. */
  containsDma(dmaAddr: number, length: number): boolean {
    return this.#covered.covers(dmaAddr, dmaAddr + length)
  }

  /**
   * Calls `visit` for each piece that shares bytes with [physAddr, physAddr + length), until it returns true; returns
   * whether it did.
   */
  somePhys(physAddr: number, length: number, visit: (piece: number) => boolean): boolean {
    const order = this.#order()
    const ends = this.#physEndMax
    let low = 0
    let high = order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends?.[middle] ?? 0) <= physAddr) low = middle + 1
      else high = middle
    }
    for (let at = low; at < order.length; at++) {
      const piece = order[at] ?? 0
      if (this.physAt(piece) >= physAddr + length) return false
      if (this.physAt(piece) + this.lengthAt(piece) > physAddr && visit(piece)) return true
    }
    return false
  }

  #order(): Uint32Array {
    if (this.#byPhys !== null) return this.#byPhys
    const order = sortedIndexes(this.#pieces.physAddrs)
    const ends = new Float64Array(order.length)
    let end = 0
    for (let i = 0; i < order.length; i++) {
      const piece = order[i] ?? 0
      end = Math.max(end, this.physAt(piece) + this.lengthAt(piece))
      ends[i] = end
    }
    this.#physEndMax = ends
    this.#byPhys = order
    return order
  }
}

/** @internal */
export function onePiece(physAddr: number, dmaAddr: number, length: number): Pieces {
  return {
    physAddrs: Float64Array.of(physAddr),
    dmaAddrs: Float64Array.of(dmaAddr),
    lengths: Float64Array.of(length),
  }
}

/** The pieces of a mapped table: its two sides walked together, cut wherever either of them is cut. @internal */
export function piecesOf(table: SgTable): Pieces {
  const max = table.origNents + table.nents
  const physAddrs = new Float64Array(max)
  const dmaAddrs = new Float64Array(max)
  const lengths = new Float64Array(max)
  let count = 0
  let segment = 0
  let done = 0
  for (let i = 0; i < table.origNents; i++) {
    let offset = 0
    while (offset < table.lengthAt(i)) {
      const left = table.dmaLengthAt(segment) - done
      const length = Math.min(table.lengthAt(i) - offset, left)
      physAddrs[count] = table.physAddrAt(i) + offset
      dmaAddrs[count] = table.dmaAddressAt(segment) + done
      lengths[count] = length
      count++
      offset += length
      done += length
      if (length === left) {
        segment++
        done = 0
      }
    }
  }
  return {
    physAddrs: physAddrs.slice(0, count),
    dmaAddrs: dmaAddrs.slice(0, count),
    lengths: lengths.slice(0, count),
  }
}
