// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import type { DmaDirection } from '../dma-direction.ts'

/**
 * What a device's `mapSgtable` leaves in a table for its unmap and for whoever reads the device's side. Owned by the
 * device that mapped the table.
 */
export interface SgMapping {
  /** The DMA operations that mapped the table; nobody else may unmap it. */
  readonly owner: object
  readonly direction: DmaDirection
  /** Segments of this mapping are never longer, nor do they cross a multiple of `segBoundaryMask + 1`. */
  readonly maxSegmentSizeBytes: number
  readonly segBoundaryMask: number
  /** The pages of device addresses that the mapping took, 0 without an IOMMU. */
  readonly iovaPfn: number
  readonly iovaPages: number
}

/**
 * A list of pieces of memory, and after mapping the list of address ranges under which a device sees them. The two lists
 * have lengths of their own: neighbours merge, long pieces are cut. Kept as a structure of arrays, 24 bytes a piece.
 * Plain data: it owns neither the pages nor the mapping.
 * @see include/linux/scatterlist.h struct sg_table
 */
export class SgTable {
  #frames: Int32Array
  #offsets: Int32Array
  #lengths: Float64Array
  #count = 0
  #totalBytes = 0
  #dmaAddresses: Float64Array = new Float64Array(0)
  #dmaLengths: Float64Array = new Float64Array(0)
  #dmaCount = 0
  #mapping: SgMapping | null = null

  /** `capacity`: pieces to make room for; the table grows past it. */
  constructor(capacity = 8) {
    this.#frames = new Int32Array(capacity)
    this.#offsets = new Int32Array(capacity)
    this.#lengths = new Float64Array(capacity)
  }

  /** Pieces of memory. */
  get origNents(): number {
    return this.#count
  }

  /** Ranges on the device's side; 0 while the table is not mapped. */
  get nents(): number {
    return this.#dmaCount
  }

  /** Bytes of all pieces. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Non-null while a device has the table mapped. */
  get mapping(): SgMapping | null {
    return this.#mapping
  }

  /** Adds a piece: `length` bytes from byte `offset` of `frame` on, over as many frames as it takes. @see sg_set_page */
  append(frame: number, offset: number, length: number): void {
    assert(this.#mapping === null, 'SgTable.append: the table is mapped')
    assert(length > 0, 'SgTable.append: the length must be positive')
    assert(
      offset >= 0 && offset < PAGE_SIZE,
      'SgTable.append: the offset must lie in the first frame',
    )
    assert(frame >= 0 && frame <= 0x7fff_ffff, 'SgTable.append: no such frame')
    if (this.#count === this.#frames.length) this.#grow()
    this.#frames[this.#count] = frame
    this.#offsets[this.#count] = offset
    this.#lengths[this.#count] = length
    this.#count++
    this.#totalBytes += length
  }

  frameAt(i: number): number {
    return this.#frames[i] ?? -1
  }

  offsetAt(i: number): number {
    return this.#offsets[i] ?? -1
  }

  lengthAt(i: number): number {
    return this.#lengths[i] ?? 0
  }

  /** Physical address of the first byte of a piece. @see sg_phys */
  physAddrAt(i: number): number {
    return this.frameAt(i) * PAGE_SIZE + this.offsetAt(i)
  }

  /** @see sg_dma_address */
  dmaAddressAt(i: number): number {
    return i < this.#dmaCount ? (this.#dmaAddresses[i] ?? -1) : -1
  }

  /** @see sg_dma_len */
  dmaLengthAt(i: number): number {
    return i < this.#dmaCount ? (this.#dmaLengths[i] ?? 0) : 0
  }

  /** Adds a range to the device's side. For a device's mapping code only. */
  appendDma(address: number, length: number): void {
    if (this.#dmaCount === this.#dmaAddresses.length) this.#growDma()
    this.#dmaAddresses[this.#dmaCount] = address
    this.#dmaLengths[this.#dmaCount] = length
    this.#dmaCount++
  }

  /** Makes the last range of the device's side longer. For a device's mapping code only. */
  extendDma(length: number): void {
    const last = this.#dmaCount - 1
    assert(last >= 0, 'SgTable.extendDma: nothing to extend')
    this.#dmaLengths[last] = (this.#dmaLengths[last] ?? 0) + length
  }

  /** Says who mapped the table, or with null that nobody did and the device's side is void. For a device's mapping code only. */
  setMapping(mapping: SgMapping | null): void {
    this.#mapping = mapping
    if (mapping !== null) return
    this.#dmaCount = 0
    this.#dmaAddresses = new Float64Array(0)
    this.#dmaLengths = new Float64Array(0)
  }

  #grow(): void {
    const size = Math.max(8, this.#count * 2)
    const frames = new Int32Array(size)
    const offsets = new Int32Array(size)
    const lengths = new Float64Array(size)
    frames.set(this.#frames)
    offsets.set(this.#offsets)
    lengths.set(this.#lengths)
    this.#frames = frames
    this.#offsets = offsets
    this.#lengths = lengths
  }

  #growDma(): void {
    const size = Math.max(4, this.#dmaCount * 2)
    const addresses = new Float64Array(size)
    const lengths = new Float64Array(size)
    addresses.set(this.#dmaAddresses)
    lengths.set(this.#dmaLengths)
    this.#dmaAddresses = addresses
    this.#dmaLengths = lengths
  }
}
