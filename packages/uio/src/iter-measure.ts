// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import type { IovIter } from './iov-iter.ts'
import { IterType } from './iter-type.ts'
import { addressBits, folioqSlotBytes, lowBits, segmentAt } from './iter-walk.ts'

/** What the kernel says of iterators that gaps make no sense for: every bit set. */
const NO_GAPS_KNOWN = 0xffff_ffff

/** All that has to be aligned, or-ed together. @see IovIter.alignment */
export function iterAlignment(iter: IovIter): number {
  if (iter.countBytes === 0 || iter.iterType === IterType.DISCARD) return 0
  if (!hasSegments(iter)) return lowBits(flatPosition(iter)) | lowBits(iter.countBytes)
  let bits = 0
  let left = iter.countBytes
  let skip = iter.offsetBytes
  for (let index = iter.segIndex; left > 0 && index < iter.endIndex; index += 1) {
    const segment = segmentAt(iter, index)
    const length = Math.min(segment.lengthBytes - skip, left)
    if (length > 0) {
      bits |= addressBits(segment, skip) | lowBits(length)
      left -= length
    }
    skip = 0
  }
  return bits
}

/** @see IovIter.gapAlignment */
export function iterGapAlignment(iter: IovIter): number {
  if (iter.iterType === IterType.UBUF || iter.iterType === IterType.DMABUF_MAP) return 0
  if (iter.iterType !== IterType.IOVEC) return NO_GAPS_KNOWN
  let bits = 0
  let end = -1
  let left = iter.countBytes
  let skip = iter.offsetBytes
  for (let index = iter.segIndex; left > 0 && index < iter.endIndex; index += 1) {
    const segment = segmentAt(iter, index)
    const length = Math.min(segment.lengthBytes - skip, left)
    if (length > 0) {
      if (end >= 0) bits |= end | addressBits(segment, 0)
      end = addressBits(segment, segment.lengthBytes)
      left -= length
    }
    skip = 0
  }
  return bits
}

/** @see IovIter.isAligned */
export function iterIsAligned(iter: IovIter, addrMask: number, lenMask: number): boolean {
  if (iter.countBytes === 0 || iter.iterType === IterType.DISCARD) return true
  if (!hasSegments(iter)) {
    return (iter.countBytes & lenMask) === 0 && (flatPosition(iter) & addrMask) === 0
  }
  let left = iter.countBytes
  let skip = iter.offsetBytes
  for (let index = iter.segIndex; left > 0 && index < iter.endIndex; index += 1) {
    const segment = segmentAt(iter, index)
    const length = Math.min(segment.lengthBytes - skip, left)
    if (length > 0) {
      if ((length & lenMask) !== 0 || (addressBits(segment, skip) & addrMask) !== 0) return false
      left -= length
    }
    skip = 0
  }
  return true
}

/** @see IovIter.singleSegCount */
export function iterSingleSegCount(iter: IovIter): number {
  if (iter.iterType === IterType.FOLIOQ) return folioqSlotBytes(iter)
  if (!iter.hasVector || iter.countBytes === 0) return iter.countBytes
  return Math.min(segmentAt(iter, iter.segIndex).lengthBytes - iter.offsetBytes, iter.countBytes)
}

/** @see IovIter.npages */
export function iterNpages(iter: IovIter, maxPages: number): number {
  if (iter.iterType === IterType.DISCARD || iter.countBytes === 0) return 0
  if (!hasSegments(iter)) {
    return Math.min(
      Math.ceil(((flatPosition(iter) % PAGE_SIZE) + iter.countBytes) / PAGE_SIZE),
      maxPages,
    )
  }
  let pages = 0
  let left = iter.countBytes
  let skip = iter.offsetBytes
  for (let index = iter.segIndex; left > 0 && index < iter.endIndex; index += 1) {
    const segment = segmentAt(iter, index)
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

function hasSegments(iter: IovIter): boolean {
  return iter.iterType <= IterType.KVEC
}

/** Where an iterator without segments stands: folios are whole and aligned, so the offset in them is enough; a map is no address. */
function flatPosition(iter: IovIter): number {
  return iter.iterType === IterType.XARRAY
    ? iter.xarrayStartBytes + iter.offsetBytes
    : iter.offsetBytes
}
