// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  copyBetween,
  type MemoryRegion,
  PAGE_SIZE,
  type PhysicalMemory,
  type RegionSide,
} from '@iolayers/dma-mapping'
import { assert, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import { Status } from '../../spec/index.ts'
import { type NamespaceStore, type StoreIo, StoreOp } from '../contracts.ts'

export interface MemoryStore extends NamespaceStore {
  /** The bytes of the medium, for whoever fills or checks it from outside, in order. */
  readonly segments: readonly Uint8Array[]
}

const CHUNK_FRAMES_MAX = 65536

interface Chunk {
  readonly region: MemoryRegion
  readonly frame: number
  readonly frames: number
  readonly offset: number
  readonly lengthBytes: number
}

/**
 * A medium in the stack's own physical memory, so that a transfer is one copy inside one WebAssembly memory. Every I/O ends before
 * `submit` returns. Throws ENOMEM, EINVAL.
 */
export function createMemoryStore(
  components: { readonly kernel: Kernel; readonly memory: PhysicalMemory },
  init: { readonly sizeBytes: number },
): MemoryStore {
  const { sizeBytes } = init
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    throw new KernelError('EINVAL', 'size of a memory store', {
      value: sizeBytes,
      accepted: 'more than 0 bytes',
    })
  }
  return new RamStore(components.memory, sizeBytes)
}

class RamStore implements MemoryStore {
  readonly sizeBytes: number
  readonly lastError: KernelError | null = null
  readonly #memory: PhysicalMemory
  readonly #chunks: Chunk[] = []
  readonly #chunkBytes: number
  #closed = false

  constructor(memory: PhysicalMemory, sizeBytes: number) {
    this.#memory = memory
    this.sizeBytes = sizeBytes
    this.#chunkBytes = CHUNK_FRAMES_MAX * PAGE_SIZE
    try {
      for (let done = 0; done < sizeBytes; done += this.#chunkBytes) {
        this.#chunks.push(this.#allocate(Math.min(this.#chunkBytes, sizeBytes - done)))
      }
    } catch (error) {
      this.#free()
      throw error
    }
  }

  get segments(): readonly Uint8Array[] {
    return this.#chunks.map(({ region, offset, lengthBytes }) =>
      region.bytes.subarray(offset, offset + lengthBytes),
    )
  }

  supports(): boolean {
    return true
  }

  submit(io: StoreIo): void {
    assert(!this.#closed, 'I/O on a memory store that was closed')
    if (io.op === StoreOp.READ || io.op === StoreOp.WRITE) this.#transfer(io)
    else if (io.op !== StoreOp.FLUSH) this.#zero(io.offsetBytes, io.lengthBytes)
    io.completion.storeDone(io, Status.SUCCESS)
  }

  *close(): Op<void> {
    if (this.#closed) return
    this.#closed = true
    this.#free()
  }

  #transfer(io: StoreIo): void {
    let at = io.offsetBytes
    for (let i = 0; i < io.count; i++) {
      const side = io.sides[i]
      assert(side !== undefined, 'a store I/O with a hole in its ranges')
      const offset = io.offsets[i] ?? 0
      const length = io.lengths[i] ?? 0
      this.#copy(io.op === StoreOp.WRITE, at, side, offset, length)
      at += length
    }
  }

  #zero(offsetBytes: number, lengthBytes: number): void {
    for (let done = 0; done < lengthBytes; ) {
      const at = offsetBytes + done
      const index = Math.floor(at / this.#chunkBytes)
      const chunk = this.#chunks[index]
      assert(chunk !== undefined, 'I/O past the end of a memory store')
      const within = at - index * this.#chunkBytes
      const part = Math.min(lengthBytes - done, chunk.lengthBytes - within)
      const start = chunk.offset + within
      chunk.region.bytes.fill(0, start, start + part)
      done += part
    }
  }

  #copy(
    toMedium: boolean,
    position: number,
    side: RegionSide,
    sideOffset: number,
    length: number,
  ): void {
    let done = 0
    while (done < length) {
      const at = position + done
      const index = Math.floor(at / this.#chunkBytes)
      const chunk = this.#chunks[index]
      assert(chunk !== undefined, 'I/O past the end of a memory store')
      const within = at - index * this.#chunkBytes
      const part = Math.min(length - done, chunk.lengthBytes - within)
      const mediumOffset = chunk.offset + within
      if (toMedium) copyBetween(chunk.region, mediumOffset, side, sideOffset + done, part)
      else copyBetween(side, sideOffset + done, chunk.region, mediumOffset, part)
      done += part
    }
  }

  #allocate(lengthBytes: number): Chunk {
    const frames = Math.ceil(lengthBytes / PAGE_SIZE)
    const frame = this.#memory.allocContiguous(frames)
    const region = frame < 0 ? null : this.#memory.regionAt(frame * PAGE_SIZE)
    if (region === null) {
      throw new KernelError(
        'ENOMEM',
        `no ${frames} pages in a row for a memory store of ${this.sizeBytes} bytes`,
      )
    }
    const offset = frame * PAGE_SIZE - region.baseAddr
    region.bytes.fill(0, offset, offset + lengthBytes)
    return { region, frame, frames, offset, lengthBytes }
  }

  #free(): void {
    for (let chunk = this.#chunks.pop(); chunk !== undefined; chunk = this.#chunks.pop()) {
      this.#memory.freeContiguous(chunk.frame, chunk.frames)
    }
  }
}
