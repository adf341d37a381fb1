// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SHIFT, PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert, KernelError } from '@iolayers/kernel'
import type { BioVec, Iovec, Kvec } from './bio-vec.ts'
import type { DmabufMap } from './dmabuf-map.ts'

/**
 * What an iterator walks over. FOLIOQ, XARRAY and DISCARD are numbers only for now.
 * @see include/linux/uio.h enum iter_type
 */
export const IterType = {
  UBUF: 0,
  IOVEC: 1,
  BVEC: 2,
  KVEC: 3,
  FOLIOQ: 4,
  XARRAY: 5,
  DISCARD: 6,
  DMABUF_MAP: 7,
} as const
export type IterType = (typeof IterType)[keyof typeof IterType]

/** The iterator is where data goes to (READ). */
export const ITER_DEST = 0
/** The iterator is where data comes from (WRITE). */
export const ITER_SOURCE = 1
export type IterDirection = typeof ITER_DEST | typeof ITER_SOURCE

/** Upper bound of one read or write. @see include/linux/fs.h MAX_RW_COUNT */
export const MAX_RW_COUNT: number = 0x7fff_f000

const NO_SEGMENTS: readonly BioVec[] = []
const LOW_BITS = 0x7fff_ffff

/** Where an iterator stood. Filled by `saveState`, given back to `restore`. */
export class IovIterState {
  offsetBytes = 0
  countBytes = 0
  segIndex = 0
}

/**
 * A position in a buffer and how much of it is left: plain data, made once and initialised for each I/O.
 *
 * UBUF, IOVEC, KVEC and BVEC walk ranges of physical memory (a user's memory is identity mapped), so that a block
 * device can do DMA to all of them. DMABUF_MAP holds an opaque map and a byte offset: it has no pages and no
 * addresses, and whatever needs them throws EOPNOTSUPP. The iterator owns nothing: segments and map are the caller's,
 * references on the map included.
 * @see include/linux/uio.h struct iov_iter
 * @see lib/iov_iter.c
 */
export class IovIter<M extends DmabufMap = DmabufMap> {
  iterType: IterType
  dataSource: IterDirection
  /** Bytes into the current segment; for UBUF and DMABUF_MAP, into the whole buffer. */
  offsetBytes: number
  countBytes: number
  segments: readonly BioVec[]
  /** Index of the current segment; equal to `endIndex` when all are consumed. */
  segIndex: number
  endIndex: number
  dmabufMap: M | null
  /** UBUF's one range. */
  readonly ubuf: BioVec

  constructor() {
    this.iterType = IterType.UBUF
    this.dataSource = ITER_DEST
    this.offsetBytes = 0
    this.countBytes = 0
    this.segments = NO_SEGMENTS
    this.segIndex = 0
    this.endIndex = 0
    this.dmabufMap = null
    this.ubuf = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  }

  /**
   * A range of a registered dma-buf. The range is checked against the buffer by whoever registered it.
   * The map's reference stays the caller's.
   */
  initDmabufMap(direction: IterDirection, map: M, offsetBytes: number, countBytes: number): void {
    assert(offsetBytes >= 0 && countBytes >= 0, 'dmabuf iterator: negative offset or count')
    assert(offsetBytes + countBytes <= map.sizeBytes, 'dmabuf iterator: range beyond the buffer')
    this.#reset(IterType.DMABUF_MAP, direction, countBytes)
    this.dmabufMap = map
    this.offsetBytes = offsetBytes
  }

  /** One range of user memory. @see lib/iov_iter.c import_ubuf */
  initUbuf(
    direction: IterDirection,
    frame: number,
    frameOffsetBytes: number,
    countBytes: number,
  ): void {
    assert(countBytes >= 0, 'ubuf iterator: negative count')
    this.#reset(IterType.UBUF, direction, countBytes)
    this.ubuf.frame = frame
    this.ubuf.offsetBytes = frameOffsetBytes
    this.ubuf.lengthBytes = countBytes
    this.endIndex = 1
  }

