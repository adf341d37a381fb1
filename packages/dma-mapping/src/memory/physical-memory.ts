// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, KernelError } from '@iolayers/kernel'
import {
  MAX_ORDER_NR_PAGES,
  MAX_PAGE_ORDER,
  PAGE_SIZE,
  PEER_BASE,
  PHYS_END,
  RAM_BASE,
} from '../constants.ts'
import { DmaDebug } from '../debug/dma-debug.ts'
import { findBrokenPoison, GivenBack, poisonFrames } from './given-back.ts'
import {
  copyBetween,
  createRegion,
  type MemoryRegion,
  type RegionBacking,
  type RegionKind,
} from './memory-region.ts'
import { PageAllocator } from './page-allocator.ts'
import { WASM_BACKING_BYTES_MAX } from './wasm-copy.ts'

/** Counters; numbers that only grow, but for the two of pages. */
export interface PhysicalMemoryStats {
  /** Bytes that the CPU moved with {@link PhysicalMemory.copy}. */
  cpuCopyBytes: number
  cpuReadBytes: number
  cpuWriteBytes: number
  /** Pages of RAM and device memory that are allocated now. */
  pagesAllocated: number
  pagesFree: number
}

export interface RegionRequest {
  frames: number
  kind: RegionKind
  backing: RegionBacking
  name?: string
  /** See {@link MemoryRegion.apertureBytes}; all of the region by default. */
  apertureBytes?: number
}

/**
 * The physical address space: regions of RAM and of device memory, with holes between them. A block of pages never spans
 * two regions. A frame is an address divided by `PAGE_SIZE`, an address a number below 2^43.
 */
export interface PhysicalMemory {
  readonly regions: readonly MemoryRegion[]
  /** Adds a region behind the others of its kind. Throws EINVAL for a bad size, ENOSPC when the kind's addresses are used up. */
  addRegion(init: RegionRequest): MemoryRegion
  /** The first of 2^order frames of RAM, aligned to its size, or -1. The bytes are as they were left. @see mm/page_alloc.c alloc_pages */
  allocPages(order: number): number
  /** The block must be exactly one that {@link allocPages} returned: asserted. */
  freePages(frame: number, order: number): void
  /** The first of any number of neighbouring frames, of RAM or of `region`, or -1. @see mm/page_alloc.c alloc_contig_range */
  allocContiguous(frames: number, region?: MemoryRegion): number
  /** The range must be exactly one that {@link allocContiguous} returned: asserted. */
  freeContiguous(frame: number, frames: number): void
  /** The region that holds the byte at `addr`, or null for a hole. Allocates nothing. */
  regionAt(addr: number): MemoryRegion | null
  /** Moves bytes by the CPU, counted. Each range lies inside one region, else EFAULT is thrown; they may overlap. */
  copy(targetAddr: number, sourceAddr: number, length: number): void
  /** The CPU reads; throws EFAULT for a hole. In checked mode also reads of bytes that a device may be writing are reported. */
  read(addr: number, target: Uint8Array): void
  /** The CPU writes; throws EFAULT for a hole. In checked mode writes to bytes that a device owns are reported. */
  write(addr: number, source: Uint8Array): void
  /** Gives all RAM, also regions that are added later, a device side of its own. Done by the first non-coherent device. */
  separateDeviceSides(): void
  readonly stats: PhysicalMemoryStats
  /** The ownership of every mapped byte, in checked mode; null otherwise. */
  readonly debug: DmaDebug | null
}

export interface PhysicalMemoryInit {
  /** Rounded up to pages. Above 4 GiB it becomes several regions. */
  ramBytes: number
  /** Default `wasm`. */
  backing?: RegionBacking
  /**
   * Fills pages that are freed with 0xaa, and reports at their next allocation when a byte of them was written in between. Costs a
   * write and a read of every page; off by default. @see mm/page_poison.c
   */
  pagePoisoning?: boolean
}

class PhysicalMemoryImpl implements PhysicalMemory {
  readonly stats: PhysicalMemoryStats = {
    cpuCopyBytes: 0,
    cpuReadBytes: 0,
    cpuWriteBytes: 0,
    pagesAllocated: 0,
    pagesFree: 0,
  }
  readonly debug: DmaDebug | null
  readonly #kernel: Kernel
  readonly #poisoned: GivenBack | null
  readonly #regions: MemoryRegion[] = []
  readonly #pages: PageAllocator[] = []
  #last: MemoryRegion | null = null
  #ramEnd = RAM_BASE
  #deviceEnd = PEER_BASE
  #separate = false

