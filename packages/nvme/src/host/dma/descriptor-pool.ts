// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { CoherentBlock, Device } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'

const CHUNK_SIZE_BYTES = 65_536

/**
 * Blocks of one size in coherent memory, all made at once: taking one never allocates, and fails when all are in use. A block is
 * known by its index.
 * @see mm/dmapool.c, drivers/nvme/host/pci.c nvme_setup_descriptor_pools
 */
export class DescriptorPool {
  readonly blockSizeBytes: number
  readonly capacity: number
  readonly #device: Device
  readonly #chunks: CoherentBlock[]
  readonly #views: DataView[]
  readonly #offsets: Float64Array
  readonly #dmaAddrs: Float64Array
  readonly #free: Int32Array
  readonly #inUse: Uint8Array
  #freeCount: number

  /** Throws KernelError ENOMEM when there is no memory for `capacity` blocks. */
  constructor(device: Device, blockSizeBytes: number, capacity: number) {
    assert(CHUNK_SIZE_BYTES % blockSizeBytes === 0, 'descriptor pool: block size')
    assert(capacity > 0, 'descriptor pool: no blocks')
    this.blockSizeBytes = blockSizeBytes
    this.capacity = capacity
    this.#device = device
    this.#chunks = []
    this.#views = []
    this.#offsets = new Float64Array(capacity)
    this.#dmaAddrs = new Float64Array(capacity)
    this.#free = new Int32Array(capacity)
    this.#inUse = new Uint8Array(capacity)
    this.#freeCount = 0
    this.#makeBlocks()
  }

  get free(): number {
    return this.#freeCount
  }

  get used(): number {
    return this.capacity - this.#freeCount
  }

  /** The index of a block, or -1 when all are in use. Its bytes are whatever they were. */
  alloc(): number {
    if (this.#freeCount === 0) return -1
    this.#freeCount--
    const index = this.#free[this.#freeCount] ?? -1
    this.#inUse[index] = 1
    return index
  }

  put(index: number): void {
    assert(this.#inUse[index] === 1, 'descriptor pool: a block that is not in use')
    this.#inUse[index] = 0
    this.#free[this.#freeCount] = index
    this.#freeCount++
  }

  dmaAddrOf(index: number): number {
    return this.#dmaAddrs[index] ?? 0
  }

  /** The bytes that hold the block; it begins at `offsetOf` in them. */
  viewOf(index: number): DataView {
    const view = this.#views[index]
    assert(view !== undefined, 'descriptor pool: no such block')
    return view
  }

  offsetOf(index: number): number {
    return this.#offsets[index] ?? 0
  }

  /** Gives the memory back. All blocks have to be free. */
  destroy(): void {
    assert(this.#freeCount === this.capacity, 'descriptor pool: destroyed with blocks in use')
    this.#freeCount = 0
    this.#freeChunks()
  }

  #makeBlocks(): void {
    const perChunk = CHUNK_SIZE_BYTES / this.blockSizeBytes
    try {
      for (let first = 0; first < this.capacity; first += perChunk) {
        const blocks = Math.min(perChunk, this.capacity - first)
        const chunk = this.#device.dma.allocCoherent(blocks * this.blockSizeBytes)
        this.#chunks.push(chunk)
        for (let i = 0; i < blocks; i++) this.#addBlock(first + i, chunk, i * this.blockSizeBytes)
      }
    } catch (error) {
      this.#freeChunks()
      throw error
    }
    for (let i = 0; i < this.capacity; i++) this.#free[i] = this.capacity - 1 - i
    this.#freeCount = this.capacity
  }

  #addBlock(index: number, chunk: CoherentBlock, offset: number): void {
    this.#views.push(chunk.region.view)
    this.#offsets[index] = chunk.offset + offset
    this.#dmaAddrs[index] = chunk.dmaAddr + offset
  }

  #freeChunks(): void {
    for (const chunk of this.#chunks) this.#device.dma.freeCoherent(chunk)
    this.#chunks.length = 0
  }
}
