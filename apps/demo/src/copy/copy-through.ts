// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The inside of a copy: builds the stack, moves the bytes, digests them, and takes the stack down again on every way out.

import { createEventLoopScheduler, KernelError, type Op } from '@iolayers/kernel'
import type { LinkEvent } from '@iolayers/nvme/tcp'
import type { Progress } from '../cli/progress.ts'
import { listBuffers } from '../dmabuf/list-dmabufs.ts'
import type { Observer } from '../observe/observer.ts'
import { collectCounters } from '../stack/counters.ts'
import { createStack, destroyStack, type NvmeSide, type Stack } from '../stack/stack.ts'
import { attachSource, attachTarget } from './attach-ends.ts'
import type { SourceEnd, TargetEnd } from './ends.ts'
import { startEvictor } from './evictor.ts'
import { MoveAndProve, type Proof } from './move-and-prove.ts'
import { createRegisteredSlots, slotBytes } from './registered-slots.ts'
import type { CopyResult } from './report.ts'
import type { CopyOptions } from './run-copy.ts'
import { explainRead, explainWrite, memoryFor } from './stores.ts'
import type { TransferEnd } from './transfer.ts'

/** What a copy works with; all of it stays the caller's. */
export interface CopyParts {
  readonly source: SourceEnd
  readonly target: TargetEnd
  readonly options: CopyOptions
  readonly progress: Progress
  /** Shows the stack to other processes while the copy runs. */
  readonly observer: Observer | null
  readonly cancelled: () => Error | null
  /** The target is written from now on; or all of it is. */
  readonly onWriting: (isAll: boolean) => void
  /** A copy is continued after so many bytes. */
  readonly onResume: (keptBytes: number) => void
  /** What becomes of a connection. */
  readonly onLink: (event: LinkEvent) => void
}

/** Moves all of the source into the target. The target's length and name are the caller's business. */
export function copyThrough(parts: CopyParts): Promise<CopyResult> {
  const scheduler = createEventLoopScheduler()
  return scheduler.run('copy', copyOp(parts, createStack(scheduler, stackInit(parts))))
}

function stackInit({ source, target, options }: CopyParts): Parameters<typeof createStack>[1] {
  const { iommu, coherent } = options
  // Twice the buffers when they move: the new pages are taken before the old ones are given back.
  const bufferBytes = slotBytes(options) * (options.evictEvery === null ? 1 : 2)
  return { ramBytes: memoryFor({ ends: [source, target], bufferBytes, coherent }), iommu, coherent }
}

/** What comes out of a copy, but for the counters of the layers. */
type Moved = Proof & { readonly buffersListed: number }

function* copyOp(parts: CopyParts, stack: Stack): Op<CopyResult> {
  const startedNs = stack.kernel.scheduler.nowNs()
  let result: Moved
  try {
    result = yield* copyWithin(parts, stack)
  } finally {
    yield* destroyStack(stack)
  }
  const seconds = (stack.kernel.scheduler.nowNs() - startedNs) / 1e9
  const { bytes, buffersListed, ...proof } = result
  return { bytes, seconds, ...proof, layers: collectCounters(stack, buffersListed) }
}

function* copyWithin(parts: CopyParts, stack: Stack): Op<Moved> {
  const { source, target, options } = parts
  const { queueDepth, fabric } = options
  const way = { queueDepth, fabric, onLink: parts.onLink }
  const from = yield* attachSource(stack, source, { name: 'nvme0', ...way })
  const to = yield* attachTarget(stack, target, { name: 'nvme1', ...way })
  checkSizes(parts, from, to)
  stack.ring.registerFiles([from.file, to.file])
  const slots = yield* createRegisteredSlots(stack, options)
  try {
    parts.observer?.attach(stack)
    const evictor =
      options.evictEvery === null
        ? null
        : startEvictor(stack.kernel, stack.movableHeap, {
            every: options.evictEvery,
            buffers: slots.buffers,
          })
    try {
      const proof = yield* new MoveAndProve(parts, stack.ring, slots, {
        blockBytes: logicalBlockBytes(from, to),
        from: transferEnd(from, 0, source.name, () => explainRead(source, from.store)),
        to: transferEnd(to, 1, target.name, (where) => explainWrite(target, to.store, where)),
      }).run()
      return { ...proof, buffersListed: (yield* listBuffers(stack, LIST_READ_BYTES)).length }
    } finally {
      if (evictor !== null) yield* evictor.stop()
    }
  } finally {
    if (parts.observer !== null) yield* parts.observer.detach()
    yield* slots.release()
  }
}

/** What was looked at before may be another now; and blocks may be larger than an I/O was to be. */
function checkSizes({ source, target, options }: CopyParts, from: NvmeSide, to: NvmeSide): void {
  const { sizeBytes } = source
  if (from.disk.capacitySectors * SECTOR_BYTES < sizeBytes) {
    throw new KernelError('EIO', `SRC ${source.name} shrank before it was read`)
  }
  if (to.disk.capacitySectors * SECTOR_BYTES < sizeBytes) {
    throw new KernelError('ENOSPC', `DST ${target.name} shrank before it was written`)
  }
  const blockBytes = logicalBlockBytes(from, to)
  const wholeBytes = Math.ceil(sizeBytes / blockBytes) * blockBytes
  if (from.disk.capacitySectors * SECTOR_BYTES < wholeBytes) {
    const text = `SRC ${source.name} ends within a block of DST ${target.name}, which has ${blockBytes} bytes`
    throw new KernelError('EINVAL', text)
  }
  if (options.blockSizeBytes < blockBytes) {
    throw new KernelError('EINVAL', '--block-size', {
      value: options.blockSizeBytes,
      accepted: `at least ${blockBytes}, a logical block`,
    })
  }
}

function logicalBlockBytes(...sides: readonly NvmeSide[]): number {
  return Math.max(...sides.map(({ disk }) => disk.limits.logicalBlockSizeBytes))
}

/** Bytes of one read of the iterator that lists the copy's buffers. */
const LIST_READ_BYTES = 4096

/** A side as a transfer sees it. */
export function transferEnd(
  side: NvmeSide,
  fileIndex: number,
  name: string,
  explain: TransferEnd['explain'],
): TransferEnd {
  return { fileIndex, name, singleRequestBytes: singleRequestBytes(side.disk.limits), explain }
}

const SECTOR_BYTES = 512
const PAGE_BYTES = 4096

/** A range of pages with an offset inside the first one touches one page more than its length alone needs. */
function singleRequestBytes(limits: {
  readonly maxSectors: number
  readonly maxSegments: number
}): number {
  const bySegments = Math.max(1, limits.maxSegments - 1) * PAGE_BYTES
  return Math.min(limits.maxSectors * SECTOR_BYTES, bySegments)
}
