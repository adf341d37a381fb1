// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'

const PAGE_SIZE = 4096

/**
 * Where a bio stands: the sector on the device, the bytes left, and the place in the payload. For a vector that is an
 * index and the bytes done in that entry; for a dmabuf map `biBvecDone` is the byte offset in the buffer and the index stays 0.
 * @see include/linux/bvec.h struct bvec_iter
 */
export class BvecIter {
  biSector: number
  biSize: number
  biIdx: number
  biBvecDone: number

  constructor() {
    this.biSector = 0
    this.biSize = 0
    this.biIdx = 0
    this.biBvecDone = 0
  }

  set(other: BvecIter): void {
    this.biSector = other.biSector
    this.biSize = other.biSize
    this.biIdx = other.biIdx
    this.biBvecDone = other.biBvecDone
  }
}

/** The entry at an index that the caller knows to be in use. */
export function bvecAt(vecs: readonly BioVec[], index: number): BioVec {
  const vec = vecs[index]
  assert(vec !== undefined, 'bvec iterator: more bytes than the vector holds')
  return vec
}

/**
 * Writes the run at the iterator, at most `maxBytes`, into `out`; returns its bytes, 0 at the end. Steps over empty entries,
 * and moves no further.
 * @see include/linux/bvec.h bvec_iter_bvec
 */
export function bvecIterPeek(
  vecs: readonly BioVec[],
  iter: BvecIter,
  maxBytes: number,
  out: BioVec,
): number {
  if (iter.biSize === 0) return 0
  let vec = bvecAt(vecs, iter.biIdx)
  while (iter.biBvecDone === vec.lengthBytes) {
    iter.biIdx++
    iter.biBvecDone = 0
    vec = bvecAt(vecs, iter.biIdx)
  }
  const start = vec.offsetBytes + iter.biBvecDone
  const inPage = start % PAGE_SIZE
  out.frame = vec.frame + (start - inPage) / PAGE_SIZE
  out.offsetBytes = inPage
  out.lengthBytes = Math.min(vec.lengthBytes - iter.biBvecDone, iter.biSize, maxBytes)
  return out.lengthBytes
}

/** @see include/linux/bvec.h bvec_iter_advance */
export function bvecIterAdvance(vecs: readonly BioVec[], iter: BvecIter, sizeBytes: number): void {
  assert(sizeBytes <= iter.biSize, 'bvec iterator: advanced past its end')
  iter.biSize -= sizeBytes
  let done = iter.biBvecDone + sizeBytes
  let idx = iter.biIdx
  while (idx < vecs.length) {
    const length = bvecAt(vecs, idx).lengthBytes
    if (done < length) break
    done -= length
    idx++
  }
  iter.biIdx = idx
  iter.biBvecDone = done
}
