// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, KernelError } from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'

interface Page {
  readonly frame: number
  /** The file's own reference, and one a pin. */
  references: number
}

/** The pages of a memory file, by their number in it. @see include/linux/fs.h struct address_space @internal */
export class MemfdPages {
  readonly #memory: PhysicalMemory
  readonly #pages: Map<number, Page> = new Map()

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  get count(): number {
    return this.#pages.size
  }

  /** Physical address of a page, -1 when the file has none there. */
  addrAt(index: number): number {
    const page = this.#pages.get(index)
    return page === undefined ? -1 : page.frame * PAGE_SIZE
  }

  /** The same, with a zeroed page where there was none. Throws ENOMEM. */
  makeAddrAt(index: number): number {
    return this.#make(index).frame * PAGE_SIZE
  }

  /** Pins pages; all or, when it throws ENOMEM, none. */
  pin(first: number, count: number): readonly Page[] {
    const pages: Page[] = []
    try {
      for (let index = first; index < first + count; index++) pages.push(this.#pinned(index))
    } catch (error) {
      this.unpin(pages)
      throw error
    }
    return pages
  }

  unpin(pages: readonly Page[]): void {
    for (const page of pages) this.#put(page)
  }

  /** The pages that somebody has pinned now. */
  pinned(): Set<Page> {
    const pages = new Set<Page>()
    for (const page of this.#pages.values()) if (page.references > 1) pages.add(page)
    return pages
  }

  isPinned(page: Page): boolean {
    return page.references > 1
  }

  /** Takes pages from the file; they are freed when nobody has them pinned. */
  remove(first: number, end: number): void {
    for (const [index, page] of this.#pages) {
      if (index < first || index >= end) continue
      this.#pages.delete(index)
      this.#put(page)
    }
  }

  #pinned(index: number): Page {
    const page = this.#make(index)
    page.references++
    return page
  }

  #make(index: number): Page {
    const present = this.#pages.get(index)
    if (present !== undefined) return present
    const frame = this.#memory.allocPages(0)
    if (frame < 0) throw new KernelError('ENOMEM', `no page for page ${index} of a memory file`)
    const addr = frame * PAGE_SIZE
    const region = this.#memory.regionAt(addr)
    assert(region !== null, 'an allocated page lies in no region')
    region.bytes.fill(0, addr - region.baseAddr, addr - region.baseAddr + PAGE_SIZE)
    const page = { frame, references: 1 }
    this.#pages.set(index, page)
    return page
  }

  #put(page: Page): void {
    page.references--
    assert(page.references >= 0, 'a page of a memory file was let go more often than taken')
    if (page.references === 0) this.#memory.freePages(page.frame, 0)
  }
}
