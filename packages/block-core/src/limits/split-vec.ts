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
 * many, one byte too many, or a gap where the device allows none.
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
    const length = Math.min(vec.lengthBytes - done, left)
    const addr = vec.frame * PAGE_SIZE + vec.offsetBytes + done
    idx++
    done = 0
    if (length === 0) continue
    if (misaligned(limits, addr, length)) return -Errno.EINVAL
    if (previousEnd >= 0 && gapBetween(limits, previousEnd, addr)) {
      bio.biNrSegments = segments
      return cutAt(bio, limits, bytes)
    }
    const room = Math.min(length, maxBytes - bytes)
    let fitted = 0
    while (segments < limits.maxSegments && runGoesOn(limits, addr, fitted, room)) {
      fitted += Math.min(room - fitted, segmentRoom(limits, addr + fitted))
      segments++
    }
    bytes += fitted
    if (fitted < length) {
      bio.biNrSegments = segments
      return cutAt(bio, limits, bytes)
    }
    left -= length
    previousEnd = addr + length
  }
  bio.biNrSegments = segments
  return 0
}

function misaligned(limits: QueueLimits, addr: number, length: number): boolean {
  return ((addr | length) & limits.dmaAlignmentMask) !== 0
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

/** Bytes of a segment that begins at an address. @see block/blk.h get_max_segment_size */
function segmentRoom(limits: QueueLimits, addr: number): number {
  const boundary = limits.segBoundaryMask + 1
  return Math.min(limits.maxSegmentSizeBytes, boundary - (addr % boundary))
}
