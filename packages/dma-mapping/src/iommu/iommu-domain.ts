// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Scheduler } from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import { frameOf } from '../memory/memory-region.ts'
import { FlushQueue } from './flush-queue.ts'
import type { IommuStats } from './iommu-stats.ts'
import { Iotlb } from './iotlb.ts'
import { IovaAllocator } from './iova-allocator.ts'
import { entryFrame, PageTable } from './page-table.ts'

/** Where a translation ended. Made once and filled anew. @internal */
export class DomainRange {
  physAddr = 0
  /** 0: not mapped; -1: mapped without the permission asked for; else bytes together from `physAddr` on. */
  length = 0
}

/**
 * The device addresses of one device: allocator, page table, IOTLB and, if lazy, flush queue. Unmapping clears the page
 * table at once. A strict domain then flushes the IOTLB; a lazy one queues that, and until the flush the device may still
 * get at what it had cached, as with the hardware.
 * @see drivers/iommu/dma-iommu.c, drivers/iommu/iommu.c
 * @internal
 */
export class IommuDomain {
  readonly mode: 'strict' | 'lazy'
  /** The device looks here first. */
  readonly tlb: Iotlb = new Iotlb()
  /** Shared with the other domains of the IOMMU. */
  readonly stats: IommuStats
  readonly #iova: IovaAllocator
  readonly #table: PageTable = new PageTable()
  readonly #queue: FlushQueue | null
  readonly #checked: boolean

  constructor(init: {
    mode: 'strict' | 'lazy'
    limitPfn: number
    scheduler: Scheduler
    stats: IommuStats
    checked: boolean
  }) {
    this.mode = init.mode
    this.#iova = new IovaAllocator(init.limitPfn)
    this.stats = init.stats
    this.#checked = init.checked
    this.#queue = init.mode === 'lazy' ? new FlushQueue(init.scheduler, this) : null
  }

  get mappedPages(): number {
    return this.#table.mapped
  }

  /** Entries that wait for a flush. */
  get queued(): number {
    return this.#queue?.count ?? 0
  }

  /** Device page numbers for `pages` pages, or -1. */
  allocIova(pages: number): number {
    const pfn = this.#iova.alloc(pages)
    if (pfn >= 0 || this.#queue === null || this.#queue.count === 0) return pfn
    this.#queue.flush()
    return this.#iova.alloc(pages)
  }

  /** Gives page numbers back that nothing was ever mapped at, or that no IOTLB entry can hold any more. */
  freeIova(pfn: number, pages: number): void {
    this.#iova.free(pfn, pages)
  }

  /** Maps neighbouring pages of an allocated run. `perms`: bits of BusAccess. */
  map(pfn: number, frame: number, pages: number, perms: number): void {
    this.#table.map(pfn, frame, pages, perms)
  }

  /** Counts a mapping, which may be of several runs of frames. */
  countMap(): void {
    this.stats.maps++
  }

  /** Unmaps and frees a whole run. */
  unmap(pfn: number, pages: number): void {
    this.#table.unmap(pfn, pages)
    this.stats.unmaps++
    if (this.#queue !== null) {
      this.#queue.add(pfn, pages)
      return
    }
    this.tlb.flushRange(pfn, pages)
    this.stats.iotlbFlushes++
    this.#iova.free(pfn, pages)
  }

  flushIotlb(): void {
    this.tlb.flushAll()
    this.stats.iotlbFlushes++
  }

  /** Physical address by the page table alone, -1 if not mapped. @see drivers/iommu/iommu.c iommu_iova_to_phys */
  iovaToPhys(addr: number): number {
    const pfn = frameOf(addr)
    const entry = this.#table.lookup(pfn)
    return entry === 0 ? -1 : entryFrame(entry) * PAGE_SIZE + (addr - pfn * PAGE_SIZE)
  }

  /** The hardware's way: IOTLB, then page table. `addr` must be below the end of the address space. */
  translate(addr: number, length: number, access: number, out: DomainRange): void {
    const pfn = frameOf(addr)
    const tlb = this.tlb
    const slot = this.#lookup(pfn)
    if (slot < 0 || (tlb.perms(slot) & access) === 0) {
      out.length = slot < 0 ? 0 : -1
      return
    }
    const inPage = addr - pfn * PAGE_SIZE
    const end = tlb.end(slot)
    out.physAddr = tlb.frame(slot, pfn) * PAGE_SIZE + inPage
    out.length = length
    if (length > (end - pfn) * PAGE_SIZE - inPage) this.#extend(slot, pfn, inPage, access, out)
  }

  /** How far the run goes beyond its first entry, at most as far as `out.length`. */
  #extend(first: number, firstPfn: number, inPage: number, access: number, out: DomainRange): void {
    const tlb = this.tlb
    const delta = tlb.frame(first, 0)
    let pfn = tlb.end(first)
    for (;;) {
      const reach = (pfn - firstPfn) * PAGE_SIZE - inPage
      if (reach >= out.length) return
      const slot = this.#lookup(pfn)
      if (slot < 0 || (tlb.perms(slot) & access) === 0 || tlb.frame(slot, 0) !== delta) {
        out.length = reach
        return
      }
      pfn = tlb.end(slot)
    }
  }

  /** Flushes, so that nothing is left for a timer. What is still mapped is forgotten. */
  destroy(): void {
    this.#queue?.destroy()
    this.tlb.flushAll()
  }

  #lookup(pfn: number): number {
    const slot = this.tlb.lookup(pfn)
    if (slot >= 0) {
      this.stats.tlbHits++
      if (this.#checked) this.#checkStale(slot, pfn)
      return slot
    }
    this.stats.tlbMisses++
    return this.tlb.fill(pfn, this.#table)
  }

  #checkStale(slot: number, pfn: number): void {
    const entry = this.#table.lookup(pfn)
    if (entry !== 0 && entryFrame(entry) === this.tlb.frame(slot, pfn)) return
    assert(this.mode === 'lazy', 'IOTLB: a stale entry in a strict domain')
    this.stats.staleHits++
  }
}
