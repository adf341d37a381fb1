// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import type { BioVec } from './bio-vec.ts'
import type { IovIter } from './iov-iter.ts'

/**
 * Takes up to `maxVecs` physically contiguous runs and up to `maxBytes` from an iterator into `out`, and advances it by what
 * was taken; returns the number of runs. Neighbouring segments that touch become one run. Entries that `out` already
 * holds are written over, so a pooled array costs no allocation once it is long enough.
 * Throws EOPNOTSUPP for a dmabuf iterator.
 * @see lib/iov_iter.c iov_iter_extract_pages
 * @see block/bio.c bio_iov_iter_get_pages
 */
export function extractBvecs(
  iter: IovIter,
  out: BioVec[],
  maxVecs: number,
  maxBytes: number,
): number {
  iter.requirePages('extractBvecs')
  let vecs = 0
  let left = maxBytes
  while (left > 0 && vecs < maxVecs && iter.countBytes > 0) {
    const run = entryAt(out, vecs)
    const length = iter.peekRun(left, run)
    if (length === 0) break
    const last = vecs > 0 ? entryAt(out, vecs - 1) : null
    if (last !== null && endsAt(last, run)) last.lengthBytes += length
    else vecs += 1
    iter.advance(length)
    left -= length
  }
  return vecs
}

function entryAt(out: BioVec[], index: number): BioVec {
  const entry = out[index]
  if (entry !== undefined) return entry
  const made: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  out[index] = made
  return made
}

function endsAt(last: BioVec, next: BioVec): boolean {
  return (
    (last.frame - next.frame) * PAGE_SIZE + last.offsetBytes + last.lengthBytes === next.offsetBytes
  )
}
