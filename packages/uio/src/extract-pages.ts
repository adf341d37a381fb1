// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import type { BioVec } from './bio-vec.ts'
import type { IovIter } from './iov-iter.ts'
import { userBackedIter } from './iter-memory.ts'
import { IterType, MAX_RW_COUNT } from './iter-type.ts'

/**
 * Pages that were taken from an iterator: together one run of bytes that starts in the first page and fills every page but
 * the first and the last. Reused: only the first `nrPages` of `frames` count.
 */
export class PageList {
  readonly frames: number[] = []
  nrPages = 0
  /** Where in the first page the bytes start. */
  offsetBytes = 0
}

/**
 * Takes up to `maxPages` pages and `maxBytes` from an iterator, and advances it by the bytes that they hold, which are returned. Only
 * the first page may start, and only the last may end, away from a page boundary, so one call may take less than there is:
 * user and kernel vectors give one segment at a time, the others go on for as long as pages follow on pages. 0 at the end,
 * and at a hole of an xarray.
 *
 * Frames have no reference counts here: nothing is pinned, the caller keeps the memory. Throws EOPNOTSUPP for a dmabuf iterator,
 * EFAULT for DISCARD. For runs of contiguous pages, as a bio wants them, see extractBvecs.
 * @see lib/iov_iter.c iov_iter_extract_pages
 */
export function iovIterExtractPages(
  iter: IovIter,
  out: PageList,
  maxBytes: number,
  maxPages: number,
): number {
  iter.requirePages('iovIterExtractPages')
  return takePages(
    iter,
    out,
    maxBytes,
    maxPages,
    iter.iterType > IterType.KVEC || iter.iterType === IterType.BVEC,
  )
}

/**
 * As {@link iovIterExtractPages}, as callers see it that take references on pages: kernel vectors throw EFAULT, and a bio
 * vector gives one segment at a time.
 * @see lib/iov_iter.c iov_iter_get_pages2
 */
export function iovIterGetPages(
  iter: IovIter,
  out: PageList,
  maxBytes: number,
  maxPages: number,
): number {
  iter.requirePages('iovIterGetPages')
  if (iter.iterType === IterType.KVEC) {
    throw new KernelError('EFAULT', 'iovIterGetPages: pages of a kernel vector take no references')
  }
  return takePages(iter, out, maxBytes, maxPages, iter.iterType > IterType.KVEC)
}

/** Whether the kernel would pin the pages (user memory) rather than trust the caller. @see include/linux/uio.h iov_iter_extract_will_pin */
export function iovIterExtractWillPin(iter: IovIter): boolean {
  return userBackedIter(iter)
}

function takePages(
  iter: IovIter,
  out: PageList,
  maxBytes: number,
  maxPages: number,
  crossesSegments: boolean,
): number {
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  const wanted = Math.min(maxBytes, MAX_RW_COUNT)
  let taken = 0
  out.nrPages = 0
  while (taken < wanted && out.nrPages < maxPages) {
    const length = iter.peekRun(wanted - taken, run)
    if (length === 0 || (taken > 0 && run.offsetBytes !== 0)) break
    if (taken === 0) out.offsetBytes = run.offsetBytes
    const pages = Math.min(
      Math.ceil((run.offsetBytes + length) / PAGE_SIZE),
      maxPages - out.nrPages,
    )
    for (let i = 0; i < pages; i += 1) out.frames[out.nrPages + i] = run.frame + i
    out.nrPages += pages
    const size = Math.min(length, pages * PAGE_SIZE - run.offsetBytes)
    iter.advance(size)
    taken += size
    if (!crossesSegments || (run.offsetBytes + size) % PAGE_SIZE !== 0) break
  }
  return taken
}
