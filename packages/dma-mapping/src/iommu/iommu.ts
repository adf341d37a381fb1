// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError, type Tracepoint } from '@iolayers/kernel'
import { PAGE_SIZE, PEER_BASE } from '../constants.ts'
import type { BusFault } from '../device/bus.ts'
import { IommuDomain } from './iommu-domain.ts'
import type { IommuStats } from './iommu-stats.ts'

/** Faults that {@link Iommu.faults} keeps. */
const FAULTS_KEPT = 256

/** An IOMMU: makes the domain of each device that is created with it, and keeps its counters and faults. */
export interface Iommu {
  readonly stats: IommuStats
  /** The latest 256 faults, oldest first; {@link IommuStats.faults} counts all. */
  readonly faults: readonly BusFault[]
  /** A domain for a device with `addressBits` of device address. The device owns it. Throws EINVAL below 13 bits. */
  createDomain(mode: 'strict' | 'lazy', addressBits: number): IommuDomain
  /** Counts a refused access. @see drivers/iommu/iommu.c report_iommu_fault */
  reportFault(fault: BusFault): void
}

export interface IommuInit {
  /** Called for every fault, in atomic context. */
  onFault?: (fault: BusFault) => void
}

class IommuImpl implements Iommu {
  readonly stats: IommuStats = {
    maps: 0,
    unmaps: 0,
    iotlbFlushes: 0,
    tlbHits: 0,
    tlbMisses: 0,
    faults: 0,
    staleHits: 0,
  }
  readonly #kernel: Kernel
  readonly #faults: BusFault[] = []
  readonly #onFault: ((fault: BusFault) => void) | null
  readonly #pageFault: Tracepoint

  constructor(kernel: Kernel, init: IommuInit) {
    this.#kernel = kernel
    this.#onFault = init.onFault ?? null
    this.#pageFault = kernel.tracer.point('iommu:io_page_fault', [
      'device',
      'iova',
      'length',
      'access',
      'reason',
    ])
  }

  get faults(): readonly BusFault[] {
    return this.#faults
  }

  createDomain(mode: 'strict' | 'lazy', addressBits: number): IommuDomain {
    if (!(addressBits > 12 && addressBits <= 64))
      throw new KernelError('EINVAL', 'bits of a device address', {
        value: addressBits,
        accepted: '13 to 64',
      })
    const limitPfn = Math.min(2 ** addressBits, PEER_BASE) / PAGE_SIZE
    return new IommuDomain({
      mode,
      limitPfn,
      scheduler: this.#kernel.scheduler,
      stats: this.stats,
      checked: this.#kernel.checked,
    })
  }

  reportFault(fault: BusFault): void {
    this.stats.faults++
    if (this.#faults.length === FAULTS_KEPT) this.#faults.shift()
    this.#faults.push(fault)
    if (this.#pageFault.enabled)
      this.#pageFault.emit(
        fault.deviceName,
        fault.busAddr,
        fault.length,
        fault.access,
        fault.reason,
      )
    this.#onFault?.(fault)
  }
}

/** An IOMMU without devices. */
export function createIommu(components: { kernel: Kernel }, init: IommuInit = {}): Iommu {
  return new IommuImpl(components.kernel, init)
}
