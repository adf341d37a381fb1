// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The controller memory buffer: memory of the controller that the host can address, for queues, lists and data. To the controller it is near: no access to it
// goes over the bus.

import type { BusAccess, BusMaster, BusRange, MemoryRegion } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import { Reg } from '../../spec/index.ts'

const PAGE_BYTES = 4096
const SIZE_SHIFT = 12
/** CMBSZ: submission queues, completion queues, lists, and data in both directions. */
const SUPPORTS_ALL = 0b1_1111
/** CMBLOC: in the BAR of index 2, from its first byte on, and all of it in any order. */
const BAR_INDEX = 2
const MIXED = 0b1_1111_1000
const ENABLE_REGISTERS = 1
const ENABLE_SPACE = 2
const TWO_32 = 0x1_0000_0000

/** The buffer, and its registers. @see NVMe Base 2.1, 3.1.4.11 to 3.1.4.17, 8.2.1 */
export class MemoryBuffer {
  readonly region: MemoryRegion
  #control = 0
  #baseHigh = 0
  #invalidBase = false

  /** Throws EINVAL for memory that is not a device's. */
  constructor(region: MemoryRegion) {
    if (region.kind !== 'device') {
      throw new KernelError('EINVAL', `a controller memory buffer in ${region.name}`, {
        value: region.kind,
        accepted: 'memory of a device',
      })
    }
    this.region = region
  }

  /** Where the controller finds it in the addresses that the host uses; -1: nowhere. */
  get baseAddr(): number {
    const on = (this.#control & (ENABLE_REGISTERS | ENABLE_SPACE)) === 3 && !this.#invalidBase
    return on ? this.#base : -1
  }

  get sizeBytes(): number {
    return this.region.sizeBytes
  }

  /** Whether a range begins in it and does not end there, or the other way round: nothing may. */
  straddles(addr: number, lengthBytes: number): boolean {
    const base = this.baseAddr
    if (base < 0) return false
    const end = base + this.sizeBytes
    const begins = addr >= base && addr < end
    const ends = addr + lengthBytes > base && addr + lengthBytes <= end
    return begins !== ends
  }

  read32(offset: number): number {
    const shown = (this.#control & ENABLE_REGISTERS) !== 0
    switch (offset) {
      case Reg.CMBLOC:
        return shown ? BAR_INDEX | MIXED : 0
      case Reg.CMBSZ:
        return shown ? (SUPPORTS_ALL | ((this.sizeBytes / PAGE_BYTES) << SIZE_SHIFT)) >>> 0 : 0
      case Reg.CMBMSC:
        return this.#control >>> 0
      case Reg.CMBMSC + 4:
        return this.#baseHigh
      case Reg.CMBSTS:
        return this.#invalidBase ? 1 : 0
      default:
        return 0
    }
  }

  write32(offset: number, value: number): void {
    if (offset === Reg.CMBMSC) this.#control = (value & 0xffff_f003) >>> 0
    else if (offset === Reg.CMBMSC + 4) this.#baseHigh = value >>> 0
    else return
    const end = this.#base + this.sizeBytes
    this.#invalidBase = (this.#control & ENABLE_SPACE) !== 0 && !Number.isSafeInteger(end)
  }

  /** A reset of the subsystem; that of the controller leaves it as it is. */
  reset(): void {
    this.#control = 0
    this.#baseHigh = 0
    this.#invalidBase = false
  }

  get #base(): number {
    return ((this.#control & 0xffff_f000) >>> 0) + this.#baseHigh * TWO_32
  }
}

/** The bus of a controller that has such memory: what lies there it finds without going out. */
export class BufferedBus implements BusMaster {
  readonly #bus: BusMaster
  readonly #buffer: MemoryBuffer

  constructor(bus: BusMaster, buffer: MemoryBuffer) {
    this.#bus = bus
    this.#buffer = buffer
  }

  get enabled(): boolean {
    return this.#bus.enabled
  }

  set enabled(on: boolean) {
    this.#bus.enabled = on
  }

  get faultCount(): number {
    return this.#bus.faultCount
  }

  translate(busAddr: number, length: number, access: BusAccess, out: BusRange): number {
    const { baseAddr, sizeBytes, region } = this.#buffer
    const offset = busAddr - baseAddr
    if (baseAddr < 0 || offset < 0 || offset >= sizeBytes) {
      return this.#bus.translate(busAddr, length, access, out)
    }
    out.region = region
    out.side = region
    out.bytes = region.bytes
    out.offset = offset
    return Math.min(length, sizeBytes - offset)
  }
}