  /** The segments stay the caller's, and may not change while the iterator is in use; so for the next two. */
  initIovec(
    direction: IterDirection,
    iov: readonly Iovec[],
    nrSegs: number,
    countBytes: number,
  ): void {
    this.#initSegments(IterType.IOVEC, direction, iov, nrSegs, countBytes)
  }

  initKvec(
    direction: IterDirection,
    kvec: readonly Kvec[],
    nrSegs: number,
    countBytes: number,
  ): void {
    this.#initSegments(IterType.KVEC, direction, kvec, nrSegs, countBytes)
  }

  initBvec(
    direction: IterDirection,
    bvec: readonly BioVec[],
    nrSegs: number,
    countBytes: number,
  ): void {
    this.#initSegments(IterType.BVEC, direction, bvec, nrSegs, countBytes)
  }

  /** Segments from the current one on. */
  get nrSegs(): number {
    return this.endIndex - this.segIndex
  }

  get isDmabuf(): boolean {
    return this.iterType === IterType.DMABUF_MAP
  }

  /** Moves on by at most what is left. @see lib/iov_iter.c iov_iter_advance */
  advance(sizeBytes: number): void {
    const size = Math.min(sizeBytes, this.countBytes)
    if (size === 0) return
    this.countBytes -= size
    if (this.#isFlat()) {
      this.offsetBytes += size
      return
    }
    let offset = this.offsetBytes + size
    let index = this.segIndex
    while (index < this.endIndex) {
      const length = this.#segment(index).lengthBytes
      if (offset < length) break
      offset -= length
      index += 1
    }
    this.segIndex = index
    this.offsetBytes = offset
  }

