// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { join } from 'node:path'
import { createBlockDeviceFile, createStripedDisk } from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import {
  createEventLoopScheduler,
  type File,
  KernelError,
  type Op,
  OpenFlags,
} from '@iolayers/kernel'
import type { NamespaceStore } from '@iolayers/nvme/controller'
import { createFileStore } from '@iolayers/nvme/file'
import { type TransferEnd, type TransferSlot, transfer } from '../../src/copy/transfer.ts'
import { createStack, destroyStack, LOGICAL_BLOCK_BYTES, type Stack } from '../../src/index.ts'
import { type AttachedController, attachController } from '../stacked/controllers.ts'
import { BLOCK_BYTES, createSparse, type OnProgress } from './files.ts'

const CHUNK_BYTES = 256 * 1024
const STRIPES = 4
const BUFFERS = 4
const SLOTS_EACH = 2
const QUEUE_DEPTH = 64

export interface StripedCopyInit {
  /** For the media of the namespaces; the caller removes it. */
  readonly dir: string
  readonly source: string
  readonly target: string
  readonly sizeBytes: number
  readonly onProgress: OnProgress
}

/** What the layers say that they did. */
export interface StripedCopyResult {
  readonly cpuCopyBytes: number
  readonly iommuFaults: number
  readonly stripedBytesWritten: number
  readonly stripedBytesRead: number
  readonly lowerBytesWritten: readonly number[]
  readonly stackedMapsMade: number
  readonly tokensLeft: number
  readonly checkReports: number
}

/**
 * Copies a file into a striped disk, and from there into another file: dma-bufs, a ring, four controllers of which two have two
 * namespaces each, all of them files that are read and written straight into the pages of the buffers.
 */
export function copyThroughStripes(init: StripedCopyInit): Promise<StripedCopyResult> {
  const scheduler = createEventLoopScheduler()
  const ramBytes = 2 * BUFFERS * SLOTS_EACH * BLOCK_BYTES
  const stack = createStack(scheduler, { ramBytes, iommu: 'strict', checked: false })
  return scheduler.run('copy', run(stack, init))
}

interface Opened {
  readonly controllers: AttachedController[]
  readonly files: File[]
  readonly stores: NamespaceStore[]
}

function* run(stack: Stack, init: StripedCopyInit): Op<StripedCopyResult> {
  const opened: Opened = { controllers: [], files: [], stores: [] }
  try {
    return yield* copy(stack, init, opened)
  } finally {
    yield* stack.ring.close()
    for (const file of opened.files) file.put()
    for (const controller of opened.controllers.toReversed()) yield* controller.close()
    yield* destroyStack(stack)
  }
}

