// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { DmabufMap } from './dmabuf-map.ts'
import type { IovIter } from './iov-iter.ts'
import type { Kiocb } from './kiocb.ts'

/**
 * The read_iter and write_iter operations of a file, each in its two forms. A file that starts I/O which
 * goes on without the caller returns -EIOCBQUEUED and later calls `kiocb.completion` exactly once; on any other
 * return it never calls it. The iterator is advanced by what was taken from it. The kiocb and the iterator belong
 * to the caller and stay untouched by it until the I/O is over.
 *
 * `M` is the map type that dmabuf iterators carry, `P` the plug that the submitter may pass in the kiocb.
 * @see include/linux/fs.h struct file_operations
 */
export interface IterFile<M extends DmabufMap = DmabufMap, P = unknown> {
  /** Never sleeps, as with IOCB_NOWAIT: bytes, -EIOCBQUEUED, -EAGAIN where it would have to sleep, or -errno. */
  readIter(kiocb: Kiocb<P>, iter: IovIter<M>): number
  writeIter(kiocb: Kiocb<P>, iter: IovIter<M>): number
  /**
   * May sleep (for tags, for a map); -EIOCBQUEUED when the rest goes on without the caller. For a synchronous kiocb it waits for the
   * end, moves `posBytes` on, and returns bytes or -errno.
   */
  readIterWait(kiocb: Kiocb<P>, iter: IovIter<M>): Op<number>
  writeIterWait(kiocb: Kiocb<P>, iter: IovIter<M>): Op<number>
  /** Flushes what was written before: 0, -EIOCBQUEUED, -EAGAIN, or -errno. */
  fsync(kiocb: Kiocb<P>): number
  fsyncWait(kiocb: Kiocb<P>): Op<number>
  /**
   * Looks for completions where a polled I/O (IOCB_HIPRI) that is under way will end: how many it found, of any I/O. Never sleeps. A
   * file without it completes polled I/O as any other. Not to be called for a kiocb that has ended.
   * @see include/linux/fs.h iopoll
   */
  ioPoll?(kiocb: Kiocb<P>): number
}
