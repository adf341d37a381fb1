// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Turns the data pointer of a command into ranges of memory: PRP entries and lists, SGL descriptors and segments. Nothing that a host
// puts there can make it loop without end, reach memory that the bus does not give, or throw.

import {
  BusAccess as Access,
  type BusAccess,
  type BusMaster,
  BusRange,
} from '@iolayers/dma-mapping'
import {
  getUint64,
  PSDT_SHIFT,
  Psdt,
  SGL_DESCRIPTOR_BYTES,
  SglSubType,
  SglType,
  SqeOffset,
  STATUS_DNR,
  Status,
  sglAddress,
  sglLength,
  sglSubType,
  sglType,
} from '../../spec/index.ts'
import type { StoreIo } from '../contracts.ts'
import { SCRATCH_BYTES, Scratch } from '../io/scratch.ts'

const PRP_BYTES = 8
/**
 * Descriptors looked at for one command before the chain is called invalid: as many as there are when each names one byte and has a
 * segment of its own, and some of no bytes. So a loop costs no more than the data could.
 */
const DESCRIPTORS_MAX = 1 << 20
const DESCRIPTORS_SPARE = 1024
const DESCRIPTORS_PER_BYTE = 2

/** A descriptor named the next segment. No status of the wire has this value. */
const NEXT_SEGMENT = -1

/** Where a walk along a chain of segments stands. */
class SegmentCursor {
  addr = 0
  lengthBytes = 0
  last = false
  leftBytes = 0
  seen = 0
  seenMax = 0
  /** What it names may be less than asked for. */
  mayBeShort = false
}

export interface DataPointerInit {
  /** CC.MPS, as bytes. */
  pageBytes: number
  readonly sgl: boolean
  /** A data block may be longer than what the command moves, and only its beginning is used (SGLS bit 18). */
  readonly oversize: boolean
}

export class DataPointer {
  readonly init: DataPointerInit
  readonly #bus: BusMaster
  readonly #data: BusRange = new BusRange()
  readonly #list: BusRange = new BusRange()
  readonly #segment: SegmentCursor = new SegmentCursor()
  readonly #gathered: Uint8Array = new Uint8Array(SGL_DESCRIPTOR_BYTES)
  /** Made at the first need. */
  #bucket: Scratch | null = null
  readonly #gatheredView: DataView = new DataView(this.#gathered.buffer)

  constructor(bus: BusMaster, init: DataPointerInit) {
    this.#bus = bus
    this.init = init
  }

  /** Resolves `lengthBytes` of the command at `at` into ranges of `io`; a status, SUCCESS when all of it was found. */
  resolve(view: DataView, at: number, lengthBytes: number, access: BusAccess, io: StoreIo): number {
    io.count = 0
    io.lengthBytes = lengthBytes
    if (lengthBytes === 0) return Status.SUCCESS
    const psdt = view.getUint8(at + SqeOffset.FLAGS) >>> PSDT_SHIFT
    if (psdt === Psdt.PRP) return this.#prps(view, at, lengthBytes, access, io)
    if (!this.init.sgl || psdt === 3) return Status.INVALID_FIELD | STATUS_DNR
    return this.#sgl(view, at + SqeOffset.DPTR, lengthBytes, access, io)
  }

  /** Resolves all that the SGL of the command at `at` names, up to `mostBytes`, and sets `io.lengthBytes` to that. A status, SUCCESS when all of it was found. */
  resolveWhole(
    view: DataView,
    at: number,
    mostBytes: number,
    access: BusAccess,
    io: StoreIo,
  ): number {
    io.count = 0
    io.lengthBytes = 0
    const dptr = at + SqeOffset.DPTR
    const psdt = view.getUint8(at + SqeOffset.FLAGS) >>> PSDT_SHIFT
    if (psdt === Psdt.PRP || psdt === 3) return Status.INVALID_FIELD | STATUS_DNR
    const length = sglLength(view, dptr)
    if (length === 0) return Status.SUCCESS
    if (sglType(view, dptr) === SglType.DATA_BLOCK) {
      if (length > mostBytes) return Status.SGL_DATA_LENGTH_INVALID | STATUS_DNR
      io.lengthBytes = length
      return this.#sgl(view, dptr, length, access, io)
    }
    this.#segment.mayBeShort = true
    const status = this.#sgl(view, dptr, mostBytes, access, io)
    this.#segment.mayBeShort = false
    io.lengthBytes = mostBytes - this.#segment.leftBytes
    return status
  }

