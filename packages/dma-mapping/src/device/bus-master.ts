// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { PAGE_SHIFT, PAGE_SIZE, PEER_BASE } from '../constants.ts'
import type { DmaDebug } from '../debug/dma-debug.ts'
import { DomainRange, type IommuDomain } from '../iommu/iommu-domain.ts'
import type { Iotlb } from '../iommu/iotlb.ts'
import type { MemoryRegion, RegionSide } from '../memory/memory-region.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'
import type { BusAccess, BusMaster, BusRange } from './bus.ts'
import type { FaultReporter } from './fault-reporter.ts'

/** @internal */
export interface BusMasterParts {
  readonly memory: PhysicalMemory
  /** Null in passthrough mode. */
  readonly domain: IommuDomain | null
  readonly coherent: boolean
  readonly peerToPeer: boolean
  readonly faults: FaultReporter
  readonly debug: DmaDebug | null
  /** Whose mappings the accesses are checked against. */
  readonly owner: object
}

/** @internal */
export class BusMasterImpl implements BusMaster {
  enabled = true
  readonly #memory: PhysicalMemory
  readonly #domain: IommuDomain | null
  /** Of the domain, unless checked mode wants to see every access. */
  readonly #tlb: Iotlb | null
  readonly #stats: { tlbHits: number }
  readonly #coherent: boolean
  /** Of the latest access that took the slow way; its bytes are then found without looking for their region. */
  #region: MemoryRegion | null = null
  #baseFrame = 0
  #frames = 0
  readonly #peerToPeer: boolean
  readonly #faults: FaultReporter
  readonly #debug: DmaDebug | null
  readonly #owner: object
  readonly #range: DomainRange = new DomainRange()

  constructor(parts: BusMasterParts) {
    this.#memory = parts.memory
    this.#domain = parts.domain
    this.#tlb = parts.debug === null && parts.domain !== null ? parts.domain.tlb : null
    this.#stats = parts.domain?.stats ?? { tlbHits: 0 }
    this.#coherent = parts.coherent
    this.#peerToPeer = parts.peerToPeer
    this.#faults = parts.faults
    this.#debug = parts.debug
    this.#owner = parts.owner
  }

  get faultCount(): number {
    return this.#faults.count
  }

  translate(busAddr: number, length: number, access: BusAccess, out: BusRange): number {
    assert(length > 0, 'translate: the length must be positive')
    const tlb = this.#tlb
    // An entry of the IOTLB that holds all of the range, below 4 GiB, in the region of the access before: nearly every
    // access. All of it in 32-bit integers.
    const addr = busAddr >>> 0
    if (tlb !== null && this.enabled && addr === busAddr) {
      const pfn = addr >>> PAGE_SHIFT
      const inPage = addr & (PAGE_SIZE - 1)
      const slot = tlb.lookup(pfn)
      if (
        slot >= 0 &&
        (tlb.perms(slot) & access) !== 0 &&
        length <= (tlb.end(slot) - pfn) * PAGE_SIZE - inPage
      ) {
        const region = this.#region
        const index = tlb.frame(slot, pfn) - this.#baseFrame
        if (region !== null && index >= 0 && index < this.#frames) {
          this.#stats.tlbHits++
          out.offset = index * PAGE_SIZE + inPage
          if (out.side !== region) fillRange(out, region, region)
          return length
        }
      }
    }
    return this.#translateSlow(busAddr, length, access, out)
  }

  #translateSlow(busAddr: number, length: number, access: BusAccess, out: BusRange): number {
    if (!this.enabled || !(busAddr >= 0 && Number.isSafeInteger(busAddr))) {
      this.#faults.report(busAddr, length, access, this.enabled ? 'unmapped' : 'disabled')
      return 0
    }
    const domain = this.#domain
    if (domain === null || busAddr >= PEER_BASE)
      return this.#resolve(busAddr, busAddr, length, access, out)
    const range = this.#range
    domain.translate(busAddr, length, access, range)
    if (range.length <= 0) {
      const reason = range.length === 0 ? 'unmapped' : 'permission'
      this.#faults.report(busAddr, length, access, reason)
      return 0
    }
    return this.#resolve(range.physAddr, busAddr, range.length, access, out)
  }

  #resolve(
    physAddr: number,
    busAddr: number,
    length: number,
    access: BusAccess,
    out: BusRange,
  ): number {
    const region = this.#memory.regionAt(physAddr)
    const room = region === null ? 0 : this.#roomIn(region, physAddr, length)
    if (region === null || room <= 0) {
      this.#faults.report(busAddr, length, access, 'unmapped')
      return 0
    }
    const offset = physAddr - region.baseAddr
    const reach = this.#coherent ? room : region.uniformLength(offset, room)
    out.offset = offset
    fillRange(out, region, this.#coherent ? region : region.sideAt(offset))
    if (this.#tlb !== null && this.#coherent) {
      this.#region = region
      this.#baseFrame = region.baseFrame
      this.#frames = region.frames
    }
    this.#debug?.deviceAccess(this.#owner, physAddr, busAddr, reach, access)
    return reach
  }

  /** Bytes from `physAddr` on that the device reaches: the memory of another one only through its window. */
  #roomIn(region: MemoryRegion, physAddr: number, length: number): number {
    if (region.kind === 'device' && !this.#peerToPeer) return 0
    return Math.min(length, region.apertureBytes - (physAddr - region.baseAddr))
  }
}

function fillRange(out: BusRange, region: MemoryRegion, side: RegionSide): void {
  out.region = region
  out.side = side
  out.bytes = side.bytes
}
