// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createRegion, type MemoryRegion, type RegionSide } from '../memory/memory-region.ts'

/** What a device does to memory; also the permission bits of a mapping. @see include/linux/iommu.h IOMMU_READ, IOMMU_WRITE */
export const BusAccess = {
  /** The device reads memory. */
  READ: 1,
  /** The device writes memory. */
  WRITE: 2,
} as const
export type BusAccess = (typeof BusAccess)[keyof typeof BusAccess]

/** Where an address on the bus leads. Made once by the device and filled by {@link BusMaster.translate}. */
export class BusRange {
  /** A region without frames before the first translation. */
  region: MemoryRegion
  /** The side of the region on which the device finds its bytes. */
  side: RegionSide
  /** The bytes of {@link side}. */
  bytes: Uint8Array
  /** Of the first byte of the range, in `bytes`. */
  offset: number

  constructor() {
    this.region = createRegion({
      index: -1,
      name: 'none',
      kind: 'ram',
      backing: 'plain',
      baseAddr: 0,
      frames: 0,
      apertureBytes: 0,
    })
    this.side = this.region
    this.bytes = this.region.bytes
    this.offset = 0
  }
}

/** An access that was refused. */
export interface BusFault {
  readonly deviceName: string
  readonly busAddr: number
  readonly length: number
  readonly access: BusAccess
  /** `disabled`: bus mastering is off; `unmapped`: no such device address; `permission`: mapped for the other direction. */
  readonly reason: 'disabled' | 'unmapped' | 'permission'
}

/** The device's own side: how it reaches memory. */
export interface BusMaster {
  /** PCI bus mastering. While it is off, every access faults. @see include/uapi/linux/pci_regs.h PCI_COMMAND_MASTER */
  enabled: boolean
  /**
   * Resolves the start of `[busAddr, busAddr + length)` for an access. Returns how many bytes from `busAddr` on lie together
   * in one place, at most `length`, and sets `out`; call again for the rest. Returns 0 when the first byte cannot be
   * reached so: that is a fault, which is counted and reported, and `out` is left alone. Allocates nothing unless it
   * faults. `length` must be positive; `busAddr` may be any number.
   */
  translate(busAddr: number, length: number, access: BusAccess, out: BusRange): number
  /** Accesses refused so far. */
  readonly faultCount: number
}
