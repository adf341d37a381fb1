// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'
import type { BioVec } from './bio-vec.ts'
import { discard, nextRun } from './copy.ts'
import { type Folio, folioSizeBytes } from './folio-queue.ts'
import type { IovIter } from './iov-iter.ts'
import { addrOf, type IterMemory } from './iter-memory.ts'
import { ITER_DEST, ITER_SOURCE, IterType } from './iter-type.ts'

/**
 * Copies bytes of one page into the memory under an iterator, by the CPU, and advances it; returns how many, less as in
 * copyToIter. The range lies inside the page: asserted. Throws EOPNOTSUPP for a dmabuf iterator.
 * @see lib/iov_iter.c copy_page_to_iter
 */
export function copyPageToIter(
  memory: IterMemory,
  frame: number,
  offsetBytes: number,
  sizeBytes: number,
  iter: IovIter,
): number {
  assertInside(offsetBytes, sizeBytes, PAGE_SIZE)
  return framesToIter(memory, frame * PAGE_SIZE + offsetBytes, sizeBytes, iter)
}

/** The same for the page as target. @see lib/iov_iter.c copy_page_from_iter */
export function copyPageFromIter(
  memory: IterMemory,
  frame: number,
  offsetBytes: number,
  sizeBytes: number,
  iter: IovIter,
): number {
  assertInside(offsetBytes, sizeBytes, PAGE_SIZE)
  return framesFromIter(memory, frame * PAGE_SIZE + offsetBytes, sizeBytes, iter)
}

/** The same for a folio of any order. @see include/linux/uio.h copy_folio_to_iter */
export function copyFolioToIter(
  memory: IterMemory,
  folio: Folio,
  offsetBytes: number,
  sizeBytes: number,
  iter: IovIter,
): number {
  assertInside(offsetBytes, sizeBytes, folioSizeBytes(folio))
  return framesToIter(memory, folio.frame * PAGE_SIZE + offsetBytes, sizeBytes, iter)
}

/** @see include/linux/uio.h copy_folio_from_iter */
export function copyFolioFromIter(
  memory: IterMemory,
  folio: Folio,
  offsetBytes: number,
  sizeBytes: number,
  iter: IovIter,
): number {
  assertInside(offsetBytes, sizeBytes, folioSizeBytes(folio))
  return framesFromIter(memory, folio.frame * PAGE_SIZE + offsetBytes, sizeBytes, iter)
}

function framesToIter(memory: IterMemory, addr: number, sizeBytes: number, iter: IovIter): number {
  assert(iter.dataSource === ITER_DEST, 'copy of a page: the iterator is a source')
  if (iter.iterType === IterType.DISCARD) return discard(iter, sizeBytes)
  iter.requirePages('copy of a page')
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let done = 0
  while (done < sizeBytes) {
    const length = nextRun(memory, iter, sizeBytes - done, run)
    if (length === 0) break
    memory.copy(addrOf(run), addr + done, length)
    iter.advance(length)
    done += length
  }
  return done
}

function framesFromIter(
  memory: IterMemory,
  addr: number,
  sizeBytes: number,
  iter: IovIter,
): number {
  assert(iter.dataSource === ITER_SOURCE, 'copy of a page: the iterator is a destination')
  iter.requirePages('copy of a page')
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let done = 0
  while (done < sizeBytes) {
    const length = nextRun(memory, iter, sizeBytes - done, run)
    if (length === 0) break
    memory.copy(addr + done, addrOf(run), length)
    iter.advance(length)
    done += length
  }
  return done
}

function assertInside(offsetBytes: number, sizeBytes: number, limitBytes: number): void {
  assert(offsetBytes >= 0 && sizeBytes >= 0, 'copy of a page: negative offset or size')
  assert(offsetBytes + sizeBytes <= limitBytes, 'copy of a page: beyond its end')
}
