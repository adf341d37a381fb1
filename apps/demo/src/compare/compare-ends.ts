// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Two readers, each through a stack of its own, block by block side by side.

import {
  createEventLoopScheduler,
  joinTask,
  KernelError,
  type Op,
  type Scheduler,
} from '@iolayers/kernel'
import type { LinkEvent } from '@iolayers/nvme/tcp'
import { attachSource } from '../copy/attach-ends.ts'
import { transferEnd } from '../copy/copy-through.ts'
import type { SourceEnd } from '../copy/ends.ts'
import { createRegisteredSlots, slotBytes } from '../copy/registered-slots.ts'
import { explainRead, memoryFor } from '../copy/stores.ts'
import { transfer } from '../copy/transfer.ts'
import type { FabricOptions } from '../remote/fabric-options.ts'
import { createStack, destroyStack, type Stack } from '../stack/stack.ts'
import { Meeting, type Pieces } from './meeting.ts'

const QUEUE_DEPTH = 8
const BUFFERS = 4
const BLOCK_BYTES = 1 << 20
const RESUBMIT_MAX = 1000

export interface CompareParts {
  readonly fabric: FabricOptions
  readonly onProgress: (doneBytes: number) => void
  readonly onLink: (event: LinkEvent) => void
  readonly cancelled: () => Error | null
}

/** What a comparison found. */
export interface Comparison {
  readonly equal: boolean
  /** Bytes from the start that are the same. */
  readonly bytes: number
  /** Offset of the first byte that differs; null where none does, as far as the shorter one goes. */
  readonly firstDifference: number | null
  readonly sizes: readonly [number, number]
}

/** Rejects with KernelError for what cannot be read, and with what `cancelled` gives. */
export async function compareEnds(
  a: SourceEnd,
  b: SourceEnd,
  parts: CompareParts,
): Promise<Comparison> {
  const scheduler = createEventLoopScheduler()
  const meeting = new Meeting(scheduler, parts.onProgress)
  const sizeBytes = Math.min(a.sizeBytes, b.sizeBytes)
  await scheduler.run('compare', bothOf(scheduler, [a, b], meeting, sizeBytes, parts))
  const { firstDifference, comparedBytes } = meeting
  const bytes = firstDifference ?? comparedBytes
  const equal = firstDifference === null && a.sizeBytes === b.sizeBytes
  return { equal, bytes, firstDifference, sizes: [a.sizeBytes, b.sizeBytes] }
}

function* bothOf(
  scheduler: Scheduler,
  [a, b]: readonly [SourceEnd, SourceEnd],
  meeting: Meeting,
  sizeBytes: number,
  parts: CompareParts,
): Op<void> {
  const other = scheduler.spawn(
    'compare: the other side',
    read(scheduler, b, 1, meeting, sizeBytes, parts),
  )
  try {
    yield* read(scheduler, a, 0, meeting, sizeBytes, parts)
  } finally {
    yield* joinTask(scheduler, other)
  }
}

/** All of one side, until a difference is found. */
function* read(
  scheduler: Scheduler,
  source: SourceEnd,
  side: 0 | 1,
  meeting: Meeting,
  sizeBytes: number,
  parts: CompareParts,
): Op<void> {
  const slotsInit = {
    blockSizeBytes: BLOCK_BYTES,
    queueDepth: QUEUE_DEPTH,
    buffers: BUFFERS,
    evictEvery: null,
    files: 1,
  }
  const bufferBytes = slotBytes(slotsInit)
  const ramBytes = memoryFor({ ends: [source], bufferBytes, coherent: true })
  const stack: Stack = createStack(scheduler, { ramBytes, iommu: 'strict' })
  try {
    const init = { name: `nvme${side}`, queueDepth: QUEUE_DEPTH, ...parts }
    const disk = yield* attachSource(stack, source, init)
    stack.ring.registerFiles([disk.file])
    const slots = yield* createRegisteredSlots(stack, slotsInit)
    try {
      yield* transfer(stack.ring, slots.slots, {
        from: transferEnd(disk, 0, source.name, () => explainRead(source, disk.store)),
        sizeBytes,
        blockSizeBytes: BLOCK_BYTES,
        logicalBlockBytes: disk.disk.limits.logicalBlockSizeBytes,
        resubmitMax: RESUBMIT_MAX,
        cancelled: () => parts.cancelled() ?? (meeting.isDone ? new EnoughError() : null),
        *onBlock(slot, lengthBytes) {
          const { buffer, offsetBytes } = slots.memoryOf(slot)
          const { segments } = yield* buffer.vmap()
          yield* meeting.show(side, cut(segments, offsetBytes, lengthBytes))
          buffer.vunmap()
        },
      })
    } finally {
      yield* slots.release()
    }
  } catch (error) {
    if (!(error instanceof EnoughError)) throw error
  } finally {
    meeting.leave()
    yield* destroyStack(stack)
  }
}

/** What is known is enough: the rest is not read. */
class EnoughError extends KernelError {
  constructor() {
    super('ECANCELED', 'a difference was found')
  }
}

function cut(segments: readonly Uint8Array[], offsetBytes: number, lengthBytes: number): Pieces {
  const pieces: Uint8Array[] = []
  let skip = offsetBytes
  let left = lengthBytes
  for (const segment of segments) {
    if (skip < segment.length && left > 0) {
      const piece = segment.subarray(skip, Math.min(segment.length, skip + left))
      pieces.push(piece)
      left -= piece.length
    }
    skip = Math.max(0, skip - segment.length)
  }
  return pieces
}
