// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import {
  type BioVec,
  FolioQueue,
  FolioXarray,
  folioSizeBytes,
  IovIter,
  ITER_DEST,
  type IterDirection,
  IterType,
  UserMemory,
  UserProt,
} from '../src/index.ts'
import { firstFrame, patternedMemory } from './support.ts'

/** Pages that iterators may walk; the two behind them are the folio that is copied from and to. */
export const WALKED_PAGES = 14
export const DMABUF_BYTES: number = 1 << 20

/** What to build an iterator from. Frames count from the first of the memory. */
export interface Setup {
  readonly type: IterType
  readonly direction: IterDirection
  /** Start in the walked pages, and length. */
  readonly segments: readonly (readonly [at: number, length: number])[]
  readonly folios: readonly { order: number; frame: number; missing: boolean }[]
  /** Slots of the folio queue before the first one, or the page index of the first folio of the xarray divided by four. */
  readonly lead: number
  readonly startBytes: number
  readonly countBytes: number
  /** A page that faults when the user touches it. */
  readonly badPage: number
}

export interface World {
  readonly memory: PhysicalMemory
  readonly user: UserMemory
  readonly first: number
  readonly iter: IovIter
  readonly model: ByteModel
  readonly setup: Setup
}

/**
 * The naive model of an iterator: the address of each of its bytes one by one (-1 in a hole), what all the memory holds, a
 * position and an end.
 */
export class ByteModel {
  readonly addresses: Int32Array
  /** Lengths of the segments or folios, in order; they say where a range ends and nothing else. */
  readonly lengths: readonly number[]
  readonly whole: number
  position = 0
  end: number

  constructor(addresses: Int32Array, lengths: readonly number[], whole: number) {
    this.addresses = addresses
    this.lengths = lengths
    this.whole = whole
    this.end = whole
  }

  get count(): number {
    return this.end - this.position
  }

  at(offset: number): number {
    return this.addresses[this.position + offset] ?? -1
  }

  /** What is left of each segment that is not empty: address and length. */
  ranges(): (readonly [address: number, length: number])[] {
    const out: [number, number][] = []
    let start = 0
    for (const length of this.lengths) {
      const from = Math.max(start, this.position)
      const to = Math.min(start + length, this.end)
      if (to > from) out.push([this.addresses[from] ?? -1, to - from])
      start += length
    }
    return out
  }

  /** Bytes that lie before the position in its own segment. */
  intoSegment(): number {
    let start = 0
    for (const length of this.lengths) {
      if (this.position < start + length) return this.position - start
      start += length
    }
    return 0
  }

  /** How far an access of `size` bytes gets. */
  reach(size: number, badFrame: number): number {
    const wanted = Math.min(size, this.count)
    if (this.addresses.length === 0) return wanted
    let done = 0
    while (done < wanted) {
      const address = this.at(done)
      if (address < 0 || Math.floor(address / PAGE_SIZE) === badFrame) break
      done += 1
    }
    return done
  }
}

export function buildWorld(setup: Setup): World {
  const memory = patternedMemory(WALKED_PAGES + 2)
  const first = firstFrame(memory)
  const user = new UserMemory(memory)
  user.protect(first + setup.badPage, 1, UserProt.NONE)
  const iter = new IovIter()
  return { memory, user, first, iter, setup, model: buildIter(iter, first, setup) }
}

function buildIter(iter: IovIter, first: number, setup: Setup): ByteModel {
  if (setup.type === IterType.DISCARD) {
    iter.initDiscard(ITER_DEST, setup.countBytes)
    return new ByteModel(new Int32Array(0), [], setup.countBytes)
  }
  if (setup.type === IterType.DMABUF_MAP) {
    const map = { sizeBytes: DMABUF_BYTES, granuleShift: 12 }
    iter.initDmabufMap(setup.direction, map, setup.startBytes, setup.countBytes)
    return new ByteModel(new Int32Array(0), [], setup.countBytes)
  }
  if (setup.type === IterType.FOLIOQ) return buildFolioq(iter, first, setup)
  if (setup.type === IterType.XARRAY) return buildXarray(iter, first, setup)
  return buildVector(iter, first, setup)
}

function buildVector(iter: IovIter, first: number, setup: Setup): ByteModel {
  const used = setup.type === IterType.UBUF ? setup.segments.slice(0, 1) : setup.segments
  const segments: BioVec[] = used.map(([at, length]) => ({
    frame: first + Math.floor(at / PAGE_SIZE),
    offsetBytes: at % PAGE_SIZE,
    lengthBytes: Math.min(length, WALKED_PAGES * PAGE_SIZE - at),
  }))
  const model = modelOf(
    segments.map((s) => [s.frame * PAGE_SIZE + s.offsetBytes, s.lengthBytes] as const),
  )
  const { direction } = setup
  const [one] = segments
  if (setup.type === IterType.IOVEC)
    iter.initIovec(direction, segments, segments.length, model.whole)
  else if (setup.type === IterType.KVEC)
    iter.initKvec(direction, segments, segments.length, model.whole)
  else if (setup.type === IterType.BVEC)
    iter.initBvec(direction, segments, segments.length, model.whole)
  else iter.initUbuf(direction, one?.frame ?? 0, one?.offsetBytes ?? 0, one?.lengthBytes ?? 0)
  return model
}

function buildFolioq(iter: IovIter, first: number, setup: Setup): ByteModel {
  const queue = new FolioQueue()
  for (let i = 0; i < setup.lead; i += 1) queue.append({ frame: first, order: 0 })
  let tail = queue
  const ranges: (readonly [number, number])[] = []
  for (const { order, frame, missing } of setup.folios) {
    if (tail.isFull) tail = tail.appendSegment()
    const folio = { frame: first + frame, order }
    const slot = tail.append(folio)
    if (missing) tail.clear(slot)
    else ranges.push([folio.frame * PAGE_SIZE, folioSizeBytes(folio)])
  }
  const model = modelOf(ranges)
  iter.initFolioQueue(setup.direction, queue, setup.lead, 0, model.whole)
  return model
}

function buildXarray(iter: IovIter, first: number, setup: Setup): ByteModel {
  const xarray = new FolioXarray()
  const addresses: number[] = []
  const base = setup.lead * 4
  for (const { order, frame, missing } of setup.folios) {
    const pages = 1 << order
    while (addresses.length % pages !== 0) addresses.push(-1)
    const folio = { frame: first + frame, order }
    if (!missing) xarray.store(base + addresses.length, folio)
    for (let i = 0; i < pages; i += 1) addresses.push(missing ? -1 : (folio.frame + i) * PAGE_SIZE)
  }
  const bytes = Int32Array.from({ length: addresses.length * PAGE_SIZE }, (_, i) => {
    const page = addresses[Math.floor(i / PAGE_SIZE)] ?? -1
    return page < 0 ? -1 : page + (i % PAGE_SIZE)
  })
  const skip = Math.min(setup.startBytes, bytes.length)
  const rest = bytes.subarray(skip, skip + setup.countBytes)
  iter.initXarray(setup.direction, xarray, base * PAGE_SIZE + skip, rest.length)
  return new ByteModel(rest, [rest.length], rest.length)
}

function modelOf(ranges: readonly (readonly [address: number, length: number])[]): ByteModel {
  const whole = ranges.reduce((sum, [, length]) => sum + length, 0)
  const addresses = new Int32Array(whole)
  let at = 0
  for (const [address, length] of ranges) {
    for (let i = 0; i < length; i += 1) addresses[at + i] = address + i
    at += length
  }
  return new ByteModel(
    addresses,
    ranges.map(([, length]) => length),
    whole,
  )
}
