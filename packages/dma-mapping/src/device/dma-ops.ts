// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, KernelError } from '@iolayers/kernel'
import { PAGE_SIZE, PEER_BASE } from '../constants.ts'
import type { DmaDebug } from '../debug/dma-debug.ts'
import { DmaDirection, dmaDirectionName, validDmaDirection } from '../dma-direction.ts'
import type { IommuDomain } from '../iommu/iommu-domain.ts'
import { frameOf } from '../memory/memory-region.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'
import type { SgTable } from '../sg/sg-table.ts'
import { BusAccess } from './bus.ts'
import { type CoherentBlock, DmaAttrs, type DmaOps, type DmaStats } from './device.ts'
import { createDmaTrace, type DmaTrace } from './dma-trace.ts'
import { transferDma } from './memory-sides.ts'
import {
  checkSgtable,
  type DmaLimits,
  iovaPagesOf,
  mapPieces,
  mapPiecesDirect,
} from './sg-mapping.ts'

/** @internal */
export interface DmaOpsParts {
  readonly kernel: Kernel
  readonly name: string
  readonly memory: PhysicalMemory
  /** Null in passthrough mode. */
  readonly domain: IommuDomain | null
  readonly coherent: boolean
  readonly limits: DmaLimits
  /** Whose mappings these are, in checked mode. */
  readonly owner: object
}

/** Larger runs of device addresses do not exist. */
const IOVA_PAGES_MAX = 0x2000_0000
/** The length of a single mapping is below this, so that its pages count in 32 bits. */
const SINGLE_BYTES_MAX = 0x8000_0000

function emptyStats(): DmaStats {
  return {
    maps: 0,
    unmaps: 0,
    mapsSgtable: 0,
    unmapsSgtable: 0,
    syncsForDevice: 0,
    syncsForCpu: 0,
    syncBytes: 0,
    syncCopyBytes: 0,
    bounceBytes: 0,
    coherentAllocs: 0,
    coherentFrees: 0,
  }
}

/** The permissions that a direction needs. @see drivers/iommu/dma-iommu.c dma_info_to_prot */
function permsOf(direction: DmaDirection): number {
  if (direction === DmaDirection.TO_DEVICE) return BusAccess.READ
  if (direction === DmaDirection.FROM_DEVICE) return BusAccess.WRITE
  return BusAccess.READ | BusAccess.WRITE
}

/** Pages that hold `length` bytes from `addr` on. */
function pagesOf(addr: number, length: number): number {
  return ((addr & (PAGE_SIZE - 1)) + length + PAGE_SIZE - 1) >>> 12
}

/** @internal */
export class DmaOpsImpl implements DmaOps {
  readonly stats: DmaStats = emptyStats()
  readonly #name: string
  readonly #memory: PhysicalMemory
  readonly #domain: IommuDomain | null
  readonly #coherent: boolean
  /** Coherent and not checked: a sync has nothing to do. */
  readonly #free: boolean
  readonly #limits: DmaLimits
  readonly #debug: DmaDebug | null
  readonly #owner: object
  readonly #trace: DmaTrace
  readonly #blocks: Set<CoherentBlock> = new Set()

  constructor(parts: DmaOpsParts) {
    this.#name = parts.name
    this.#memory = parts.memory
    this.#domain = parts.domain
    this.#coherent = parts.coherent
    this.#limits = parts.limits
    this.#debug = parts.memory.debug
    this.#free = parts.coherent && this.#debug === null
    this.#owner = parts.owner
    this.#trace = createDmaTrace(parts.kernel.tracer)
  }

