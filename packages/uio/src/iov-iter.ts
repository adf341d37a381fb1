// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, KernelError } from '@iolayers/kernel'
import type { BioVec, Iovec, Kvec } from './bio-vec.ts'
import type { DmabufMap } from './dmabuf-map.ts'
import { FOLIOQ_SLOTS, type FolioQueue } from './folio-queue.ts'
import type { FolioXarray } from './folio-xarray.ts'
import {
  iterAlignment,
  iterGapAlignment,
  iterIsAligned,
  iterNpages,
  iterSingleSegCount,
} from './iter-measure.ts'
import type { IovIterState } from './iter-state.ts'
import { ITER_DEST, type IterDirection, IterType } from './iter-type.ts'
import {
  folioqAdvance,
  folioqRevert,
  peekFolioq,
  peekXarray,
  segmentAt,
  segmentsRevert,
  writeRun,
} from './iter-walk.ts'

const NO_SEGMENTS: readonly BioVec[] = []

/**
 * A position in a buffer and how much of it is left: plain data, made once and initialised for each I/O.
 *
 * UBUF, IOVEC, KVEC and BVEC walk ranges of physical memory (a user's memory is identity mapped), so that a block
 * device can do DMA to all of them. FOLIOQ walks a queue of folios, XARRAY the folios of a file from a byte position;
 * DISCARD swallows what is copied to it. DMABUF_MAP holds an opaque map and a byte offset: it has no pages and no
 * addresses, and whatever needs them throws EOPNOTSUPP. The iterator owns nothing: segments, folios and map are the caller's,
 * with every reference on them.
 * @see include/linux/uio.h struct iov_iter
 * @see lib/iov_iter.c
 */
export class IovIter<M extends DmabufMap = DmabufMap> {
  iterType: IterType
  dataSource: IterDirection
  /** Bytes into the current segment; for FOLIOQ into the current folio; for UBUF, XARRAY and DMABUF_MAP, into the whole buffer. */
  offsetBytes: number
  countBytes: number
  segments: readonly BioVec[]
  /** Index of the current segment; equal to `endIndex` when all are consumed. */
  segIndex: number
  endIndex: number
  dmabufMap: M | null
  /** UBUF's one range. */
  readonly ubuf: BioVec
  /** FOLIOQ's current segment, and the slot in it. */
  folioq: FolioQueue | null
  folioqSlot: number
  xarray: FolioXarray | null
  /** Where in the file an XARRAY iterator began. */
  xarrayStartBytes: number

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
    this.folioq = null
    this.folioqSlot = 0
    this.xarray = null
    this.xarrayStartBytes = 0
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

  /** One range of user memory, unchecked: see importUbuf. @see include/linux/uio.h iov_iter_ubuf */
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

  /**
   * Folios of a queue, from a byte of the folio in `firstSlot` of `folioq` on. Segments may be added behind while the iterator
   * is in use. @see lib/iov_iter.c iov_iter_folio_queue
   */
  initFolioQueue(
    direction: IterDirection,
    folioq: FolioQueue,
    firstSlot: number,
    offsetBytes: number,
    countBytes: number,
  ): void {
    assert(firstSlot >= 0 && firstSlot <= FOLIOQ_SLOTS, 'folio queue iterator: no such slot')
    assert(offsetBytes >= 0 && countBytes >= 0, 'folio queue iterator: negative offset or count')
    this.#reset(IterType.FOLIOQ, direction, countBytes)
    this.folioq = folioq
    this.folioqSlot = firstSlot
    this.offsetBytes = offsetBytes
  }

  /** The folios of a file, from byte `startBytes` of it on. A hole ends what can be copied or taken. @see lib/iov_iter.c iov_iter_xarray */
  initXarray(
    direction: IterDirection,
    xarray: FolioXarray,
    startBytes: number,
    countBytes: number,
  ): void {
    assert(startBytes >= 0 && countBytes >= 0, 'xarray iterator: negative start or count')
    this.#reset(IterType.XARRAY, direction, countBytes)
    this.xarray = xarray
    this.xarrayStartBytes = startBytes
  }

  /** Swallows what is copied to it; it is never a source. @see lib/iov_iter.c iov_iter_discard */
  initDiscard(direction: typeof ITER_DEST, countBytes: number): void {
    assert(direction === ITER_DEST, 'discard iterator: it is no source')
    assert(countBytes >= 0, 'discard iterator: negative count')
    this.#reset(IterType.DISCARD, direction, countBytes)
  }

  /** Segments from the current one on; 0 for what has none (folio queue, xarray, discard, dmabuf). */
  get nrSegs(): number {
    return this.endIndex - this.segIndex
  }

  get isDmabuf(): boolean {
    return this.iterType === IterType.DMABUF_MAP
  }

  /** Whether it walks a vector of the caller's: IOVEC, KVEC or BVEC. */
  get hasVector(): boolean {
    return this.iterType >= IterType.IOVEC && this.iterType <= IterType.KVEC
  }

