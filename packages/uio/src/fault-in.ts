// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IovIter } from './iov-iter.ts'
import { addrOf, type IterMemory, reachableBytes, userBackedIter } from './iter-memory.ts'
import { segmentAt } from './iter-walk.ts'

/**
 * Tries the first `sizeBytes` bytes of an iterator for reading; returns how many of them could not be had, those
 * beyond its end included. Always 0 for memory of the kernel's. The iterator stays where it is.
 * @see lib/iov_iter.c fault_in_iov_iter_readable
 */
export function faultInIovIterReadable(
  memory: IterMemory,
  iter: IovIter,
  sizeBytes: number,
): number {
  return sizeBytes - faultedIn(memory, iter, sizeBytes, false)
}

/** The same for writing. @see lib/iov_iter.c fault_in_iov_iter_writeable */
export function faultInIovIterWriteable(
  memory: IterMemory,
  iter: IovIter,
  sizeBytes: number,
): number {
  return sizeBytes - faultedIn(memory, iter, sizeBytes, true)
}

function faultedIn(memory: IterMemory, iter: IovIter, sizeBytes: number, isWrite: boolean): number {
  if (!userBackedIter(iter)) return sizeBytes
  const wanted = Math.min(sizeBytes, iter.countBytes)
  let done = 0
  let skip = iter.offsetBytes
  for (let index = iter.segIndex; done < wanted; index += 1) {
    const segment = segmentAt(iter, index)
    const length = Math.min(segment.lengthBytes - skip, wanted - done)
    const reached = reachAll(memory, addrOf(segment) + skip, length, isWrite)
    done += reached
    if (reached < length) break
    skip = 0
  }
  return done
}

function reachAll(memory: IterMemory, addr: number, lengthBytes: number, isWrite: boolean): number {
  let done = 0
  while (done < lengthBytes) {
    const reached = reachableBytes(memory, true, addr + done, lengthBytes - done, isWrite)
    if (reached === 0) break
    done += reached
  }
  return done
}
