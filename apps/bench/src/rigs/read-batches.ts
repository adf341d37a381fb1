// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { MemoryRegion } from '@iolayers/dma-mapping'
import { createPrng, type EventLoopScheduler } from '@iolayers/kernel'
import type { Stack } from 'iolayers'
import { SECTOR_BYTES, SectorCheck } from './numbered-sectors.ts'

export const PAGE_BYTES = 4096

/** Where the bytes lie: namespace and buffers in one region. Offsets are in the region. */
export interface Placement {
  readonly region: MemoryRegion
  readonly mediumOffset: number
  /** Of each page of each buffer. */
  readonly bufferPageOffsets: readonly (readonly number[])[]
}

export interface BatchShape {
  /** At most a page. */
  readonly blockBytes: number
  readonly namespaceBytes: number
  /** I/Os in flight, all submitted as one batch. */
  readonly depth: number
}

/** The pattern starts again after so many blocks; a power of two. */
const PATTERN_BLOCKS = 65536

/** The two timed loops, over one pattern of random blocks; nothing here allocates. */
export class ReadBatches {
  readonly readCheck: SectorCheck = new SectorCheck()
  readonly copyCheck: SectorCheck = new SectorCheck()
  readonly #scheduler: EventLoopScheduler
  readonly #ring: Stack['ring']
  readonly #region: MemoryRegion
  readonly #mediumOffset: number
  readonly #slotOffsets: Int32Array
  readonly #slotsPerBuffer: number
  readonly #blockBytes: number
  readonly #depth: number
  readonly #pattern: Int32Array = new Int32Array(PATTERN_BLOCKS)
  readonly #userData: Int32Array
  readonly #results: Int32Array
  #readAt = 0
  #copyAt = 0

  constructor(
    components: { readonly scheduler: EventLoopScheduler; readonly ring: Stack['ring'] },
    place: Placement,
    shape: BatchShape,
  ) {
    const { blockBytes, depth } = shape
    const { bufferPageOffsets } = place
    this.#scheduler = components.scheduler
    this.#ring = components.ring
    this.#region = place.region
    this.#mediumOffset = place.mediumOffset
    this.#slotsPerBuffer = depth / bufferPageOffsets.length
    this.#slotOffsets = Int32Array.from({ length: depth }, (_, slot) => {
      const pages = bufferPageOffsets[Math.floor(slot / this.#slotsPerBuffer)] ?? []
      const at = (slot % this.#slotsPerBuffer) * blockBytes
      return (pages[Math.floor(at / PAGE_BYTES)] ?? 0) + (at % PAGE_BYTES)
    })
    this.#blockBytes = blockBytes
    this.#depth = depth
    this.#userData = new Int32Array(depth)
    this.#results = new Int32Array(depth)
    const prng = createPrng(blockBytes)
    const blocks = shape.namespaceBytes / blockBytes
    for (let i = 0; i < PATTERN_BLOCKS; i++) this.#pattern[i] = prng.below(blocks)
  }

  /** Reads so many batches through the layers; returns the reads. */
  read(batches: number): number {
    for (let i = 0; i < batches; i++) this.#readBatch()
    return batches * this.#depth
  }

  /** Copies so many batches and nothing else; returns the copies. */
  copy(batches: number): number {
    for (let i = 0; i < batches; i++) this.#copyBatch()
    return batches * this.#depth
  }

  #readBatch(): void {
    const ring = this.#ring
    const depth = this.#depth
    const blockBytes = this.#blockBytes
    const perBuffer = this.#slotsPerBuffer
    for (let slot = 0; slot < depth; slot++) {
      const block = this.#block(this.#readAt + slot)
      const buffer = (slot / perBuffer) | 0
      const bufferOffset = (slot - buffer * perBuffer) * blockBytes
      const sqe = ring.getSqe()
      ring.prepReadFixed(sqe, 0, block * blockBytes, buffer, bufferOffset, blockBytes, slot)
    }
    ring.submit()
    this.#scheduler.runUntilIdle()
    const count = ring.reap(this.#userData, this.#results, depth)
    if (count !== depth) throw new Error(`${count} of ${depth} reads completed`)
    for (let i = 0; i < count; i++) {
      const result = this.#results[i] ?? 0
      if (result !== blockBytes) throw new Error(`a read of ${blockBytes} bytes gave ${result}`)
      const slot = this.#userData[i] ?? 0
      this.#checkSlot(this.readCheck, slot, this.#block(this.#readAt + slot))
    }
    this.#readAt = (this.#readAt + depth) & (PATTERN_BLOCKS - 1)
  }

  #copyBatch(): void {
    const depth = this.#depth
    const blockBytes = this.#blockBytes
    for (let slot = 0; slot < depth; slot++) {
      const source = this.#mediumOffset + this.#block(this.#copyAt + slot) * blockBytes
      this.#region.copyWithin(this.#slotOffsets[slot] ?? 0, source, blockBytes)
    }
    for (let slot = 0; slot < depth; slot++) {
      this.#checkSlot(this.copyCheck, slot, this.#block(this.#copyAt + slot))
    }
    this.#copyAt = (this.#copyAt + depth) & (PATTERN_BLOCKS - 1)
  }

  #block(at: number): number {
    return this.#pattern[at & (PATTERN_BLOCKS - 1)] ?? 0
  }

  #checkSlot(check: SectorCheck, slot: number, block: number): void {
    const sectors = this.#blockBytes / SECTOR_BYTES
    check.sectors(this.#region.view, this.#slotOffsets[slot] ?? 0, block * sectors, sectors)
  }
}
