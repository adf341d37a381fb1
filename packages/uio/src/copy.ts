// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'
import type { BioVec } from './bio-vec.ts'
import type { IovIter } from './iov-iter.ts'
import { ITER_DEST, ITER_SOURCE } from './iter-type.ts'

const ZEROES_BYTES = 4096

/**
 * Copies bytes into the memory under an iterator and advances it; returns how many, less than asked at its end.
 * A CPU copy, counted by the memory. Throws EOPNOTSUPP for a dmabuf iterator.
 * @see lib/iov_iter.c copy_to_iter
 */
export function copyToIter(memory: PhysicalMemory, source: Uint8Array, iter: IovIter): number {
  assert(iter.dataSource === ITER_DEST, 'copyToIter: the iterator is a source')
  iter.requirePages('copyToIter')
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let done = 0
  while (done < source.length) {
    const length = iter.peekRun(source.length - done, run)
    if (length === 0) break
    memory.write(run.frame * PAGE_SIZE + run.offsetBytes, source.subarray(done, done + length))
    iter.advance(length)
    done += length
  }
  return done
}

/**
 * Copies bytes out of the memory under an iterator and advances it; returns how many.
 * Throws EOPNOTSUPP for a dmabuf iterator.
 * @see lib/iov_iter.c copy_from_iter
 */
export function copyFromIter(memory: PhysicalMemory, target: Uint8Array, iter: IovIter): number {
  assert(iter.dataSource === ITER_SOURCE, 'copyFromIter: the iterator is a destination')
  iter.requirePages('copyFromIter')
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let done = 0
  while (done < target.length) {
    const length = iter.peekRun(target.length - done, run)
    if (length === 0) break
    memory.read(run.frame * PAGE_SIZE + run.offsetBytes, target.subarray(done, done + length))
    iter.advance(length)
    done += length
  }
  return done
}

/**
 * Writes zeroes and advances; returns how many bytes. Throws EOPNOTSUPP for a dmabuf iterator.
 * @see lib/iov_iter.c iov_iter_zero
 */
export function zeroIter(memory: PhysicalMemory, sizeBytes: number, iter: IovIter): number {
  iter.requirePages('zeroIter')
  const zeroes = new Uint8Array(Math.min(sizeBytes, ZEROES_BYTES))
  let done = 0
  while (done < sizeBytes) {
    const wanted = Math.min(zeroes.length, sizeBytes - done)
    const copied = copyToIter(memory, zeroes.subarray(0, wanted), iter)
    done += copied
    if (copied < wanted) break
  }
  return done
}
