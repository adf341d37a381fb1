// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The register file. It keeps what the host wrote and shows where the controller stands; doing something about it is the controller's.

import {
  Cap,
  Cc,
  CQES,
  Csts,
  NSSR_RESET,
  Reg,
  Shn,
  Shst,
  SQES,
  VERSION_2_1,
} from '../../spec/index.ts'
import type { ControllerBar } from '../contracts.ts'
import type { MemoryBuffer } from './memory-buffer.ts'

/** What register writes set in motion. */
export interface RegisterListener {
  kick(): void
  /** The host cleared bits of the interrupt mask. */
  unmasked(): void
  ringSqTail(id: number, value: number): void
  ringCqHead(id: number, value: number): void
}

export interface AdminQueues {
  readonly asq: number
  readonly acq: number
  readonly sqEntries: number
  readonly cqEntries: number
  readonly pageBytes: number
}

const TWO_32 = 0x1_0000_0000
const DOORBELL_BYTES = 4
/** CAP.TO in units of 500 ms. */
const READY_TIMEOUT = 30
const PAGE_SHIFT_MIN = 12
/** CAP.MPSMAX: pages of up to 64 KiB. */
const MPS_MAX = 4
/** CC.AMS. */
const AMS_WEIGHTED = 1

export class ControllerRegisters implements ControllerBar {
  readonly sizeBytes: number
  readonly #listener: RegisterListener
  readonly #capLow: number
  readonly #capHigh: number
  readonly #queues: number
  readonly #memoryBuffer: MemoryBuffer | null
  #cc = 0
  #csts = 0
  #aqa = 0
  #asqLow = 0
  #asqHigh = 0
  #acqLow = 0
  #acqHigh = 0
  #masked = 0
  /** CC.EN went to 0: a reset is due even if EN is 1 again by the time that someone looks. */
  #resetAsked = false
  /** A reset of the subsystem was asked for, and none has been seen since. */
  #subsystemReset = false
  #gone = false

  constructor(
    init: {
      readonly queueEntriesMax: number
      readonly queuePairs: number
      readonly memoryBuffer: MemoryBuffer | null
    },
    listener: RegisterListener,
  ) {
    this.#listener = listener
    this.#queues = init.queuePairs + 1
    this.#memoryBuffer = init.memoryBuffer
    // MQES is 0's based; CQR: queues are contiguous; AMS: weighted round robin; DSTRD 0; CSS: the NVM command set.
    const low = (init.queueEntriesMax - 1) | Cap.CQR | (1 << Cap.AMS_SHIFT)
    this.#capLow = (low | (READY_TIMEOUT << Cap.TO_SHIFT)) >>> 0
    const pages = MPS_MAX << Cap.HIGH_MPSMAX_SHIFT
    const high = (1 << Cap.HIGH_CSS_SHIFT) | pages | Cap.HIGH_CRWMS | Cap.HIGH_NSSRS
    this.#capHigh = init.memoryBuffer === null ? high : high | Cap.HIGH_CMBS
    const needed = Reg.DBS + this.#queues * 2 * DOORBELL_BYTES
    this.sizeBytes = Math.max(0x2000, 2 ** Math.ceil(Math.log2(needed)))
  }