  constructor(kernel: Kernel, poisoning: boolean) {
    this.debug = kernel.checked ? new DmaDebug(kernel, (addr) => this.regionAt(addr)) : null
    this.#kernel = kernel
    this.#poisoned = poisoning ? new GivenBack() : null
  }

  get regions(): readonly MemoryRegion[] {
    return this.#regions
  }

  addRegion(init: RegionRequest): MemoryRegion {
    const sizeBytes = init.frames * PAGE_SIZE
    if (!Number.isSafeInteger(init.frames) || init.frames < 1 || sizeBytes > WASM_BACKING_BYTES_MAX)
      throw new KernelError('EINVAL', 'frames of a memory region', {
        value: init.frames,
        accepted: `1 to ${WASM_BACKING_BYTES_MAX / PAGE_SIZE}`,
      })
    const ram = init.kind === 'ram'
    const baseAddr = ram ? this.#ramEnd : this.#deviceEnd
    const limit = ram ? PEER_BASE : PHYS_END
    if (baseAddr + sizeBytes > limit)
      throw new KernelError('ENOSPC', 'physical addresses', {
        value: baseAddr + sizeBytes,
        accepted: `up to ${limit}`,
      })
    const index = this.#regions.length
    const name = init.name ?? `${init.kind}${index}`
    const apertureBytes = init.apertureBytes ?? sizeBytes
    checkAperture(apertureBytes, sizeBytes)
    const region = createRegion({ ...init, index, name, baseAddr, apertureBytes })
    // A hole follows, so that no segment ever runs from one region into the next.
    const step = MAX_ORDER_NR_PAGES * PAGE_SIZE
    const end = (Math.ceil((baseAddr + sizeBytes) / step) + 1) * step
    if (ram) this.#ramEnd = end
    else this.#deviceEnd = end
    if (this.#separate && ram) region.separateDeviceSide()
    this.#regions.push(region)
    this.#pages.push(new PageAllocator(init.frames))
    this.stats.pagesFree += init.frames
    return region
  }

  allocPages(order: number): number {
    assert(
      Number.isInteger(order) && order >= 0 && order <= MAX_PAGE_ORDER,
      'allocPages: order out of range',
    )
    this.#kernel.signalling.mightAlloc('alloc_pages')
    for (const region of this.#regions) {
      if (region.kind !== 'ram') continue
      const index = this.#pagesOf(region).alloc(order)
      if (index < 0) continue
      this.#given(region, index, 1 << order)
      return region.baseFrame + index
    }
    return -1
  }

  freePages(frame: number, order: number): void {
    const region = this.#regionOfFrame(frame)
    this.#pagesOf(region).free(frame - region.baseFrame, order)
    this.#givenBack(region, frame - region.baseFrame, 1 << order)
  }

  allocContiguous(frames: number, region?: MemoryRegion): number {
    assert(Number.isInteger(frames) && frames > 0, 'allocContiguous: frames must be positive')
    this.#kernel.signalling.mightAlloc('alloc_contig_range')
    for (const candidate of this.#regions) {
      if (region === undefined ? candidate.kind !== 'ram' : candidate !== region) continue
      const index = this.#pagesOf(candidate).allocContiguous(frames)
      if (index < 0) continue
      this.#given(candidate, index, frames)
      return candidate.baseFrame + index
    }
    return -1
  }

  freeContiguous(frame: number, frames: number): void {
    const region = this.#regionOfFrame(frame)
    this.#pagesOf(region).freeContiguous(frame - region.baseFrame, frames)
    this.#givenBack(region, frame - region.baseFrame, frames)
  }

  regionAt(addr: number): MemoryRegion | null {
    const last = this.#last
    if (last !== null && addr >= last.baseAddr && addr < last.baseAddr + last.sizeBytes) return last
    for (let i = 0; i < this.#regions.length; i++) {
      const region = this.#regions[i]
      if (region === undefined) break
      if (addr >= region.baseAddr && addr < region.baseAddr + region.sizeBytes) {
        this.#last = region
        return region
      }
    }
    return null
  }

  copy(targetAddr: number, sourceAddr: number, length: number): void {
    const target = this.#span(targetAddr, length)
    const source = this.#span(sourceAddr, length)
    this.debug?.cpuAccess(sourceAddr, length, false)
    this.debug?.cpuAccess(targetAddr, length, true)
    this.stats.cpuCopyBytes += length
    copyBetween(target, targetAddr - target.baseAddr, source, sourceAddr - source.baseAddr, length)
  }

  read(addr: number, target: Uint8Array): void {
    const region = this.#span(addr, target.length)
    this.debug?.cpuAccess(addr, target.length, false)
    this.stats.cpuReadBytes += target.length
    const offset = addr - region.baseAddr
    target.set(region.bytes.subarray(offset, offset + target.length))
  }

  write(addr: number, source: Uint8Array): void {
    const region = this.#span(addr, source.length)
    this.debug?.cpuAccess(addr, source.length, true)
    this.stats.cpuWriteBytes += source.length
    region.bytes.set(source, addr - region.baseAddr)
  }

  separateDeviceSides(): void {
    this.#separate = true
    for (const region of this.#regions) if (region.kind === 'ram') region.separateDeviceSide()
  }

  #pagesOf(region: MemoryRegion): PageAllocator {
    const pages = this.#pages[region.index]
    assert(pages !== undefined, 'physical memory: a region of another memory')
    return pages
  }

  #regionOfFrame(frame: number): MemoryRegion {
    const region = this.regionAt(frame * PAGE_SIZE)
    assert(region !== null, 'physical memory: no such frame')
    return region
  }

