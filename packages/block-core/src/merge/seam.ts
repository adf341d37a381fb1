// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { bvecAt } from '../bio/bvec-iter.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'

const PAGE_SIZE = 4096

/** Whether there is memory behind a bio: a discard has none. @see include/linux/bio.h bio_has_data */
function bioHasData(bio: Bio): boolean {
  return bio.biVcnt > 0 && bio.biIter.biSize > 0
}

/** Address of the first byte of a bio with a vector. @see block/blk-merge.c bio_get_first_bvec */
function firstAddr(bio: Bio): number {
  let idx = bio.biIter.biIdx
  let done = bio.biIter.biBvecDone
  let vec = bvecAt(bio.biIoVec, idx)
  while (done === vec.lengthBytes) {
    idx++
    done = 0
    vec = bvecAt(bio.biIoVec, idx)
  }
  return vec.frame * PAGE_SIZE + vec.offsetBytes + done
}

/** Address behind the last byte of a bio with a vector. @see block/blk-merge.c bio_get_last_bvec */
function endAddr(bio: Bio): number {
  let idx = bio.biIter.biIdx
  let done = bio.biIter.biBvecDone
  let left = bio.biIter.biSize
  for (;;) {
    const vec = bvecAt(bio.biIoVec, idx)
    if (left <= vec.lengthBytes - done) return vec.frame * PAGE_SIZE + vec.offsetBytes + done + left
    left -= vec.lengthBytes - done
    done = 0
    idx++
  }
}

/**
 * Whether a gap that the device cannot do lies between `prev` and `next`, where `first` is the first bio of what they would be
 * part of. A first bio that begins off the boundary is reason enough. Unlike the kernel, whose drivers see runs that touch as one,
 * each bio begins a run of its own: the seam has to lie on the boundary even where the memory goes on.
 * @see block/blk-merge.c bio_will_gap
 */
export function bioWillGap(limits: QueueLimits, first: Bio, prev: Bio, next: Bio): boolean {
  const mask = limits.virtBoundaryMask
  if (mask === 0 || !bioHasData(prev)) return false
  if ((firstAddr(first) & mask) !== 0) return true
  return ((endAddr(prev) | firstAddr(next)) & mask) !== 0
}
