// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createBpfIter,
  createSourceIterTarget,
  createTextProgram,
  type IterProgram,
  type IterTarget,
  type SourceIterPrivate,
} from '@iolayers/bpf-iter'
import type { DmaBuf } from '@iolayers/dma-buf'
import { type File, KernelError, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import type { DmabufTarget } from '../stack/stack.ts'

/** What a program answers that wants to see the object again. */
const RETRY = 1
const RETRIES = 2
const READ_BYTES = 4096

/** The posted fix: at position 0 it begins anew, and forgets what it had parked. */
const asPosted: DmabufTarget = (source) => {
  const target: IterTarget<DmaBuf, SourceIterPrivate<DmaBuf>> = createSourceIterTarget(
    'dmabuf',
    source,
  )
  const { seqInfo } = target
  const { seqOps } = seqInfo
  return {
    ...target,
    seqInfo: {
      ...seqInfo,
      seqOps: {
        ...seqOps,
        start: (seq, priv) => (seq.index === 0 ? source.begin() : seqOps.start(seq, priv)),
      },
    },
  }
}

function* readToEnd(file: File): Op<void> {
  const { read } = file.ops
  if (read === undefined) throw new Error('an iterator that cannot be read')
  const target = new Uint8Array(READ_BYTES)
  for (;;) {
    try {
      if ((yield* read.call(file.ops, file, target, 0, READ_BYTES)) === 0) break
    } catch (error) {
      if (!(error instanceof KernelError && error.code === 'EAGAIN')) throw error
    }
  }
  file.put()
}

/**
 * Not a hazard of the series, but of the iterator over all dma-bufs: the posted fix for reads that stop half-way forgets a buffer, with its
 * reference, when the first one is not consumed.
 */
export const it1: Scenario = {
  id: 'IT1',
  hazards: [],
  title: 'a program asks for the first buffer again',
  happenedIn: 'the published fix of the dmabuf iterator (December 2025)',
  step: 'a read at position 0 takes the first buffer again, with a reference, and forgets the one that was parked',
  survives: 'what was parked is taken up first, at whatever position, 0 included',
  mutantPolicy: 'fence',
  policies: ['fence'],
  mutant: { dmabufTarget: asPosted },
  *setup(weave) {
    const { core, parts, ledger } = weave.stack()
    const dmabufs = [0, 1].map(() => {
      const frame = ledger.take(false)
      return core.export({
        ops: {
          mapDmaBuf: neverMapped,
          unmapDmaBuf: () => {},
          release: () => ledger.giveBack(frame),
        },
        sizeBytes: 4096,
        exporterName: 'listed',
      })
    })
    const make: DmabufTarget =
      parts.dmabufTarget ?? ((source) => createSourceIterTarget('dmabuf', source))
    const registered = createBpfIter({ kernel: weave.kernel }).registerTarget(make(core))
    let retries = 0
    const shows = createTextProgram(core)
    const program: IterProgram<DmaBuf> = (context) =>
      context.meta.seqNum === 0 && retries++ < RETRIES ? RETRY : shows(context)
    const file = registered.attach(program).open()
    registered.unregister()
    return {
      actors: { reader: readToEnd(file) },
      *finish() {
        for (const dmabuf of dmabufs) dmabuf.put()
      },
    }
  },
}

function neverMapped(): never {
  throw new KernelError('EOPNOTSUPP', 'a buffer that is only listed')
}