  /** @see NVMe Base 2.1, 4.3.1 */
  #prps(view: DataView, at: number, lengthBytes: number, access: BusAccess, io: StoreIo): number {
    // Offsets within a page come from the low words: a remainder of a double is slow.
    const pageMask = this.init.pageBytes - 1
    const prp1 = getUint64(view, at + SqeOffset.PRP1)
    const prp1Low = view.getUint32(at + SqeOffset.PRP1, true)
    if ((prp1Low & 3) !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
    const first = Math.min(lengthBytes, pageMask + 1 - (prp1Low & pageMask))
    const status = this.#addRange(prp1, first, access, io)
    const left = lengthBytes - first
    if (status !== Status.SUCCESS || left === 0) return status
    const prp2 = getUint64(view, at + SqeOffset.PRP2)
    if (left > pageMask + 1) return this.#prpList(prp2, left, access, io)
    if ((view.getUint32(at + SqeOffset.PRP2, true) & pageMask) !== 0)
      return Status.PRP_OFFSET_INVALID | STATUS_DNR
    return this.#addRange(prp2, left, access, io)
  }

  /** The last entry of a list page points to the next one when more entries are needed than are left in the page. */
  #prpList(listAddr: number, lengthBytes: number, access: BusAccess, io: StoreIo): number {
    const { pageBytes } = this.init
    if (listAddr % PRP_BYTES !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
    let addr = listAddr
    let left = lengthBytes
    while (left > 0) {
      const lastOfPage = addr % pageBytes === pageBytes - PRP_BYTES
      const entry = this.#readPrp(addr)
      if (entry < 0) return Status.DATA_TRANSFER_ERROR
      if (entry % pageBytes !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
      if (lastOfPage && left > pageBytes) {
        addr = entry
        continue
      }
      const part = Math.min(left, pageBytes)
      const status = this.#addRange(entry, part, access, io)
      if (status !== Status.SUCCESS) return status
      left -= part
      addr += PRP_BYTES
    }
    return Status.SUCCESS
  }

  #readPrp(addr: number): number {
    const list = this.#list
    if (this.#bus.translate(addr, PRP_BYTES, Access.READ, list) < PRP_BYTES) return -1
    return getUint64(list.side.view, list.offset)
  }

  /** @see NVMe Base 2.1, 4.3.2 */
  #sgl(view: DataView, at: number, lengthBytes: number, access: BusAccess, io: StoreIo): number {
    const type = sglType(view, at)
    if (sglSubType(view, at) !== SglSubType.ADDRESS) return Status.SGL_TYPE_INVALID | STATUS_DNR
    if (type === SglType.DATA_BLOCK) {
      const found = sglLength(view, at)
      const isLonger = found > lengthBytes && !this.init.oversize
      if (found < lengthBytes || isLonger) return Status.SGL_DATA_LENGTH_INVALID | STATUS_DNR
      return this.#addRange(sglAddress(view, at), lengthBytes, access, io)
    }
    if (type !== SglType.SEGMENT && type !== SglType.LAST_SEGMENT)
      return Status.SGL_TYPE_INVALID | STATUS_DNR
    const length = sglLength(view, at)
    const last = type === SglType.LAST_SEGMENT
    return this.#walkSegments(sglAddress(view, at), length, last, lengthBytes, access, io)
  }

