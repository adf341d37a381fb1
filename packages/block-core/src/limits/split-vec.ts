// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { bvecAt } from '../bio/bvec-iter.ts'
import type { QueueLimits } from './queue-limits.ts'
import { cutAt } from './split-cut.ts'

const PAGE_SIZE = 4096

/**
 * Bytes of a bio with a vector that fit one request: 0 when all do, else where to cut, or -EINVAL, -EAGAIN.
 * Each run is cut into segments by segment size and boundary; the request ends before the run that would be one segment too
 * many, one byte too many, or a gap where the device allows none. Runs that touch are not taken together.
 *
 * Boundaries are those of addresses. The kernel looks at the offset in the first page of the run, which is the same for every virtual
 * boundary up to a page.
 * @see block/blk-merge.c bio_split_io_at
 */
export function splitVecBytes(bio: Bio, limits: QueueLimits, maxBytes: number): number {
  const vecs = bio.biIoVec
  let idx = bio.biIter.biIdx
  let done = bio.biIter.biBvecDone
  let left = bio.biIter.biSize
  let bytes = 0
  let segments = 0
  let previousEnd = -1
  while (left > 0) {
    const vec = bvecAt(vecs, idx)
    const offset = vec.offsetBytes + done
    const length = Math.min(vec.lengthBytes - done, left)
    idx++
    done = 0
    if (length === 0) continue
    if (misaligned(limits, offset, length)) return -Errno.EINVAL
    const addr = vec.frame * PAGE_SIZE + offset
    if (previousEnd >= 0 && gapBetween(limits, previousEnd, addr)) {
      return cutAt(bio, limits, bytes, segments)
    }
    left -= length
    previousEnd = addr + length
    const room = Math.min(length, maxBytes - bytes)
    let fitted = 0
    while (segments < limits.maxSegments && runGoesOn(limits, addr, fitted, room)) {
      fitted += segmentBytes(limits, addr + fitted, offset + fitted, room - fitted)
      segments++
    }
    bytes += fitted
    if (fitted < length) return cutAt(bio, limits, bytes, segments)
  }
  bio.biNrSegments = segments
  return 0
}

function misaligned(limits: QueueLimits, offset: number, length: number): boolean {
  return ((offset | length) & limits.dmaAlignmentMask) !== 0
}

/** A run that had to be cut where the device allows no gap ends there. @see block/blk-merge.c bvec_split_segs */
function runGoesOn(limits: QueueLimits, addr: number, fitted: number, room: number): boolean {
  return fitted < room && !(fitted > 0 && gapAfter(limits, addr + fitted))
}

/** @see block/blk.h bvec_gap_to_prev */
function gapBetween(limits: QueueLimits, previousEnd: number, start: number): boolean {
  return gapAfter(limits, previousEnd) || gapAfter(limits, start)
}

function gapAfter(limits: QueueLimits, addr: number): boolean {
  return (addr & limits.virtBoundaryMask) !== 0
}

/**
 * Bytes of a segment that begins at an address, `offset` behind the begin of a page. Most lie in one page, and need no division.
 * @see block/blk.h get_max_segment_size
 */
function segmentBytes(limits: QueueLimits, addr: number, offset: number, wanted: number): number {
  if (offset + wanted <= limits.maxFastSegmentSizeBytes) return wanted
  const boundary = limits.segBoundaryMask + 1
  return Math.min(wanted, limits.maxSegmentSizeBytes, boundary - (addr % boundary))
}
