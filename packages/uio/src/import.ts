// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { Iovec } from './bio-vec.ts'
import type { IovIter } from './iov-iter.ts'
import { addrOf } from './iter-memory.ts'
import { type IterDirection, MAX_RW_COUNT, UIO_MAXIOV } from './iter-type.ts'

/** First address that no user range may reach: the end of physical memory, which user memory is mapped to. */
const USER_END = 2 ** 43

/**
 * Checks a user's range and makes it an UBUF iterator; longer than MAX_RW_COUNT, it is cut to that. Returns 0, -EFAULT where it
 * lies outside the address space, or -EINVAL for a length that is negative (the kernel's is unsigned) or no integer. On an
 * error the iterator is untouched. Whether the memory is there shows when it is accessed.
 * @see lib/iov_iter.c import_ubuf
 */
export function importUbuf(direction: IterDirection, range: Iovec, iter: IovIter): number {
  if (!validLength(range)) return -Errno.EINVAL
  const length = Math.min(range.lengthBytes, MAX_RW_COUNT)
  if (!accessOk(range, length)) return -Errno.EFAULT
  iter.initUbuf(direction, range.frame, range.offsetBytes, length)
  return 0
}

/**
 * Copies and checks a user's vector and makes it an iterator: IOVEC over `copies`, or UBUF where there is one range. What is
 * over MAX_RW_COUNT in sum is cut off. Returns the bytes; -EINVAL for more than UIO_MAXIOV ranges or a negative length; -EFAULT for a
 * range outside the address space. On an error the iterator is untouched.
 *
 * `copies` belongs to the caller and must stay unchanged while the iterator is used; entries that it holds are
 * written over, so a pooled array costs no allocation. The user's own vector may change as soon as this returns.
 * @see lib/iov_iter.c import_iovec
 */
export function importIovec(
  direction: IterDirection,
  uvec: readonly Iovec[],
  nrSegs: number,
  copies: Iovec[],
  iter: IovIter,
): number {
  if (nrSegs < 0 || nrSegs > UIO_MAXIOV) return -Errno.EINVAL
  if (nrSegs > uvec.length) return -Errno.EFAULT
  const single = uvec[0]
  if (nrSegs === 1 && single !== undefined) {
    const error = importUbuf(direction, single, iter)
    return error === 0 ? iter.countBytes : error
  }
  for (let i = 0; i < nrSegs; i += 1) {
    const range = uvec[i]
    if (range === undefined || !validLength(range)) return -Errno.EINVAL
    copyRange(copies, i, range)
  }
  const total = checkAndCut(copies, nrSegs)
  if (total >= 0) iter.initIovec(direction, copies, nrSegs, total)
  return total
}

function checkAndCut(copies: readonly Iovec[], nrSegs: number): number {
  let total = 0
  for (let i = 0; i < nrSegs; i += 1) {
    const range = copies[i]
    if (range === undefined || !accessOk(range, range.lengthBytes)) return -Errno.EFAULT
    range.lengthBytes = Math.min(range.lengthBytes, MAX_RW_COUNT - total)
    total += range.lengthBytes
  }
  return total
}

function copyRange(copies: Iovec[], index: number, range: Iovec): void {
  const copy = copies[index]
  if (copy === undefined) {
    copies[index] = { ...range }
    return
  }
  copy.frame = range.frame
  copy.offsetBytes = range.offsetBytes
  copy.lengthBytes = range.lengthBytes
}

function validLength(range: Iovec): boolean {
  return Number.isSafeInteger(range.lengthBytes) && range.lengthBytes >= 0
}

/** @see include/asm-generic/access_ok.h */
function accessOk(range: Iovec, lengthBytes: number): boolean {
  const addr = addrOf(range)
  return Number.isSafeInteger(addr) && addr >= 0 && addr + lengthBytes <= USER_END
}
