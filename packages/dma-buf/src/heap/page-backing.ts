// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type PhysicalMemory, SgTable } from '@iolayers/dma-mapping'
import { assert, assertLive, assertOnce } from '@iolayers/kernel'

/** Neighbouring pages. */
export interface PageBlock {
  readonly frame: number
  readonly pages: number
}

/** Moves bytes between physical addresses. */
type CopyBytes = (targetAddr: number, sourceAddr: number, length: number) => void

/** The memory of one buffer, wherever it comes from: blocks of pages, in the order of the buffer. Owns them until `free`. */
export class PageBacking {
  readonly sizeBytes: number
  readonly blocks: readonly PageBlock[]
  /** Tables over these pages that some importer has mapped. */
  mappings: number
  /** The buffer has other pages now. */
  retired: boolean
  readonly #memory: PhysicalMemory
  readonly #giveBack: () => void
  #freed: boolean

  /** `giveBack` frees the blocks, once. The bytes are as they were left. */
  constructor(memory: PhysicalMemory, blocks: readonly PageBlock[], giveBack: () => void) {
    this.sizeBytes = pagesOf(blocks) * PAGE_SIZE
    this.blocks = blocks
    this.mappings = 0
    this.retired = false
    this.#memory = memory
    this.#giveBack = giveBack
    this.#freed = false
  }

  /** A table of all the pages, not mapped. */
  table(): SgTable {
    const table = new SgTable(this.blocks.length)
    for (const { frame, pages } of this.blocks) table.append(frame, 0, pages * PAGE_SIZE)
    return table
  }

  /** The bytes of a range, for the CPU. */
  views(offsetBytes = 0, lengthBytes: number = this.sizeBytes): Uint8Array[] {
    const views: Uint8Array[] = []
    const end = offsetBytes + lengthBytes
    let at = 0
    for (const { frame, pages } of this.blocks) {
      const start = Math.max(at, offsetBytes)
      const stop = Math.min(at + pages * PAGE_SIZE, end)
      if (start < stop) views.push(this.#view(frame * PAGE_SIZE + start - at, stop - start))
      at += pages * PAGE_SIZE
    }
    return views
  }

  zero(): void {
    for (const view of this.views()) view.fill(0)
  }

  /** Copies all bytes of `source`, which has the same size but may have other blocks; by the CPU, or however `copy` does it. */
  copyFrom(source: PageBacking, copy: CopyBytes = this.#memory.copy.bind(this.#memory)): void {
    assert(source.sizeBytes === this.sizeBytes, 'pages of another size')
    let done = 0
    let [to, toDone, from, fromDone] = [0, 0, 0, 0]
    while (done < this.sizeBytes) {
      const length = Math.min(this.#bytesAt(to) - toDone, source.#bytesAt(from) - fromDone)
      copy(this.#addrAt(to) + toDone, source.#addrAt(from) + fromDone, length)
      done += length
      toDone += length
      fromDone += length
      if (toDone === this.#bytesAt(to)) [to, toDone] = [to + 1, 0]
      if (fromDone === source.#bytesAt(from)) [from, fromDone] = [from + 1, 0]
    }
  }

  free(): void {
    assertOnce(!this.#freed, 'pages were freed twice')
    assertLive(this.mappings === 0, 'pages were freed while a device has them mapped')
    this.#freed = true
    this.#giveBack()
  }

  #view(addr: number, length: number): Uint8Array {
    const region = this.#memory.regionAt(addr)
    assert(region !== null, 'pages of a buffer lie in no region')
    return region.bytes.subarray(addr - region.baseAddr, addr - region.baseAddr + length)
  }

  #addrAt(i: number): number {
    return (this.blocks[i]?.frame ?? 0) * PAGE_SIZE
  }

  #bytesAt(i: number): number {
    return (this.blocks[i]?.pages ?? 0) * PAGE_SIZE
  }
}

export function pagesOf(blocks: readonly PageBlock[]): number {
  let pages = 0
  for (const block of blocks) pages += block.pages
  return pages
}
