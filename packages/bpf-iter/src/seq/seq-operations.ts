// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { SeqFile } from './seq-file.ts'

/** What `show` returns to leave a record out; what it wrote is dropped. @see include/linux/seq_file.h SEQ_SKIP */
export const SEQ_SKIP = 1

/** What `start` may return in place of a record, for `show` to write a heading. @see include/linux/seq_file.h SEQ_START_TOKEN */
export const SEQ_START_TOKEN: unique symbol = Symbol('SEQ_START_TOKEN')

/** The first sizes of a buffer are whole pages of this. */
export const PAGE_BYTES = 4096

/**
 * How a sequence is walked. The object that `start` or `next` returns is current until the next call of `next` or `stop`.
 *
 * `start` and `next` may throw a KernelError, which becomes the errno of the read that has nothing else to give; after it nothing is
 * current, and `stop` is called with null. A read that holds records gives those and forgets the error: `start` of the read after it
 * has to fail again.
 * @see include/linux/seq_file.h struct seq_operations
 */
export interface SeqOperations<T, P> {
  /** The object at `seq.index`, null at the end. */
  start(seq: SeqFile, priv: P): T | null
  /** Has to move `seq.index`, also at the end. */
  next(seq: SeqFile, current: T, priv: P): T | null
  /** The end of one read: `current` was not consumed; null at the end of the sequence, and after an error. */
  stop(seq: SeqFile, current: T | null, priv: P): void
}

/** @see include/linux/seq_file.h struct seq_operations */
export interface SeqFileOperations<T, P> extends SeqOperations<T, P> {
  /**
   * Writes the record of an object: 0; SEQ_SKIP (any positive number) to leave it out; a negative errno, or a KernelError thrown,
   * for a failure. May sleep by returning an Op. It is called again for the same object when the record did not fit.
   */
  show(seq: SeqFile, current: T, priv: P): number | Op<number>
}