  /** Follows a chain of segments. A segment's last descriptor may name the next segment; in a last segment none may. */
  #walkSegments(
    firstAddr: number,
    firstLength: number,
    firstIsLast: boolean,
    lengthBytes: number,
    access: BusAccess,
    io: StoreIo,
  ): number {
    const segment = this.#segment
    segment.addr = firstAddr
    segment.lengthBytes = firstLength
    segment.last = firstIsLast
    segment.seen = 0
    segment.seenMax = Math.min(
      DESCRIPTORS_MAX,
      DESCRIPTORS_SPARE + lengthBytes * DESCRIPTORS_PER_BYTE,
    )
    segment.leftBytes = lengthBytes
    let status = this.#walkSegment(segment, access, io)
    while (status === NEXT_SEGMENT) status = this.#walkSegment(segment, access, io)
    if (status !== Status.SUCCESS) return status
    if (segment.leftBytes === 0 || segment.mayBeShort) return Status.SUCCESS
    return Status.SGL_DATA_LENGTH_INVALID | STATUS_DNR
  }

  #walkSegment(segment: SegmentCursor, access: BusAccess, io: StoreIo): number {
    const { addr, lengthBytes, last } = segment
    if (lengthBytes === 0 || lengthBytes % SGL_DESCRIPTOR_BYTES !== 0) {
      return Status.INVALID_SGL_SEGMENT | STATUS_DNR
    }
    const end = addr + lengthBytes
    for (let at = addr; at < end; at += SGL_DESCRIPTOR_BYTES) {
      const status = this.#descriptor(segment, at, access, io)
      if (status === Status.SUCCESS) continue
      if (status !== NEXT_SEGMENT) return status
      const misplaced = last || at + SGL_DESCRIPTOR_BYTES !== end
      return misplaced ? Status.INVALID_SGL_SEGMENT | STATUS_DNR : NEXT_SEGMENT
    }
    return last ? Status.SUCCESS : Status.INVALID_SGL_SEGMENT | STATUS_DNR
  }

  #descriptor(segment: SegmentCursor, at: number, access: BusAccess, io: StoreIo): number {
    if (++segment.seen > segment.seenMax) return Status.INVALID_SGL_COUNT | STATUS_DNR
    const list = this.#list
    const reached = this.#bus.translate(at, SGL_DESCRIPTOR_BYTES, Access.READ, list)
    if (reached < SGL_DESCRIPTOR_BYTES) {
      if (reached === 0 || !this.#gather(at, reached)) return Status.DATA_TRANSFER_ERROR
      return this.#take(segment, this.#gatheredView, 0, access, io)
    }
    return this.#take(segment, list.side.view, list.offset, access, io)
  }

  /** Puts together a descriptor that lies across two pages: segments are aligned to 8 bytes only. False for a fault. */
  #gather(at: number, firstBytes: number): boolean {
    const list = this.#list
    let done = 0
    let part = firstBytes
    while (part > 0) {
      this.#gathered.set(list.side.bytes.subarray(list.offset, list.offset + part), done)
      done += part
      if (done === SGL_DESCRIPTOR_BYTES) return true
      part = this.#bus.translate(at + done, SGL_DESCRIPTOR_BYTES - done, Access.READ, list)
    }
    return false
  }

  #take(
    segment: SegmentCursor,
    view: DataView,
    offset: number,
    access: BusAccess,
    io: StoreIo,
  ): number {
    const type = sglType(view, offset)
    if (sglSubType(view, offset) !== SglSubType.ADDRESS) return Status.SGL_TYPE_INVALID | STATUS_DNR
    if (type === SglType.SEGMENT || type === SglType.LAST_SEGMENT) {
      segment.addr = sglAddress(view, offset)
      segment.lengthBytes = sglLength(view, offset)
      segment.last = type === SglType.LAST_SEGMENT
      return NEXT_SEGMENT
    }
    const length = sglLength(view, offset)
    if (type === SglType.BIT_BUCKET) return this.#discard(segment, length, access, io)
    if (type !== SglType.DATA_BLOCK) return Status.SGL_TYPE_INVALID | STATUS_DNR
    if (length > segment.leftBytes) return Status.SGL_DATA_LENGTH_INVALID | STATUS_DNR
    segment.leftBytes -= length
    return length === 0
      ? Status.SUCCESS
      : this.#addRange(sglAddress(view, offset), length, access, io)
  }

  /** What is read and not wanted goes into memory of the controller's own. Of a write it is nothing. @see NVMe Base 2.1, 4.3.2 (Bit Bucket) */
  #discard(segment: SegmentCursor, length: number, access: BusAccess, io: StoreIo): number {
    if (access === Access.READ) return Status.SUCCESS
    if (length > segment.leftBytes) return Status.SGL_DATA_LENGTH_INVALID | STATUS_DNR
    segment.leftBytes -= length
    this.#bucket ??= new Scratch()
    for (let left = length; left > 0; left -= SCRATCH_BYTES) {
      io.addRange(this.#bucket, 0, Math.min(left, SCRATCH_BYTES))
    }
    return Status.SUCCESS
  }

  #addRange(busAddr: number, lengthBytes: number, access: BusAccess, io: StoreIo): number {
    const data = this.#data
    let addr = busAddr
    let left = lengthBytes
    while (left > 0) {
      const part = this.#bus.translate(addr, left, access, data)
      if (part === 0) return Status.DATA_TRANSFER_ERROR
      io.addRange(data.side, data.offset, part)
      addr += part
      left -= part
    }
    return Status.SUCCESS
  }
}