  /** Moves on by at most what is left. @see lib/iov_iter.c iov_iter_advance */
  advance(sizeBytes: number): void {
    if (this.countBytes === 0) return
    const size = Math.min(sizeBytes, this.countBytes)
    this.countBytes -= size
    if (this.#isFlat()) {
      this.offsetBytes += size
      return
    }
    if (this.iterType > IterType.KVEC) {
      if (this.iterType === IterType.FOLIOQ) folioqAdvance(this, size)
      return
    }
    let offset = this.offsetBytes + size
    let index = this.segIndex
    while (index < this.endIndex) {
      const length = segmentAt(this, index).lengthBytes
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
    if (this.iterType === IterType.DISCARD) {
      this.countBytes += unrollBytes
      return
    }
    assert(!this.#isFlat(), 'iov_iter revert: before the start')
    const beforeSegment = unrollBytes - this.offsetBytes
    if (this.iterType === IterType.FOLIOQ) folioqRevert(this, beforeSegment)
    else segmentsRevert(this, beforeSegment)
    this.countBytes += unrollBytes
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
    state.folioq = this.folioq
    state.folioqSlot = this.folioqSlot
  }

  /**
   * Goes back to where `saveState` was called; the iterator may not have been initialised since. Works on every type, where the
   * kernel's knows the vectors and UBUF alone. @see lib/iov_iter.c iov_iter_restore
   */
  restore(state: IovIterState): void {
    this.offsetBytes = state.offsetBytes
    this.countBytes = state.countBytes
    this.segIndex = state.segIndex
    this.folioq = state.folioq
    this.folioqSlot = state.folioqSlot
  }

  /**
   * Bytes left in the current segment (for FOLIOQ, in the current folio); of what has none, all that is left. The kernel
   * says the whole size of a folio, also where the iterator stands in the middle of it. @see lib/iov_iter.c iov_iter_single_seg_count
   */
  singleSegCount(): number {
    return iterSingleSegCount(this)
  }

  /**
   * The low 31 bits of everything that has to be aligned, or-ed together: addresses and lengths of segments that are not
   * empty. An empty iterator asks for nothing. Folios are whole and aligned, so only the offset in them counts. A dmabuf
   * iterator contributes its offset and length only: its map is a handle and no address.
   * @see lib/iov_iter.c iov_iter_alignment
   */
  alignment(): number {
    return iterAlignment(this)
  }

  /**
   * The inner edges of a user vector or-ed together, low 31 bits: the end of each segment but the last, the start of each
   * but the first. 0 for one range (UBUF), and for a dmabuf, which is one to whoever holds it. The rest has no answer: all bits set.
   * @see lib/iov_iter.c iov_iter_gap_alignment
   */
  gapAlignment(): number {
    return iterGapAlignment(this)
  }

  /**
   * Whether no address has a bit of `addrMask` and no length one of `lenMask`, segment by segment; an empty iterator has neither. Linux 6.18 dropped the
   * function, and checks the vectors where it takes them into a bio; a caller that wants to know beforehand asks here.
   * @see lib/iov_iter.c iov_iter_is_aligned (until 6.17)
   */
  isAligned(addrMask: number, lenMask: number): boolean {
    return iterIsAligned(this, addrMask, lenMask)
  }

  /**
   * Pages that the rest touches, at most `maxPages`; 0 for DISCARD. Throws EOPNOTSUPP for a dmabuf iterator, which has none.
   * @see lib/iov_iter.c iov_iter_npages
   */
  npages(maxPages: number): number {
    if (this.iterType !== IterType.DISCARD) this.requirePages('npages')
    return iterNpages(this, maxPages)
  }

  /**
   * Writes the longest physically contiguous run at the current position, at most `maxBytes`, into `out`, without
   * advancing; returns its bytes, 0 at the end and at a hole of an xarray. Empty segments are stepped over. Throws EOPNOTSUPP
   * for a dmabuf iterator, EFAULT for DISCARD.
   */
  peekRun(maxBytes: number, out: BioVec): number {
    const wanted = Math.min(maxBytes, this.countBytes)
    if (this.iterType > IterType.KVEC) return this.#peekFolio(wanted, out)
    if (wanted <= 0) return 0
    let index = this.segIndex
    let segment = segmentAt(this, index)
    let skip = this.offsetBytes
    while (segment.lengthBytes === skip) {
      index += 1
      segment = segmentAt(this, index)
      skip = 0
    }
    return writeRun(
      out,
      segment.frame,
      segment.offsetBytes + skip,
      segment.lengthBytes - skip,
      wanted,
    )
  }

  #peekFolio(wanted: number, out: BioVec): number {
    this.requirePages('peekRun')
    if (wanted <= 0) return 0
    return this.iterType === IterType.FOLIOQ
      ? peekFolioq(this, wanted, out)
      : peekXarray(this, wanted, out)
  }

  /** Throws EOPNOTSUPP naming what was tried for a dmabuf iterator, EFAULT for DISCARD: neither has pages. */
  requirePages(what: string): void {
    if (this.iterType < IterType.DISCARD) return
    if (this.iterType === IterType.DISCARD) {
      throw new KernelError('EFAULT', `${what}: a discard iterator has no memory`)
    }
    throw new KernelError(
      'EOPNOTSUPP',
      `${what}: a dmabuf iterator has no pages and no CPU address (offset ${this.offsetBytes}, count ${this.countBytes})`,
    )
  }

  #isFlat(): boolean {
    return (
      this.iterType === IterType.DMABUF_MAP ||
      this.iterType === IterType.UBUF ||
      this.iterType === IterType.XARRAY
    )
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
    this.folioq = null
    this.folioqSlot = 0
    this.xarray = null
  }
}
