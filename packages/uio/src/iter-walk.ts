// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SHIFT, PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'
import type { BioVec } from './bio-vec.ts'
import { FOLIOQ_SLOTS, type Folio, type FolioQueue, folioSizeBytes } from './folio-queue.ts'
import type { IovIter } from './iov-iter.ts'
import { IterType } from './iter-type.ts'

/** A segment of an iterator that has them; for UBUF its one range. */
export function segmentAt(iter: IovIter, index: number): BioVec {
  if (iter.iterType === IterType.UBUF) return iter.ubuf
  const segment = iter.segments[index]
  assert(segment !== undefined, 'iov_iter: count is more than the segments hold')
  return segment
}

/** Takes bytes back from the start of the current segment of a vector. @see lib/iov_iter.c iov_iter_revert */
export function segmentsRevert(iter: IovIter, unrollBytes: number): void {
  let left = unrollBytes
  let index = iter.segIndex
  for (;;) {
    assert(index > 0, 'iov_iter revert: before the start')
    index -= 1
    const length = segmentAt(iter, index).lengthBytes
    if (left <= length) {
      iter.segIndex = index
      iter.offsetBytes = length - left
      return
    }
    left -= length
  }
}

/** Moves the slot and the offset of a folio queue iterator; its count is the caller's. @see lib/iov_iter.c iov_iter_folioq_advance */
export function folioqAdvance(iter: IovIter, sizeBytes: number): void {
  let queue = queueOf(iter)
  let slot = iter.folioqSlot
  let left = sizeBytes + iter.offsetBytes
  while (left > 0) {
    if (slot === FOLIOQ_SLOTS) {
      queue = nextSegment(queue)
      slot = 0
    }
    const size = queue.folioSizeBytes(slot)
    if (left < size) break
    left -= size
    slot += 1
  }
  iter.folioq = queue
  iter.folioqSlot = slot
  iter.offsetBytes = left
}

/** Takes bytes back from the start of the current slot. @see lib/iov_iter.c iov_iter_folioq_revert */
export function folioqRevert(iter: IovIter, unrollBytes: number): void {
  let left = unrollBytes
  let queue: FolioQueue | null = queueOf(iter)
  let slot = iter.folioqSlot
  for (;;) {
    if (slot === 0) {
      queue = queue.prev
      slot = FOLIOQ_SLOTS
      assert(queue !== null, 'iov_iter revert: before the start')
    }
    slot -= 1
    const size = queue.folioSizeBytes(slot)
    if (left <= size) {
      iter.folioq = queue
      iter.folioqSlot = slot
      iter.offsetBytes = size - left
      return
    }
    left -= size
  }
}

/** Bytes from the current position to the end of its folio, at most the count. */
export function folioqSlotBytes(iter: IovIter): number {
  if (iter.countBytes === 0) return 0
  const folio = settle(iter)
  return Math.min(folioSizeBytes(folio) - iter.offsetBytes, iter.countBytes)
}

/** The run at the current position of a folio queue, as IovIter.peekRun gives it; `wanted` is not 0. */
export function peekFolioq(iter: IovIter, wanted: number, out: BioVec): number {
  const folio = settle(iter)
  const skip = iter.offsetBytes
  return writeRun(out, folio.frame, skip, folioSizeBytes(folio) - skip, wanted)
}

/** Writes the same position as one inside a folio: past empty slots, and into the next segment. */
function settle(iter: IovIter): Folio {
  let queue = queueOf(iter)
  let slot = iter.folioqSlot
  let skip = iter.offsetBytes
  for (;;) {
    if (slot === FOLIOQ_SLOTS) {
      queue = nextSegment(queue)
      slot = 0
    }
    const folio = queue.folio(slot)
    const size = queue.folioSizeBytes(slot)
    if (folio !== null && skip < size) {
      iter.folioq = queue
      iter.folioqSlot = slot
      iter.offsetBytes = skip
      return folio
    }
    skip -= size
    slot += 1
  }
}

/** The run at the current position of an xarray: 0 at a hole. */
export function peekXarray(iter: IovIter, wanted: number, out: BioVec): number {
  const xarray = iter.xarray
  assert(xarray !== null, 'iov_iter: an xarray iterator without its xarray')
  const pos = iter.xarrayStartBytes + iter.offsetBytes
  const index = Math.floor(pos / PAGE_SIZE)
  const folio = xarray.load(index)
  if (folio === null) return 0
  const size = folioSizeBytes(folio)
  const skip = pos % size
  return writeRun(out, folio.frame, skip, size - skip, wanted)
}

/** Fills `out` with a run that starts inside its first page; returns its bytes. */
export function writeRun(
  out: BioVec,
  frame: number,
  offsetBytes: number,
  lengthBytes: number,
  wanted: number,
): number {
  out.frame = frame + Math.floor(offsetBytes / PAGE_SIZE)
  out.offsetBytes = offsetBytes % PAGE_SIZE
  out.lengthBytes = Math.min(lengthBytes, wanted)
  return out.lengthBytes
}

/** The low 31 bits of the address `skip` bytes into a segment: alignment asks for low bits only, so the wrap of a shift is harmless. */
export function addressBits(segment: BioVec, skip: number): number {
  return lowBits((segment.frame << PAGE_SHIFT) + segment.offsetBytes + skip)
}

/** What is past 2^31 is of no interest to an alignment, and would leave the small integers. */
export function lowBits(value: number): number {
  return value & 0x7fff_ffff
}

function queueOf(iter: IovIter): FolioQueue {
  assert(iter.folioq !== null, 'iov_iter: a folio queue iterator without its queue')
  return iter.folioq
}

function nextSegment(queue: FolioQueue): FolioQueue {
  assert(queue.next !== null, 'iov_iter: count is more than the folio queue holds')
  return queue.next
}
