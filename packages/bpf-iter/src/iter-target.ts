// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { SeqFile } from './seq/seq-file.ts'
import type { SeqOperations } from './seq/seq-operations.ts'

/** @see include/linux/bpf.h struct bpf_iter_meta */
export interface IterMeta {
  readonly seq: SeqFile
  /** Unlike for every iterator that was opened, from 1. */
  readonly sessionId: number
  /**
   * Counts the objects of this session, from 0. An object that is shown again keeps its number, and one that its target skips
   * gives its own to the next.
   */
  readonly seqNum: number
}

/**
 * What a program is given. `T` is what the target declares its programs to get; a target with several things to give makes an object of
 * them.
 * @see include/linux/bpf.h struct bpf_ctx_arg_aux
 */
export interface IterContext<T> {
  readonly meta: IterMeta
  /** null in the end call, for targets that make one. */
  readonly item: T | null
}

/**
 * What runs for each object, with no lock held: it may sleep by returning an Op. 0 is done with the object (whether or not
 * it wrote anything); any other number asks for the same object again in a later read, and discards what it wrote. What the end
 * call returns is of no account.
 * @see kernel/bpf/bpf_iter.c bpf_iter_run_prog
 */
export type IterProgram<T> = (context: IterContext<T>) => number | Op<number>

/** Runs the link's program for an object: 0, or -EAGAIN where it wants it again. @see kernel/bpf/bpf_iter.c bpf_iter_run_prog */
export type RunProgram<T> = (item: T) => Op<number>

/** How a target walks its objects. @see include/linux/seq_file.h struct seq_operations */
export interface IterSeqOperations<T, P> extends SeqOperations<T, P> {
  /**
   * What to do for an object; without it the program is run for it. 0; SEQ_SKIP (any positive number) to pass over it, as if it were not
   * in the sequence; a negative errno to stop before it, and come back to it in the next read. What was written counts with 0 only.
   */
  show?(seq: SeqFile, current: T, priv: P, run: RunProgram<T>): number | Op<number>
}

/** @see include/linux/bpf.h struct bpf_iter_seq_info */
export interface IterSeqInfo<T, P, A = void> {
  readonly seqOps: IterSeqOperations<T, P>
  /**
   * Makes the private state of an iterator, once, when it opens, from what its link was attached with. If it throws, the open
   * fails and `finiSeqPrivate` is not called.
   */
  initSeqPrivate(aux: A): P
  /** Called once when the iterator closes. */
  finiSeqPrivate(priv: P): void
}

/** What a target may do beyond walking. @see include/linux/bpf.h enum bpf_iter_feature */
export const IterFeature = {
  /** Other tasks may run between two objects: the walk holds nothing that forbids it. */
  BPF_ITER_RESCHED: 1,
} as const

/** What a target says of a link, beyond its own name. @see include/uapi/linux/bpf.h struct bpf_link_info */
export type TargetLinkInfo = Readonly<Record<string, string | number>>

/**
 * A kind of object that can be iterated: over objects of type `T`, with a private state `P` for each iterator. A target with parameters
 * takes an `L` when a program is attached, and keeps an `A` of it in the link.
 * @see include/linux/bpf.h struct bpf_iter_reg
 */
export interface IterTarget<T, P, L = void, A = void> {
  readonly target: string
  /** Flags of IterFeature; none unless said. */
  readonly feature?: number
  readonly seqInfo: IterSeqInfo<T, P, A>
  /** Whether the program is called once more, with a null item, when the sequence has ended. */
  readonly endCall: boolean
  /** Checks the parameters of a link and takes the references that it holds. If it throws, there is no link, and no `detachTarget`. */
  attachTarget?(linkInfo: L): A
  /** Called once when the link is released; iterators that are open then stay usable, by what their own private state holds. */
  detachTarget?(aux: A): void
  showFdinfo?(aux: A): string
  fillLinkInfo?(aux: A): TargetLinkInfo
}
