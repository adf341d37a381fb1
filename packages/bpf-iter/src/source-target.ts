// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import type { IterSource } from './iter-source.ts'
import {
  IterFeature,
  type IterSeqOperations,
  type IterTarget,
  type RunProgram,
} from './iter-target.ts'
import type { SeqFile } from './seq/seq-file.ts'
import { SEQ_SKIP } from './seq/seq-operations.ts'

/**
 * The private state of an iterator over a source. Its reference on `parked` is the iterator's own.
 * @see kernel/bpf/dmabuf_iter.c struct dmabuf_iter_priv
 */
export interface SourceIterPrivate<T> {
  /** The object at which the last read stopped, and with which the next one goes on. */
  parked: T | null
  /** The end was reached: a sequence ends once. */
  ended: boolean
  /** What the source failed with: from then on every walk does. */
  failure: KernelError | null
}

/**
 * A target that walks a source with park and resume: the object at which a read stops is kept, with its reference, and
 * taken back by the next read at whatever position, 0 included. So the list is never walked again to find the place: n objects
 * take n + 1 calls of `begin` and `next`, whatever the sizes of the reads. Closing drops the reference of a parked object.
 * @see kernel/bpf/dmabuf_iter.c
 */
export function createSourceIterTarget<T>(
  name: string,
  source: IterSource<T>,
): IterTarget<T, SourceIterPrivate<T>> {
  return {
    target: name,
    feature: IterFeature.BPF_ITER_RESCHED,
    endCall: false,
    showFdinfo: () => `${name} iter\n`,
    seqInfo: {
      seqOps: sourceSeqOps(source),
      initSeqPrivate: () => ({ parked: null, ended: false, failure: null }),
      finiSeqPrivate: (priv) => {
        if (priv.parked !== null) source.put(priv.parked)
        priv.parked = null
      },
    },
  }
}

function sourceSeqOps<T>(source: IterSource<T>): IterSeqOperations<T, SourceIterPrivate<T>> {
  const ops: IterSeqOperations<T, SourceIterPrivate<T>> = {
    start(seq: SeqFile, priv: SourceIterPrivate<T>): T | null {
      if (priv.failure !== null) throw priv.failure
      const { parked } = priv
      if (parked !== null) {
        priv.parked = null
        return parked
      }
      if (seq.index !== 0 || priv.ended) return null
      return step(source, null, priv)
    },
    next(seq: SeqFile, current: T, priv: SourceIterPrivate<T>): T | null {
      seq.index += 1
      return step(source, current, priv)
    },
    stop(_seq: SeqFile, current: T | null, priv: SourceIterPrivate<T>): void {
      if (current !== null) priv.parked = current
    },
  }
  if (source.live === undefined) return ops
  return {
    ...ops,
    show(_seq, current, _priv, run: RunProgram<T>): number | Op<number> {
      return source.live?.(current) === false ? SEQ_SKIP : run(current)
    },
  }
}

function step<T>(source: IterSource<T>, current: T | null, priv: SourceIterPrivate<T>): T | null {
  try {
    const item = current === null ? source.begin() : source.next(current)
    priv.ended = item === null
    return item
  } catch (error) {
    if (error instanceof KernelError) priv.failure = error
    throw error
  }
}