  /** Takes back bytes that were advanced over, and no more than those. @see lib/iov_iter.c iov_iter_revert */
  revert(unrollBytes: number): void {
    if (unrollBytes === 0) return
    assert(unrollBytes > 0, 'iov_iter revert: negative size')
    if (unrollBytes <= this.offsetBytes) {
      this.countBytes += unrollBytes
      this.offsetBytes -= unrollBytes
      return
    }
    assert(!this.#isFlat(), 'iov_iter revert: before the start')
    let left = unrollBytes - this.offsetBytes
    let index = this.segIndex
    for (;;) {
      assert(index > 0, 'iov_iter revert: before the start')
      index -= 1
      const length = this.#segment(index).lengthBytes
      if (left <= length) {
        this.segIndex = index
        this.offsetBytes = length - left
        this.countBytes += unrollBytes
        return
      }
      left -= length
    }
  }

  /** Leaves at most `countBytes`. */
  truncate(countBytes: number): void {
    assert(countBytes >= 0, 'iov_iter truncate: negative count')
    if (this.countBytes > countBytes) this.countBytes = countBytes
  }

  /** Undoes a truncate: `countBytes` may not be more than the count was before it (less what was advanced). */
  reexpand(countBytes: number): void {
    assert(countBytes >= this.countBytes, 'iov_iter reexpand: shrinks')
    this.countBytes = countBytes
  }

  saveState(state: IovIterState): void {
    state.offsetBytes = this.offsetBytes
    state.countBytes = this.countBytes
    state.segIndex = this.segIndex
  }

  /** Goes back to where `saveState` was called; the iterator may not have been initialised since. */
  restore(state: IovIterState): void {
    this.offsetBytes = state.offsetBytes
    this.countBytes = state.countBytes
    this.segIndex = state.segIndex
  }

  /** Bytes left in the current segment. @see include/linux/uio.h iov_iter_single_seg_count */
  singleSegCount(): number {
    if (this.#isFlat()) return this.countBytes
    if (this.countBytes === 0) return 0
    return Math.min(this.#segment(this.segIndex).lengthBytes - this.offsetBytes, this.countBytes)
  }

  /**
   * The low 31 bits of everything that has to be aligned, or-ed together. A dmabuf iterator contributes its offset
   * and length only: its map is a handle and no address.
   * @see lib/iov_iter.c iov_iter_alignment
   */
  alignment(): number {
    if (this.countBytes === 0) return 0
    if (this.iterType === IterType.DMABUF_MAP) {
      return (lowBits(this.offsetBytes) | lowBits(this.countBytes)) & LOW_BITS
    }
    let bits = 0
    let left = this.countBytes
    let skip = this.offsetBytes
    for (let index = this.segIndex; left > 0 && index < this.endIndex; index += 1) {
      const segment = this.#segment(index)
      const length = Math.min(segment.lengthBytes - skip, left)
      if (length > 0) {
        bits |= lowBits(segmentStart(segment) + skip) | lowBits(length)
        left -= length
      }
      skip = 0
    }
    return bits & LOW_BITS
  }

  /**
   * Pages that the rest touches, at most `maxPages`. Throws EOPNOTSUPP for a dmabuf iterator, which has none.
   * @see lib/iov_iter.c iov_iter_npages
   */
  npages(maxPages: number): number {
    this.requirePages('npages')
    let pages = 0
    let left = this.countBytes
    let skip = this.offsetBytes
    for (let index = this.segIndex; left > 0 && index < this.endIndex; index += 1) {
      const segment = this.#segment(index)
      const length = Math.min(segment.lengthBytes - skip, left)
      if (length > 0) {
        const inPage = (segment.offsetBytes + skip) % PAGE_SIZE
        pages += Math.ceil((inPage + length) / PAGE_SIZE)
        if (pages >= maxPages) return maxPages
        left -= length
      }
      skip = 0
    }
    return pages
  }

  /**
   * Writes the longest physically contiguous run at the current position, at most `maxBytes`, into `out`, without
   * advancing; returns its bytes, 0 at the end. Empty segments are stepped over. Throws EOPNOTSUPP for a dmabuf iterator.
   */
  peekRun(maxBytes: number, out: BioVec): number {
    this.requirePages('peekRun')
    const wanted = Math.min(maxBytes, this.countBytes)
    if (wanted <= 0) return 0
    let index = this.segIndex
    let segment = this.#segment(index)
    let skip = this.offsetBytes
    while (segment.lengthBytes === skip) {
      index += 1
      segment = this.#segment(index)
      skip = 0
    }
    const inFrame = segment.offsetBytes + skip
    out.frame = segment.frame + Math.floor(inFrame / PAGE_SIZE)
    out.offsetBytes = inFrame % PAGE_SIZE
    out.lengthBytes = Math.min(segment.lengthBytes - skip, wanted)
    return out.lengthBytes
  }

  /** Throws EOPNOTSUPP naming what was tried, for an iterator without pages. */
  requirePages(what: string): void {
    if (this.iterType !== IterType.DMABUF_MAP) return
    throw new KernelError(
      'EOPNOTSUPP',
      `${what}: a dmabuf iterator has no pages and no CPU address (offset ${this.offsetBytes}, count ${this.countBytes})`,
    )
  }

  #isFlat(): boolean {
    return this.iterType === IterType.DMABUF_MAP || this.iterType === IterType.UBUF
  }

  #segment(index: number): BioVec {
    if (this.iterType === IterType.UBUF) return this.ubuf
    const segment = this.segments[index]
    assert(segment !== undefined, 'iov_iter: count is more than the segments hold')
    return segment
  }

  #initSegments(
    type: IterType,
    direction: IterDirection,
    segments: readonly BioVec[],
    nrSegs: number,
    countBytes: number,
  ): void {
    assert(nrSegs >= 0 && nrSegs <= segments.length, 'iov_iter: more segments than given')
    assert(countBytes >= 0, 'iov_iter: negative count')
    this.#reset(type, direction, countBytes)
    this.segments = segments
    this.endIndex = nrSegs
  }

  #reset(type: IterType, direction: IterDirection, countBytes: number): void {
    this.iterType = type
    this.dataSource = direction
    this.offsetBytes = 0
    this.countBytes = countBytes
    this.segments = NO_SEGMENTS
    this.segIndex = 0
    this.endIndex = 0
    this.dmabufMap = null
  }
}

function segmentStart(segment: BioVec): number {
  // Alignment looks at low bits only, so the wrap of a 32-bit shift is harmless.
  return (segment.frame << PAGE_SHIFT) + segment.offsetBytes
}

/** What is past 2^31 is of no interest to an alignment, and would leave the small integers. */
function lowBits(value: number): number {
  return value & LOW_BITS
}
