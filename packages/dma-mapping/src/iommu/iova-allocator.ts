// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { orderFor } from '../memory/page-allocator.ts'
import { IovaRanges } from './iova-ranges.ts'

/** Sizes of 1, 2, 4 … 32 pages have caches. @see drivers/iommu/iova.c IOVA_RANGE_CACHE_MAX_SIZE */
const CACHED_ORDERS = 6
/** Page numbers that leave an overfull cache at once. @see drivers/iommu/iova.c IOVA_MAG_SIZE */
const MAGAZINE_SIZE = 127
/**
 * Two magazines in use and 32 in the depot, as many as one CPU could hold up to Linux 6.6 (MAX_GLOBAL_MAGS). Since then the depot has no bound, and a work item gives back a magazine every
 * 100 ms while there are more than one a CPU (iova_depot_work_func): here there is neither a timer nor growth without end.
 */
const CACHE_SIZE = 34 * MAGAZINE_SIZE
/**
 * The first attempt stays below 2 GiB (the kernel's: 4 GiB): device addresses there are small integers to V8.
 * @see drivers/iommu/dma-iommu.c iommu_dma_alloc_iova
 */
const LOW_LIMIT_PFN = 0x8_0000

/** A stack of free page numbers of one size. */
class IovaCache {
  pfns: Int32Array = new Int32Array(MAGAZINE_SIZE)
  count = 0

  /** The latest page number below `limitPfn`, or -1; looks at the latest magazine only. */
  pop(limitPfn: number): number {
    const oldest = Math.max(0, this.count - MAGAZINE_SIZE)
    for (let i = this.count - 1; i >= oldest; i--) {
      const pfn = this.pfns[i] ?? 0
      if (pfn >= limitPfn) continue
      this.count--
      this.pfns[i] = this.pfns[this.count] ?? 0
      return pfn
    }
    return -1
  }
}

/**
 * Device page numbers of one domain. Sizes up to 32 pages are rounded up to a power of two and kept in caches when freed;
 * every allocation is aligned to its size rounded up. Page 0 is never given out.
 * @see drivers/iommu/iova.c alloc_iova_fast, free_iova_fast
 * @internal
 */
export class IovaAllocator {
  readonly #ranges: IovaRanges
  readonly #caches: readonly IovaCache[] = Array.from(
    { length: CACHED_ORDERS },
    () => new IovaCache(),
  )
  readonly #limitPfn: number
  readonly #lowLimitPfn: number
  /** Requests of this many pages and more found no room below the low limit since the last free. */
  #lowFailedPages = 0x7fff_ffff

  constructor(limitPfn: number) {
    this.#limitPfn = limitPfn
    this.#lowLimitPfn = Math.min(limitPfn, LOW_LIMIT_PFN)
    this.#ranges = new IovaRanges(1, limitPfn)
  }

  /** Pages that are neither allocated nor kept in a cache. */
  get freePages(): number {
    return this.#ranges.freePages
  }

  get cachedPages(): number {
    let pages = 0
    this.#caches.forEach((cache, order) => {
      pages += cache.count << order
    })
    return pages
  }

  /** How many pages a request of this many takes. */
  roundedPages(pages: number): number {
    return pages < 1 << (CACHED_ORDERS - 1) ? 1 << orderFor(pages) : pages
  }

  /** First page number of a run of at least `pages`, or -1. */
  alloc(pages: number): number {
    const order = pages === 1 ? 0 : orderFor(pages)
    const cache = this.#caches[order]
    if (cache !== undefined && cache.count > 0) {
      const top = cache.pfns[cache.count - 1] ?? 0
      if (top < this.#lowLimitPfn) {
        cache.count--
        return top
      }
    }
    return this.#allocSlow(pages, order)
  }

  /** Takes the arguments of the {@link alloc} that returned `pfn`. */
  free(pfn: number, pages: number): void {
    const order = pages === 1 ? 0 : orderFor(pages)
    const cache = this.#caches[order]
    if (cache === undefined) {
      this.#release(pfn, pages)
      return
    }
    if (cache.count === cache.pfns.length) this.#makeRoom(cache, order)
    cache.pfns[cache.count] = pfn
    cache.count++
  }

  #allocSlow(pages: number, order: number): number {
    const rounded = this.roundedPages(pages)
    assert(rounded <= 0x4000_0000, 'IovaAllocator: too many pages')
    const align = 1 << order
    const cache = this.#caches[order]
    const cachedLow = cache?.pop(this.#lowLimitPfn) ?? -1
    if (cachedLow >= 0) return cachedLow
    if (rounded < this.#lowFailedPages) {
      const low = this.#ranges.alloc(rounded, align, this.#lowLimitPfn)
      if (low >= 0) return low
      this.#lowFailedPages = rounded
    }
    const cached = cache?.pop(this.#limitPfn) ?? -1
    if (cached >= 0) return cached
    const pfn = this.#ranges.alloc(rounded, align, this.#limitPfn)
    if (pfn >= 0 || this.cachedPages === 0) return pfn
    this.#flushCaches()
    return this.#ranges.alloc(rounded, align, this.#limitPfn)
  }

  #release(pfn: number, pages: number): void {
    this.#ranges.free(pfn, pages)
    this.#lowFailedPages = 0x7fff_ffff
  }

  /** Grows a full cache, or gives the oldest magazine of a very full one back. */
  #makeRoom(cache: IovaCache, order: number): void {
    if (cache.count < CACHE_SIZE) {
      const pfns = new Int32Array(Math.min(CACHE_SIZE, 2 * cache.count))
      pfns.set(cache.pfns)
      cache.pfns = pfns
      return
    }
    for (let i = 0; i < MAGAZINE_SIZE; i++) this.#release(cache.pfns[i] ?? 0, 1 << order)
    cache.pfns.copyWithin(0, MAGAZINE_SIZE, cache.count)
    cache.count -= MAGAZINE_SIZE
  }

  #flushCaches(): void {
    this.#caches.forEach((cache, order) => {
      for (let i = 0; i < cache.count; i++) this.#release(cache.pfns[i] ?? 0, 1 << order)
      cache.count = 0
    })
  }
}
