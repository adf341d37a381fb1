// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The pages of one buffer: blocks of mixed orders, the largest first.

import { PAGE_SHIFT, PAGE_SIZE, type PhysicalMemory, SgTable } from '@iolayers/dma-mapping'
import { assert, KernelError } from '@iolayers/kernel'

/** 1 MiB, 64 KiB and single pages. @see drivers/dma-buf/heaps/system_heap.c orders */
const ORDERS = [8, 4, 0] as const

/** Owns its pages until `free`. */
export class PageBacking {
  readonly sizeBytes: number
  /** Tables over these pages that some importer has mapped. */
  mappings: number
  /** The buffer has other pages now. */
  retired: boolean
  readonly #memory: PhysicalMemory
  readonly #frames: number[]
  readonly #orders: number[]
  #freed: boolean

  /** Throws ENOMEM; the bytes are as they were left. */
  constructor(memory: PhysicalMemory, pages: number) {
    this.sizeBytes = pages * PAGE_SIZE
    this.mappings = 0
    this.retired = false
    this.#memory = memory
    this.#frames = []
    this.#orders = []
    this.#freed = false
    this.#allocate(pages)
  }

  /** A table of all the pages, not mapped. */
  table(): SgTable {
    const table = new SgTable(this.#frames.length)
    this.#frames.forEach((frame, i) => {
      table.append(frame, 0, this.#bytesAt(i))
    })
    return table
  }

  views(): Uint8Array[] {
    return this.#frames.map((frame, i) => {
      const addr = frame * PAGE_SIZE
      const region = this.#memory.regionAt(addr)
      assert(region !== null, 'pages of a heap lie in no region')
      const offset = addr - region.baseAddr
      return region.bytes.subarray(offset, offset + this.#bytesAt(i))
    })
  }

  zero(): void {
    for (const view of this.views()) view.fill(0)
  }

  /** Copies all bytes of `source`, which has the same size but may have other blocks. */
  copyFrom(source: PageBacking): void {
    assert(source.sizeBytes === this.sizeBytes, 'pages of another size')
    let done = 0
    let [to, toDone, from, fromDone] = [0, 0, 0, 0]
    while (done < this.sizeBytes) {
      const length = Math.min(this.#bytesAt(to) - toDone, source.#bytesAt(from) - fromDone)
      this.#memory.copy(this.#addrAt(to) + toDone, source.#addrAt(from) + fromDone, length)
      done += length
      toDone += length
      fromDone += length
      if (toDone === this.#bytesAt(to)) [to, toDone] = [to + 1, 0]
      if (fromDone === source.#bytesAt(from)) [from, fromDone] = [from + 1, 0]
    }
  }

  free(): void {
    assert(!this.#freed, 'pages were freed twice')
    assert(this.mappings === 0, 'pages were freed while a device has them mapped')
    this.#freed = true
    this.#frames.forEach((frame, i) => {
      this.#memory.freePages(frame, this.#orders[i] ?? 0)
    })
  }

  #addrAt(i: number): number {
    return (this.#frames[i] ?? 0) * PAGE_SIZE
  }

  #bytesAt(i: number): number {
    return PAGE_SIZE << (this.#orders[i] ?? 0)
  }

  /** @see drivers/dma-buf/heaps/system_heap.c alloc_largest_available: an order that ran out is not tried again. */
  #allocate(pages: number): void {
    let left = pages
    for (const order of ORDERS) {
      while (left >= 1 << order) {
        const frame = this.#memory.allocPages(order)
        if (frame < 0) break
        this.#frames.push(frame)
        this.#orders.push(order)
        left -= 1 << order
      }
    }
    if (left === 0) return
    this.free()
    throw new KernelError('ENOMEM', `no memory for ${pages} pages`, {
      value: pages,
      accepted: `at most ${this.#memory.stats.pagesFree} free pages`,
    })
  }
}

/** The pages that `sizeBytes` takes. Throws EINVAL for a size that is not positive, ENOMEM for one that is beyond all memory. */
export function heapPages(memory: PhysicalMemory, sizeBytes: number): number {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    throw new KernelError('EINVAL', 'size of a heap allocation', {
      value: sizeBytes,
      accepted: 'a positive whole number of bytes',
    })
  }
  const pages = Math.ceil(sizeBytes / PAGE_SIZE)
  if (pages <= memory.stats.pagesFree) return pages
  throw new KernelError('ENOMEM', `no memory for ${sizeBytes} bytes`, {
    value: sizeBytes,
    accepted: `at most ${memory.stats.pagesFree * 2 ** PAGE_SHIFT} bytes`,
  })
}
