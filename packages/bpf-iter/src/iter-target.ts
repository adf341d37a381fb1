// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { SeqFile } from './seq-file.ts'

/** @see include/linux/bpf.h struct bpf_iter_meta */
export interface IterMeta {
  readonly seq: SeqFile
  /** Unlike for every open iterator. */
  readonly sessionId: number
  /** Counts the objects of this session, from 0. An object that is shown again keeps its number. */
  readonly seqNum: number
}

export interface IterContext<T> {
  readonly meta: IterMeta
  /** null in the end call, for targets that make one. */
  readonly item: T | null
}

/**
 * What runs for each object, with no lock held: it may sleep by returning an Op. 0 is done with the object (whether or not
 * it wrote anything); any other number asks for the same object again in a later read, and discards what it wrote.
 * @see kernel/bpf/bpf_iter.c bpf_iter_run_prog
 */
export type IterProgram<T> = (context: IterContext<T>) => number | Op<number>

/**
 * How a target walks its objects. The object that `start` or `next` returns is current until the next call of `next` or `stop`.
 * `start` and `next` may throw a KernelError, which ends the read and becomes its errno.
 * @see include/linux/seq_file.h struct seq_operations
 */
export interface SeqOperations<T, P> {
  start(seq: SeqFile, priv: P): T | null
  /** Has to move `seq.index`. */
  next(seq: SeqFile, current: T, priv: P): T | null
  /** The end of one read: `current` was not consumed; null at the end of the sequence. */
  stop(seq: SeqFile, current: T | null, priv: P): void
}

/** @see include/linux/bpf.h struct bpf_iter_seq_info */
export interface IterSeqInfo<T, P> {
  readonly seqOps: SeqOperations<T, P>
  /** Called once when an iterator opens. If it throws, the open fails and `finiSeqPrivate` is not called. */
  initSeqPrivate(): P
  /** Called once when the iterator closes. */
  finiSeqPrivate(priv: P): void
}

/** @see include/linux/bpf.h struct bpf_iter_reg */
export interface IterTarget<T, P> {
  readonly target: string
  readonly seqInfo: IterSeqInfo<T, P>
  /** Whether the program is called once more, with a null item, when the sequence has ended. */
  readonly endCall: boolean
  showFdinfo(): string
}
