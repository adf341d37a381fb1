// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { BioVec } from './bio-vec.ts'
import type { IovIter } from './iov-iter.ts'
import { addrOf, type IterMemory, reachableBytes, userBackedIter } from './iter-memory.ts'
import { ITER_DEST, ITER_SOURCE, IterType } from './iter-type.ts'

const ZEROES_BYTES = 4096

/**
 * Copies bytes into the memory under an iterator and advances it; returns how many: less than asked at its end, at a fault
 * of user memory, and at a hole of an xarray. DISCARD takes everything. A CPU copy, counted by the memory. Throws EOPNOTSUPP for a
 * dmabuf iterator, EFAULT for kernel memory that is not there.
 * @see lib/iov_iter.c copy_to_iter
 */
export function copyToIter(memory: IterMemory, source: Uint8Array, iter: IovIter): number {
  assert(iter.dataSource === ITER_DEST, 'copyToIter: the iterator is a source')
  if (iter.iterType === IterType.DISCARD) return discard(iter, source.length)
  iter.requirePages('copyToIter')
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let done = 0
  while (done < source.length) {
    const length = nextRun(memory, iter, source.length - done, run)
    if (length === 0) break
    memory.write(addrOf(run), source.subarray(done, done + length))
    iter.advance(length)
    done += length
  }
  return done
}

/**
 * Copies bytes out of the memory under an iterator and advances it; returns how many, less for the same reasons.
 * Throws EOPNOTSUPP for a dmabuf iterator, EFAULT for kernel memory that is not there.
 * @see lib/iov_iter.c copy_from_iter
 */
export function copyFromIter(memory: IterMemory, target: Uint8Array, iter: IovIter): number {
  assert(iter.dataSource === ITER_SOURCE, 'copyFromIter: the iterator is a destination')
  iter.requirePages('copyFromIter')
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let done = 0
  while (done < target.length) {
    const length = nextRun(memory, iter, target.length - done, run)
    if (length === 0) break
    memory.read(addrOf(run), target.subarray(done, done + length))
    iter.advance(length)
    done += length
  }
  return done
}

/**
 * As {@link copyToIter}, all or nothing for the iterator: where it falls short the iterator goes back to where it was, and false is
 * returned. What was written stays written.
 * @see include/linux/uio.h copy_to_iter_full
 */
export function copyToIterFull(memory: IterMemory, source: Uint8Array, iter: IovIter): boolean {
  const copied = copyToIter(memory, source, iter)
  if (copied === source.length) return true
  iter.revert(copied)
  return false
}

/** As {@link copyFromIter}, all or nothing for the iterator. @see include/linux/uio.h copy_from_iter_full */
export function copyFromIterFull(memory: IterMemory, target: Uint8Array, iter: IovIter): boolean {
  const copied = copyFromIter(memory, target, iter)
  if (copied === target.length) return true
  iter.revert(copied)
  return false
}

/**
 * Writes zeroes and advances; returns how many bytes. Throws EOPNOTSUPP for a dmabuf iterator.
 * @see lib/iov_iter.c iov_iter_zero
 */
export function zeroIter(memory: IterMemory, sizeBytes: number, iter: IovIter): number {
  if (iter.iterType === IterType.DISCARD) return discard(iter, sizeBytes)
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

/** The part of the run at the current position that one access reaches; 0 at the end and at a fault. */
export function nextRun(memory: IterMemory, iter: IovIter, wanted: number, run: BioVec): number {
  const length = iter.peekRun(wanted, run)
  if (length === 0) return 0
  const isWrite = iter.dataSource === ITER_DEST
  return reachableBytes(memory, userBackedIter(iter), addrOf(run), length, isWrite)
}

export function discard(iter: IovIter, sizeBytes: number): number {
  const size = Math.min(sizeBytes, iter.countBytes)
  iter.advance(size)
  return size
}
