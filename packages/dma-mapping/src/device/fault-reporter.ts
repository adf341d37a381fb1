// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Iommu } from '../iommu/iommu.ts'
import type { BusAccess, BusFault } from './bus.ts'

/** Counts the refused accesses of one device and passes them on. @internal */
export class FaultReporter {
  readonly #deviceName: string
  readonly #iommu: Iommu | null
  readonly #onFault: ((fault: BusFault) => void) | null
  count = 0

  constructor(
    deviceName: string,
    iommu: Iommu | null,
    onFault: ((fault: BusFault) => void) | null,
  ) {
    this.#deviceName = deviceName
    this.#iommu = iommu
    this.#onFault = onFault
  }

  report(busAddr: number, length: number, access: BusAccess, reason: BusFault['reason']): void {
    this.count++
    const fault: BusFault = { deviceName: this.#deviceName, busAddr, length, access, reason }
    this.#iommu?.reportFault(fault)
    this.#onFault?.(fault)
  }
}