  get ready(): boolean {
    return (this.#csts & (Csts.RDY | Csts.CFS)) === Csts.RDY
  }

  /** Whether commands are fetched: ready, and not shutting or shut down. */
  get fetches(): boolean {
    return this.ready && (this.#csts & Csts.SHST_MASK) === 0
  }

  get wantsEnable(): boolean {
    const enabled = (this.#cc & Cc.EN) !== 0 && !this.#resetAsked
    return enabled && (this.#csts & (Csts.RDY | Csts.CFS)) === 0
  }

  get wantsReset(): boolean {
    return this.#resetAsked
  }

  /** CC.AMS: weighted round robin with an urgent class. */
  get weighted(): boolean {
    return ((this.#cc >>> Cc.AMS_SHIFT) & 7) === AMS_WEIGHTED
  }

  get shutsDownAbruptly(): boolean {
    return ((this.#cc >>> Cc.SHN_SHIFT) & 3) === Shn.ABRUPT
  }

  get wantsShutdown(): boolean {
    return (this.#csts & Csts.SHST_MASK) >> Csts.SHST_SHIFT === Shst.OCCURRING
  }

  isMasked(vector: number): boolean {
    return vector < 32 && (this.#masked & (1 << vector)) !== 0
  }

  /** The admin queues as the host described them; null when they cannot be. @see NVMe Base 2.1, 3.1.4.8 to 3.1.4.10, 3.5.1 */
  adminQueues(): AdminQueues | null {
    const mps = (this.#cc >>> Cc.MPS_SHIFT) & 0xf
    const css = (this.#cc >>> Cc.CSS_SHIFT) & 7
    const pageBytes = 2 ** (PAGE_SHIFT_MIN + mps)
    const asq = this.#asqLow + this.#asqHigh * TWO_32
    const acq = this.#acqLow + this.#acqHigh * TWO_32
    const sqEntries = (this.#aqa & 0xfff) + 1
    const cqEntries = ((this.#aqa >>> 16) & 0xfff) + 1
    const entrySizes = (this.#cc >>> Cc.IOSQES_SHIFT) & 0xff
    const sizesFit = entrySizes === (SQES | (CQES << 4)) || entrySizes === 0
    const ams = (this.#cc >>> Cc.AMS_SHIFT) & 7
    if (
      css !== 0 ||
      ams > AMS_WEIGHTED ||
      mps > MPS_MAX ||
      !sizesFit ||
      sqEntries < 2 ||
      cqEntries < 2
    )
      return null
    if (asq % pageBytes !== 0 || acq % pageBytes !== 0) return null
    return { asq, acq, sqEntries, cqEntries, pageBytes }
  }

  becomeReady(): void {
    this.#csts = Csts.RDY | (this.#csts & Csts.NSSRO)
  }

  becomeDisabled(): void {
    this.#csts = this.#subsystemReset ? Csts.NSSRO : this.#csts & Csts.NSSRO
    this.#subsystemReset = false
    this.#masked = 0
    this.#resetAsked = false
  }

  becomeShutDown(): void {
    this.#csts = (this.#csts & ~Csts.SHST_MASK) | (Shst.COMPLETE << Csts.SHST_SHIFT)
  }

  /** Fatal: only a reset helps. */
  fail(): void {
    this.#csts |= Csts.CFS
  }

  /** Nobody answers any more: reads give all ones. @see PCI Express Base, Unsupported Request as a read ends at the root port */
  vanish(): void {
    this.#gone = true
  }

  read32(offset: number): number {
    if (this.#gone) return 0xffff_ffff
    switch (offset) {
      case Reg.CAP:
        return this.#capLow
      case Reg.CAP + 4:
        return this.#capHigh
      case Reg.VS:
        return VERSION_2_1
      case Reg.INTMS:
      case Reg.INTMC:
        return this.#masked >>> 0
      case Reg.CC:
        return this.#cc >>> 0
      case Reg.CSTS:
        return this.#csts
      case Reg.AQA:
        return this.#aqa
      case Reg.CRTO:
        return READY_TIMEOUT
      case Reg.NSSR:
        return 0
      case Reg.ASQ:
        return this.#asqLow
      case Reg.ASQ + 4:
        return this.#asqHigh
      case Reg.ACQ:
        return this.#acqLow
      case Reg.ACQ + 4:
        return this.#acqHigh
      default:
        // Registers of abilities that are not there, reserved ones and doorbells read as 0.
        return this.#memoryBuffer?.read32(offset) ?? 0
    }
  }

  write32(offset: number, value: number): void {
    if (this.#gone) return
    if (offset >= Reg.DBS) {
      this.#ring((offset - Reg.DBS) / DOORBELL_BYTES, value & 0xffff)
      return
    }
    const word = value >>> 0
    switch (offset) {
      case Reg.INTMS:
        this.#masked |= word
        return
      case Reg.INTMC:
        this.#masked &= ~word
        this.#listener.unmasked()
        return
      case Reg.CC:
        this.#writeCc(word)
        return
      case Reg.AQA:
        this.#aqa = word & 0x0fff_0fff
        return
      case Reg.ASQ:
        this.#asqLow = (word & 0xffff_f000) >>> 0
        return
      case Reg.ASQ + 4:
        this.#asqHigh = word
        return
      case Reg.ACQ:
        this.#acqLow = (word & 0xffff_f000) >>> 0
        return
      case Reg.ACQ + 4:
        this.#acqHigh = word
        return
      case Reg.CSTS:
        // NSSRO is cleared by writing 1.
        this.#csts &= ~(word & Csts.NSSRO)
        return
      case Reg.NSSR:
        if (word === NSSR_RESET) this.#resetSubsystem()
        return
      default:
        // Read-only and reserved registers ignore writes.
        this.#memoryBuffer?.write32(offset, word)
    }
  }

  read64(offset: number): bigint {
    const low = BigInt(this.read32(offset))
    return low | (BigInt(this.read32(offset + 4)) << 32n)
  }

  write64(offset: number, value: bigint): void {
    this.write32(offset, Number(value & 0xffff_ffffn))
    this.write32(offset + 4, Number((value >> 32n) & 0xffff_ffffn))
  }

  /** As a reset of the subsystem that nobody asked for: what the host had set is gone. */
  powerCut(): void {
    this.#resetSubsystem()
    this.#subsystemReset = false
    this.#csts = 0
  }

  /** As a controller reset, and all registers of the host's are as at first. */
  #resetSubsystem(): void {
    this.#cc = 0
    this.#aqa = 0
    this.#asqLow = 0
    this.#asqHigh = 0
    this.#acqLow = 0
    this.#acqHigh = 0
    this.#memoryBuffer?.reset()
    this.#subsystemReset = true
    this.#resetAsked = true
    this.#listener.kick()
  }

  #ring(index: number, value: number): void {
    if (!this.ready || !Number.isInteger(index)) return
    const id = index >> 1
    if ((index & 1) === 0) this.#listener.ringSqTail(id, value)
    else this.#listener.ringCqHead(id, value)
  }

  #writeCc(value: number): void {
    const before = this.#cc
    this.#cc = value
    if ((before & Cc.EN) !== 0 && (value & Cc.EN) === 0) this.#resetAsked = true
    const notified = (value >>> Cc.SHN_SHIFT) & 3
    const changed = notified !== ((before >>> Cc.SHN_SHIFT) & 3)
    if (changed && notified !== 0 && (this.#csts & Csts.SHST_MASK) === 0) {
      this.#csts |= Shst.OCCURRING << Csts.SHST_SHIFT
    }
    this.#listener.kick()
  }
}