function* copy(stack: Stack, init: StripedCopyInit, opened: Opened): Op<StripedCopyResult> {
  const { kernel, tokens, ring } = stack
  const { sizeBytes, onProgress } = init
  const [source] = yield* attach(stack, opened, 'source', [init.source], true)
  const media = Array.from({ length: STRIPES }, (_, i) => stripePath(init, i))
  const first = yield* attach(stack, opened, 'stripes-a', media.slice(0, STRIPES / 2), false)
  const second = yield* attach(stack, opened, 'stripes-b', media.slice(STRIPES / 2), false)
  const [target] = yield* attach(stack, opened, 'target', [init.target], false)
  if (source === undefined || target === undefined) throw new KernelError('ENODEV', 'no namespace')
  const lowers = [...first, ...second]
  const striped = createStripedDisk(
    { kernel, tokens },
    { name: 'md0', disks: lowers, chunkSectors: CHUNK_BYTES / 512 },
  )
  const flags = OpenFlags.O_RDWR | OpenFlags.O_DIRECT
  for (const disk of [source, striped, target]) {
    opened.files.push(createBlockDeviceFile({ kernel, disk }, { flags }))
  }
  ring.registerFiles(opened.files)
  const buffers = Array.from({ length: BUFFERS }, (_, i) =>
    stack.systemHeap.allocate(SLOTS_EACH * BLOCK_BYTES, { name: `striped-${i}` }),
  )
  try {
    yield* register(stack, buffers)
    const ends = ['source', 'md0', 'target'].map((name, index) => endOf(opened, name, index))
    const common = {
      sizeBytes,
      blockSizeBytes: BLOCK_BYTES,
      logicalBlockBytes: LOGICAL_BLOCK_BYTES,
      resubmitMax: 8,
      cancelled: () => null,
    }
    for (const [from, to, label] of [
      [ends[0], ends[1], 'file to stripes'],
      [ends[1], ends[2], 'stripes to file'],
    ] as const) {
      if (from === undefined || to === undefined) continue
      const told = (done: number): void => onProgress(label, done, sizeBytes)
      yield* transfer(ring, slots(), { ...common, from, to, onProgress: told })
      yield* flush(stack, to)
    }
    yield* ring.unregisterBuffers()
  } finally {
    for (const buffer of buffers) buffer.put()
  }
  yield* striped.destroy()
  return {
    cpuCopyBytes: stack.memory.stats.cpuCopyBytes,
    iommuFaults: stack.iommu.stats.faults,
    stripedBytesWritten: striped.stats.bytesWritten,
    stripedBytesRead: striped.stats.bytesRead,
    lowerBytesWritten: lowers.map(({ stats }) => stats.bytesWritten),
    stackedMapsMade: tokens.stats.stackedMapsMade,
    tokensLeft: tokens.stats.tokensLive,
    checkReports: kernel.reports.length,
  }
}

function stripePath({ dir, sizeBytes }: StripedCopyInit, index: number): string {
  const rows = Math.ceil(sizeBytes / (STRIPES * CHUNK_BYTES))
  return createSparse(join(dir, `stripe-${index}`), rows * CHUNK_BYTES)
}

function* attach(
  stack: Stack,
  opened: Opened,
  name: string,
  paths: readonly string[],
  readOnly: boolean,
): Op<AttachedController['disks']> {
  const { kernel } = stack
  const stores = paths.map((path) => createFileStore({ kernel }, { path, readOnly, direct: true }))
  opened.stores.push(...stores)
  const instance = opened.controllers.length
  const init = { name, instance, stores, queueDepth: QUEUE_DEPTH }
  const controller = yield* attachController(stack, init)
  opened.controllers.push(controller)
  return controller.disks
}

const FILES = 3

function register(stack: Stack, buffers: readonly DmaBuf[]): Op<void> {
  return stack.ring.registerBuffers(
    buffers.flatMap((dmabuf) =>
      Array.from({ length: FILES }, (_, fileIndex) => ({ dmabuf, fileIndex })),
    ),
  )
}

function slots(): TransferSlot[] {
  return Array.from({ length: BUFFERS * SLOTS_EACH }, (_, index) => ({
    bufferOffsetBytes: Math.floor(index / BUFFERS) * BLOCK_BYTES,
    bufferIndexFor: ({ fileIndex }) => (index % BUFFERS) * FILES + fileIndex,
  }))
}

/** A failure is told with what the file below said: that the disk is full, for one. */
function endOf({ stores }: Opened, name: string, fileIndex: number): TransferEnd {
  const explain = (where: string): KernelError | null => {
    const cause = stores.find((store) => store.lastError !== null)?.lastError ?? null
    return cause === null
      ? null
      : new KernelError(cause.code, `${where}: ${cause.message}`, { cause })
  }
  return { fileIndex, name, singleRequestBytes: CHUNK_BYTES, explain }
}

function* flush({ ring }: Stack, end: TransferEnd): Op<void> {
  ring.prepFsync(ring.getSqe(), end.fileIndex, 0, 0)
  yield* ring.submitAndWait(1)
  const results = new Int32Array(1)
  ring.reap(new Float64Array(1), results, 1)
  if (results[0] !== 0) throw new KernelError('EIO', `flushing ${end.name}: ${results[0]}`)
}
