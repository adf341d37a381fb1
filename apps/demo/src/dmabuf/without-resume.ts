// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The dmabuf iterator as it was before its fix, to show the bug that the fix is for. Nothing else uses it.
//
// A read ends when it holds enough: it calls `stop` with the buffer that it has come to, which it has not shown, and the next read asks `start`
// for that one back. The old `stop` put the buffer, and the old `start` knew a beginning (position 0) and an end (any other position), so
// the second read that walked found nothing, which means the end. What is left in the iterator's own buffer is handed out in between. The caller cannot
// tell: a truncated listing ends as a whole one does.

import {
  createBpfIter,
  type IterSource,
  type IterTarget,
  type RegisteredTarget,
} from '@iolayers/bpf-iter'
import { type DmabufIterItem, dmabufTextProgram } from '@iolayers/bpf-iter/dmabuf'
import type { Kernel, Op } from '@iolayers/kernel'
import { readToEnd } from '../iter/read-to-end.ts'
import type { Stack } from '../stack/stack.ts'

/** @see kernel/bpf/dmabuf_iter.c as it was before commit 234483565dbb, "bpf: Fix truncated dmabuf iterator reads" */
export function createDmabufIterTargetWithoutResume<D extends DmabufIterItem>(
  source: IterSource<D>,
): IterTarget<D, null> {
  return {
    target: 'dmabuf',
    endCall: false,
    seqInfo: {
      seqOps: {
        start: (seq) => (seq.index === 0 ? source.begin() : null),
        next(seq, current) {
          seq.index += 1
          return source.next(current)
        },
        stop(_seq, current) {
          if (current !== null) source.put(current)
        },
      },
      initSeqPrivate: () => null,
      finiSeqPrivate: () => undefined,
    },
  }
}

/** What reading to the end gave. */
export interface Listing {
  readonly buffers: number
  /** Reads that gave something. */
  readonly reads: number
  /** Null when nothing was listed. */
  readonly last: { readonly inode: number; readonly name: string } | null
}

const LINES_PER_BUFFER = 4

/** The same buffers, listed by the iterator as it is and as it was. */
export interface ComparedListings {
  readonly withResume: Listing
  readonly withoutResume: Listing
}

/** Lists the stack's buffers twice, with the default program. The old target has an iterator service of its own. */
export function* compareListings(stack: Stack, readSizeBytes: number): Op<ComparedListings> {
  const { kernel, dmaBufs } = stack
  const old = createBpfIter({ kernel }).registerTarget(createDmabufIterTargetWithoutResume(dmaBufs))
  return {
    withResume: yield* listWith(kernel, stack.dmabufTarget, readSizeBytes),
    withoutResume: yield* listWith(kernel, old, readSizeBytes),
  }
}

/** Lists with the default program. */
export function* listWith<D extends DmabufIterItem>(
  kernel: Kernel,
  target: RegisteredTarget<D>,
  readSizeBytes: number,
): Op<Listing> {
  const link = target.attach(dmabufTextProgram)
  const file = link.open()
  link.release()
  try {
    const { text, reads } = yield* readToEnd(kernel.scheduler, file, readSizeBytes)
    return listingOf(text, reads)
  } finally {
    file.put()
  }
}

/** Lines are told apart by their position: a name may be empty. */
function listingOf(text: string, reads: number): Listing {
  const lines = text.split('\n').slice(0, -1)
  const [inode, , name] = lines.slice(-LINES_PER_BUFFER)
  return {
    buffers: Math.floor(lines.length / LINES_PER_BUFFER),
    reads,
    last: inode === undefined ? null : { inode: Number(inode), name: name ?? '' },
  }
}
