// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { CpuMemory } from '../ram-disk/sector-store.ts'
import { SectorStore } from '../ram-disk/sector-store.ts'
import { SECTOR_SIZE } from '../req-flags.ts'

const PAGE_SIZE = 4096
const PAGE_SECTORS = PAGE_SIZE / SECTOR_SIZE

/**
 * What a memory-backed device holds: pages made when they are written, and before them, where there is one, a volatile cache.
 * @see drivers/block/null_blk/main.c copy_to_nullb, copy_from_nullb, null_handle_discard, null_handle_flush
 */
export class NullBlkStorage {
  readonly #memory: CpuMemory
  readonly #data: SectorStore
  readonly #cache: SectorStore | null
  readonly #cachePages: number

  /** With a `cacheBytes` of 0 there is no cache. */
  constructor(memory: CpuMemory, cacheBytes: number) {
    this.#memory = memory
    this.#data = new SectorStore()
    this.#cache = cacheBytes > 0 ? new SectorStore() : null
    this.#cachePages = Math.floor(cacheBytes / PAGE_SIZE)
  }

  /** Pages in use, those of the cache not among them. */
  get pages(): number {
    return this.#data.pages
  }

  get cachedPages(): number {
    return this.#cache?.pages ?? 0
  }

  read(position: number, addr: number, length: number): void {
    if (this.#cache === null || this.#cache.pages === 0) {
      this.#data.readTo(position, this.#memory, addr, length)
      return
    }
    for (let done = 0; done < length; ) {
      const inSector = (position + done) % SECTOR_SIZE
      const part = Math.min(length - done, SECTOR_SIZE - inSector)
      const inCache = this.#cache.has((position + done - inSector) / SECTOR_SIZE)
      const store = inCache ? this.#cache : this.#data
      store.readTo(position + done, this.#memory, addr + done, part)
      done += part
    }
  }

  write(position: number, addr: number, length: number, fua: boolean): void {
    const cache = this.#cache
    if (cache === null || fua) {
      this.#data.writeFrom(position, this.#memory, addr, length)
      cache?.discard(position, length)
      return
    }
    for (let done = 0; done < length; ) {
      const inPage = (position + done) % PAGE_SIZE
      const part = Math.min(length - done, PAGE_SIZE - inPage)
      // A page of which a sector is half written stays.
      if (!cache.hasPage((position + done - inPage) / PAGE_SIZE)) this.#makeCacheSpace(cache)
      cache.writeFrom(position + done, this.#memory, addr + done, part)
      done += part
    }
  }

  discard(position: number, length: number): void {
    this.#data.discard(position, length)
    this.#cache?.discard(position, length)
  }

  flush(): void {
    if (this.#cache === null) return
    for (const page of this.#cache.pageNumbers()) this.#flushPage(this.#cache, page)
  }

  /** The power is off: what was not flushed is lost. */
  dropCache(): void {
    this.#cache?.clear()
  }

  clear(): void {
    this.#data.clear()
    this.#cache?.clear()
  }

  #makeCacheSpace(cache: SectorStore): void {
    for (const page of cache.pageNumbers()) {
      if (cache.pages < this.#cachePages) return
      this.#flushPage(cache, page)
    }
  }

  #flushPage(cache: SectorStore, page: number): void {
    for (let sector = page * PAGE_SECTORS; sector < (page + 1) * PAGE_SECTORS; sector++) {
      if (!cache.has(sector)) continue
      const position = sector * SECTOR_SIZE
      this.#data.viewToWrite(position, SECTOR_SIZE).set(cache.view(position, SECTOR_SIZE))
    }
    cache.discard(page * PAGE_SIZE, PAGE_SIZE)
  }
}
