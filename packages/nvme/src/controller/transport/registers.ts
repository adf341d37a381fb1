// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The register file. It keeps what the host wrote and shows where the controller stands; doing something about it is the controller's.

import { Cap, Cc, CQES, Csts, Reg, Shst, SQES, VERSION_2_1 } from '../../spec/index.ts'
import type { RegisterBar } from '../contracts.ts'

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

export class ControllerRegisters implements RegisterBar {
  readonly sizeBytes: number
  readonly #listener: RegisterListener
  readonly #capLow: number
  readonly #capHigh: number
  readonly #queues: number
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
  #gone = false

  constructor(
    init: { readonly queueEntriesMax: number; readonly queuePairs: number },
    listener: RegisterListener,
  ) {
    this.#listener = listener
    this.#queues = init.queuePairs + 1
    // MQES is 0's based; CQR: queues are contiguous; DSTRD 0; CSS: the NVM command set.
    this.#capLow = ((init.queueEntriesMax - 1) | Cap.CQR | (READY_TIMEOUT << Cap.TO_SHIFT)) >>> 0
    this.#capHigh = (1 << Cap.HIGH_CSS_SHIFT) | (MPS_MAX << Cap.HIGH_MPSMAX_SHIFT) | Cap.HIGH_CRWMS
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
    if (css !== 0 || mps > MPS_MAX || !sizesFit || sqEntries < 2 || cqEntries < 2) return null
    if (asq % pageBytes !== 0 || acq % pageBytes !== 0) return null
    return { asq, acq, sqEntries, cqEntries, pageBytes }
  }

  becomeReady(): void {
    this.#csts = Csts.RDY
  }

  becomeDisabled(): void {
    this.#csts = 0
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
      case Reg.ASQ:
        return this.#asqLow
      case Reg.ASQ + 4:
        return this.#asqHigh
      case Reg.ACQ:
        return this.#acqLow
      case Reg.ACQ + 4:
        return this.#acqHigh
      default:
        // Reserved registers and doorbells read as 0.
        return 0
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
      default:
        // Read-only and reserved registers ignore writes.
        return
    }
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
