// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterSource } from './iter-source.ts'
import type { IterTarget, SeqOperations } from './iter-target.ts'
import type { SeqFile } from './seq-file.ts'

/** The private state of an iterator over a source. Its reference on `parked` is the iterator's own. */
export interface SourceIterPrivate<T> {
  /** The object at which the last read stopped, and with which the next one goes on. */
  parked: T | null
  /** The end was reached: a sequence ends once. */
  ended: boolean
}

/**
 * A target that walks a source with park and resume: the object at which a read stops is kept, with its reference, and
 * taken back by the next read at whatever position, 0 included. So the list is never walked again to find the place: n objects
 * take n + 1 calls of `begin` and `next`, whatever the sizes of the reads. Closing drops the reference of a parked object.
 */
export function createSourceIterTarget<T>(
  name: string,
  source: IterSource<T>,
): IterTarget<T, SourceIterPrivate<T>> {
  return {
    target: name,
    endCall: false,
    showFdinfo: () => `${name} iter\n`,
    seqInfo: {
      seqOps: sourceSeqOps(source),
      initSeqPrivate: () => ({ parked: null, ended: false }),
      finiSeqPrivate: (priv) => {
        if (priv.parked !== null) source.put(priv.parked)
        priv.parked = null
      },
    },
  }
}

function sourceSeqOps<T>(source: IterSource<T>): SeqOperations<T, SourceIterPrivate<T>> {
  return {
    start(seq: SeqFile, priv: SourceIterPrivate<T>): T | null {
      const { parked } = priv
      if (parked !== null) {
        priv.parked = null
        return parked
      }
      if (seq.index !== 0 || priv.ended) return null
      const first = source.begin()
      priv.ended = first === null
      return first
    },
    next(seq: SeqFile, current: T, priv: SourceIterPrivate<T>): T | null {
      seq.index += 1
      const following = source.next(current)
      priv.ended = following === null
      return following
    },
    stop(_seq: SeqFile, current: T | null, priv: SourceIterPrivate<T>): void {
      if (current !== null) priv.parked = current
    },
  }
}