  mapSingle(physAddr: number, length: number, direction: DmaDirection): number {
    assert(length > 0 && length < SINGLE_BYTES_MAX, 'mapSingle: length out of range')
    assert(validDmaDirection(direction), 'mapSingle: bad direction')
    const dmaAddr =
      this.#domain !== null && physAddr < PEER_BASE
        ? this.#mapPages(this.#domain, physAddr, length, permsOf(direction))
        : this.#direct(physAddr, length)
    if (dmaAddr < 0) return -1
    this.stats.maps++
    if (!this.#coherent) this.#transfer(dmaAddr, length, true)
    if (this.#trace.mapPhys.enabled)
      this.#trace.mapPhys.emit(this.#name, dmaDirectionName(direction), physAddr, dmaAddr, length)
    this.#debug?.mapSingle(this.#owner, physAddr, dmaAddr, length, direction)
    return dmaAddr
  }

  unmapSingle(dmaAddr: number, length: number, direction: DmaDirection): void {
    assert(length > 0 && length < SINGLE_BYTES_MAX, 'unmapSingle: length out of range')
    const mapped = this.#debug?.unmap(this.#owner, 'single', dmaAddr, length, direction) ?? length
    if (mapped < 0) return
    this.stats.unmaps++
    if (!this.#coherent && direction !== DmaDirection.TO_DEVICE)
      this.#transfer(dmaAddr, mapped, false)
    if (this.#domain !== null && dmaAddr < PEER_BASE)
      this.#domain.unmap(frameOf(dmaAddr), pagesOf(dmaAddr, mapped))
    if (this.#trace.unmapPhys.enabled)
      this.#trace.unmapPhys.emit(this.#name, dmaDirectionName(direction), dmaAddr, length)
  }

  syncSingleForDevice(dmaAddr: number, length: number, direction: DmaDirection): void {
    this.stats.syncsForDevice++
    this.stats.syncBytes += length
    if (this.#trace.syncForDevice.enabled)
      this.#trace.syncForDevice.emit(this.#name, dmaDirectionName(direction), dmaAddr, length)
    if (this.#free) return
    this.#debug?.sync(this.#owner, dmaAddr, length, direction, true)
    if (!this.#coherent) this.#transfer(dmaAddr, length, true)
  }

  syncSingleForCpu(dmaAddr: number, length: number, direction: DmaDirection): void {
    this.stats.syncsForCpu++
    this.stats.syncBytes += length
    if (this.#trace.syncForCpu.enabled)
      this.#trace.syncForCpu.emit(this.#name, dmaDirectionName(direction), dmaAddr, length)
    if (this.#free) return
    this.#debug?.sync(this.#owner, dmaAddr, length, direction, false)
    if (!this.#coherent && direction !== DmaDirection.TO_DEVICE)
      this.#transfer(dmaAddr, length, false)
  }

  mapSgtable(table: SgTable, direction: DmaDirection, attrs = 0): void {
    checkSgtable(table, direction, this.#memory, this.#limits)
    const domain = this.#domain
    const iovaPages = domain === null ? 0 : iovaPagesOf(table)
    let iovaPfn = 0
    if (domain === null) mapPiecesDirect(table, this.#limits)
    else {
      if (iovaPages > 0) iovaPfn = this.#allocIova(domain, iovaPages)
      mapPieces(table, domain, iovaPfn, permsOf(direction), this.#limits)
      if (iovaPages > 0) domain.countMap()
    }
    const { maxSegmentSizeBytes, segBoundaryMask } = this.#limits
    const owner = this.#owner
    table.setMapping({
      owner,
      direction,
      maxSegmentSizeBytes,
      segBoundaryMask,
      iovaPfn,
      iovaPages,
    })
    this.stats.mapsSgtable++
    const skipSync = (attrs & DmaAttrs.SKIP_CPU_SYNC) !== 0
    if (!this.#coherent && !skipSync) this.#transferTable(table, true)
    if (this.#trace.mapSg.enabled) this.#traceSg(this.#trace.mapSg, table, direction)
    this.#debug?.mapSgtable(owner, table, direction, skipSync)
  }

  unmapSgtable(table: SgTable, direction: DmaDirection, attrs = 0): void {
    const mapping = table.mapping
    const mine = mapping !== null && mapping.owner === this.#owner
    if (this.#debug === null) assert(mine, 'unmapSgtable: this device has not mapped the table')
    const first = mine ? table.dmaAddressAt(0) : -1
    const { totalBytes } = table
    const found = this.#debug?.unmap(this.#owner, 'sgtable', first, totalBytes, direction) ?? 0
    if (!mine || found < 0) return
    this.stats.unmapsSgtable++
    if (this.#trace.unmapSg.enabled) this.#traceSg(this.#trace.unmapSg, table, direction)
    if (
      !this.#coherent &&
      (attrs & DmaAttrs.SKIP_CPU_SYNC) === 0 &&
      mapping.direction !== DmaDirection.TO_DEVICE
    )
      this.#transferTable(table, false)
    if (mapping.iovaPages > 0) this.#domain?.unmap(mapping.iovaPfn, mapping.iovaPages)
    table.setMapping(null)
  }

  syncSgtableForDevice(table: SgTable, direction: DmaDirection): void {
    assert(table.mapping?.owner === this.#owner, 'sync: this device has not mapped the table')
    for (let i = 0; i < table.nents; i++) {
      this.syncSingleForDevice(table.dmaAddressAt(i), table.dmaLengthAt(i), direction)
    }
  }

  syncSgtableForCpu(table: SgTable, direction: DmaDirection): void {
    assert(table.mapping?.owner === this.#owner, 'sync: this device has not mapped the table')
    for (let i = 0; i < table.nents; i++) {
      this.syncSingleForCpu(table.dmaAddressAt(i), table.dmaLengthAt(i), direction)
    }
  }

  allocCoherent(length: number): CoherentBlock {
    if (!(Number.isSafeInteger(length) && length > 0 && length < SINGLE_BYTES_MAX))
      throw new KernelError('EINVAL', 'bytes of coherent memory', {
        value: length,
        accepted: `1 to ${SINGLE_BYTES_MAX - 1}`,
      })
    const pages = pagesOf(0, length)
    const frame = this.#memory.allocContiguous(pages)
    if (frame < 0)
      throw new KernelError('ENOMEM', 'no contiguous memory', { value: pages * PAGE_SIZE })
    const physAddr = frame * PAGE_SIZE
    const dmaAddr =
      this.#domain === null
        ? this.#direct(physAddr, length)
        : this.#mapPages(this.#domain, physAddr, length, BusAccess.READ | BusAccess.WRITE)
    const region = this.#memory.regionAt(physAddr)
    if (dmaAddr < 0 || region === null) {
      this.#memory.freeContiguous(frame, pages)
      throw new KernelError('ENOMEM', 'no device address for coherent memory', { value: length })
    }
    const offset = physAddr - region.baseAddr
    region.bytes.fill(0, offset, offset + pages * PAGE_SIZE)
    if (!this.#coherent) region.setUncached(offset / PAGE_SIZE, pages, true)
    const block: CoherentBlock = { physAddr, dmaAddr, length, region, offset }
    this.#blocks.add(block)
    this.stats.coherentAllocs++
    if (this.#trace.alloc.enabled) this.#trace.alloc.emit(this.#name, physAddr, dmaAddr, length)
    this.#debug?.allocCoherent(this.#owner, physAddr, dmaAddr, length)
    return block
  }

  freeCoherent(block: CoherentBlock): void {
    const { physAddr, dmaAddr, length, region, offset } = block
    const known = this.#blocks.delete(block)
    if (this.#debug === null) assert(known, 'freeCoherent: no such block of this device')
    const at = known ? dmaAddr : -1
    this.#debug?.unmap(this.#owner, 'coherent', at, length, DmaDirection.BIDIRECTIONAL)
    if (!known) return
    const pages = pagesOf(0, length)
    this.#domain?.unmap(frameOf(dmaAddr), pages)
    if (!this.#coherent) region.setUncached(offset / PAGE_SIZE, pages, false)
    this.#memory.freeContiguous(frameOf(physAddr), pages)
    this.stats.coherentFrees++
    if (this.#trace.free.enabled) this.#trace.free.emit(this.#name, physAddr, dmaAddr, length)
  }

  /** The bus address that is the physical one, or -1 if the device cannot put it on the bus. */
  #direct(physAddr: number, length: number): number {
    if (physAddr + length - 1 > this.#limits.dmaMask) return -1
    if (physAddr < PEER_BASE) return physAddr
    if (!this.#limits.peerToPeer) return -1
    const region = this.#memory.regionAt(physAddr)
    const end = region === null ? 0 : region.baseAddr + region.apertureBytes
    return physAddr + length <= end ? physAddr : -1
  }

  #mapPages(domain: IommuDomain, physAddr: number, length: number, perms: number): number {
    const pages = pagesOf(physAddr, length)
    const pfn = domain.allocIova(pages)
    if (pfn < 0) return -1
    domain.map(pfn, frameOf(physAddr), pages, perms)
    domain.countMap()
    return pfn * PAGE_SIZE + (physAddr & (PAGE_SIZE - 1))
  }

  #allocIova(domain: IommuDomain, pages: number): number {
    const pfn = pages <= IOVA_PAGES_MAX ? domain.allocIova(pages) : -1
    if (pfn < 0)
      throw new KernelError('ENOMEM', 'no run of device addresses', {
        value: `${pages} pages`,
        accepted: `addresses up to ${this.#limits.dmaMask}`,
      })
    return pfn
  }

  #transfer(dmaAddr: number, length: number, toDevice: boolean): void {
    const domain = dmaAddr < PEER_BASE ? this.#domain : null
    this.stats.syncCopyBytes += transferDma(this.#memory, domain, dmaAddr, length, toDevice)
  }

  #transferTable(table: SgTable, toDevice: boolean): void {
    for (let i = 0; i < table.nents; i++) {
      this.#transfer(table.dmaAddressAt(i), table.dmaLengthAt(i), toDevice)
    }
  }

  #traceSg(point: DmaTrace['mapSg'], table: SgTable, direction: DmaDirection): void {
    point.emit(
      this.#name,
      dmaDirectionName(direction),
      table.origNents,
      table.nents,
      table.dmaAddressAt(0),
      table.totalBytes,
    )
  }
}
