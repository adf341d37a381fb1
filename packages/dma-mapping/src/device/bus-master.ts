// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { PEER_BASE } from '../constants.ts'
import type { DmaDebug } from '../debug/dma-debug.ts'
import { DomainRange, type IommuDomain } from '../iommu/iommu-domain.ts'
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
  readonly #coherent: boolean
  readonly #peerToPeer: boolean
  readonly #faults: FaultReporter
  readonly #debug: DmaDebug | null
  readonly #owner: object
  readonly #range: DomainRange = new DomainRange()

  constructor(parts: BusMasterParts) {
    this.#memory = parts.memory
    this.#domain = parts.domain
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
    if (!this.enabled) {
      this.#faults.report(busAddr, length, access, 'disabled')
      return 0
    }
    let physAddr = busAddr
    let reach = length
    if (this.#domain !== null && busAddr < PEER_BASE) {
      const range = this.#range
      if (busAddr >= 0) this.#domain.translate(busAddr, length, access, range)
      else range.length = 0
      if (range.length <= 0) {
        const reason = range.length === 0 ? 'unmapped' : 'permission'
        this.#faults.report(busAddr, length, access, reason)
        return 0
      }
      physAddr = range.physAddr
      reach = range.length
    }
    return this.#resolve(physAddr, busAddr, reach, access, out)
  }

  #resolve(
    physAddr: number,
    busAddr: number,
    length: number,
    access: BusAccess,
    out: BusRange,
  ): number {
    const region = this.#memory.regionAt(physAddr)
    if (region === null || (region.kind === 'device' && !this.#peerToPeer)) {
      this.#faults.report(busAddr, length, access, 'unmapped')
      return 0
    }
    const offset = physAddr - region.baseAddr
    const left = region.sizeBytes - offset
    let reach = Math.min(length, left)
    out.region = region
    out.offset = offset
    if (this.#coherent) {
      out.side = region
      out.bytes = region.bytes
    } else {
      reach = region.uniformLength(offset, reach)
      out.side = region.sideAt(offset)
      out.bytes = out.side.bytes
    }
    if (this.#debug !== null) this.#debug.deviceAccess(this.#owner, busAddr, reach, access)
    return reach
  }
}