  #given(region: MemoryRegion, index: number, frames: number): void {
    this.stats.pagesAllocated += frames
    this.stats.pagesFree -= frames
    this.debug?.pagesAllocated(region, index, frames)
    const poisoned = this.#poisoned
    if (poisoned === null) return
    let broken = -1
    for (let i = index; i < index + frames && broken < 0; i++) {
      if (poisoned.has(region, i)) broken = findBrokenPoison(region, i)
    }
    poisoned.unmark(region, index, frames)
    if (broken < 0) return
    this.#kernel.report({
      check: 'page-poison',
      message: `the byte at 0x${(region.baseAddr + broken).toString(16)} was written after its page was given back`,
    })
  }

  #givenBack(region: MemoryRegion, index: number, frames: number): void {
    this.stats.pagesAllocated -= frames
    this.stats.pagesFree += frames
    if (this.#poisoned !== null) {
      poisonFrames(region, index, frames)
      this.#poisoned.mark(region, index, frames)
    }
    this.debug?.pagesFreed(region, index, frames)
  }

  #span(addr: number, length: number): MemoryRegion {
    const region = this.regionAt(addr)
    if (region === null || addr + length > region.baseAddr + region.sizeBytes)
      throw new KernelError('EFAULT', `no memory at [${addr}, ${addr + length})`, {
        accepted: 'a range inside one region',
      })
    return region
  }
}

function checkAperture(apertureBytes: number, sizeBytes: number): void {
  if (apertureBytes >= 0 && apertureBytes <= sizeBytes && apertureBytes % PAGE_SIZE === 0) return
  throw new KernelError('EINVAL', 'apertureBytes', {
    value: apertureBytes,
    accepted: `whole pages, at most ${sizeBytes}`,
  })
}

/** An address space with `ramBytes` of RAM. No page is touched. Throws EINVAL for a size that is not positive. */
export function createPhysicalMemory(
  components: { kernel: Kernel },
  init: PhysicalMemoryInit,
): PhysicalMemory {
  if (!(init.ramBytes > 0) || !Number.isSafeInteger(init.ramBytes))
    throw new KernelError('EINVAL', 'ramBytes', {
      value: init.ramBytes,
      accepted: 'a positive whole number',
    })
  const memory = new PhysicalMemoryImpl(components.kernel, init.pagePoisoning ?? false)
  let left = Math.ceil(init.ramBytes / PAGE_SIZE)
  while (left > 0) {
    const frames = Math.min(left, WASM_BACKING_BYTES_MAX / PAGE_SIZE)
    memory.addRegion({ frames, kind: 'ram', backing: init.backing ?? 'wasm' })
    left -= frames
  }
  return memory
}
