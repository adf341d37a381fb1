// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Random reads of a namespace in memory, twice over: through all layers as the app composes them, ring to ring, and as bare
// copies of the same blocks in the same order to the same places. Both check what they moved.

import type { MemoryRegion } from '@iolayers/dma-mapping'
import { createEventLoopScheduler, type EventLoopScheduler, type Op } from '@iolayers/kernel'
import { createMemoryStore, type MemoryStore } from '@iolayers/nvme/controller'
import { attachNvme, createStack, destroyStack, type Stack, type StackInit } from 'iolayers'
import { numberSectors } from './numbered-sectors.ts'
import { type BatchShape, PAGE_BYTES, type Placement, ReadBatches } from './read-batches.ts'

export interface RandomReadsInit extends BatchShape {
  readonly iommu: StackInit['iommu']
  /** dma-bufs that the I/Os in flight are spread over, evenly. */
  readonly buffers: number
}

export interface RandomReads {
  readonly batches: ReadBatches
  destroy(): Promise<void>
}

type DmaBuf = ReturnType<Stack['systemHeap']['allocate']>

export async function createRandomReads(init: RandomReadsInit): Promise<RandomReads> {
  const scheduler = createEventLoopScheduler()
  const stack = createStack(scheduler, {
    ramBytes: init.namespaceBytes + init.buffers * bufferBytes(init),
    iommu: init.iommu,
    checked: false,
  })
  const dmabufs: DmaBuf[] = []
  const batches = await scheduler.run('set up', setUp(scheduler, stack, dmabufs, init))
  // The first I/O on a buffer makes its map; what is timed finds it there.
  batches.read(1)
  batches.copy(1)
  return { batches, destroy: () => scheduler.run('take down', takeDown(stack, dmabufs)) }
}

function bufferBytes({ blockBytes, depth, buffers }: RandomReadsInit): number {
  return Math.ceil((depth * blockBytes) / buffers / PAGE_BYTES) * PAGE_BYTES
}

function* setUp(
  scheduler: EventLoopScheduler,
  stack: Stack,
  dmabufs: DmaBuf[],
  init: RandomReadsInit,
): Op<ReadBatches> {
  const { kernel, memory, ring, systemHeap } = stack
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: init.namespaceBytes })
  numberSectors(store)
  const side = yield* attachNvme(stack, { name: 'nvme0', store, queueDepth: init.depth })
  ring.registerFiles([side.file])
  for (let i = 0; i < init.buffers; i++) {
    dmabufs.push(systemHeap.allocate(bufferBytes(init), { name: `bench-${i}` }))
  }
  yield* ring.registerBuffers(dmabufs.map((dmabuf) => ({ dmabuf, fileIndex: 0 })))
  const place = yield* findPlacement(stack, store, dmabufs)
  return new ReadBatches({ scheduler, ring }, place, init)
}

function* findPlacement(
  { memory }: Stack,
  store: MemoryStore,
  dmabufs: readonly DmaBuf[],
): Op<Placement> {
  const [region] = memory.regions
  if (region === undefined) throw new Error('the stack has no memory')
  const buffers: number[][] = []
  for (const dmabuf of dmabufs) {
    const { segments } = yield* dmabuf.vmap()
    buffers.push(pageOffsets(region, segments))
  }
  const [mediumOffset = 0] = pageOffsets(region, store.segments)
  if (store.segments.length !== 1) throw new Error('the namespace is not in one piece')
  return { region, mediumOffset, bufferPageOffsets: buffers }
}

/** Where in `region` each page is: the bare copy works on offsets in one WebAssembly memory. */
function pageOffsets(region: MemoryRegion, segments: readonly Uint8Array[]): number[] {
  const offsets: number[] = []
  for (const { buffer, byteOffset, length } of segments) {
    if (buffer !== region.bytes.buffer) throw new Error('bytes that lie in another region')
    const start = byteOffset - region.bytes.byteOffset
    for (let at = 0; at < length; at += PAGE_BYTES) offsets.push(start + at)
  }
  return offsets
}

function* takeDown(stack: Stack, dmabufs: readonly DmaBuf[]): Op<void> {
  for (const dmabuf of dmabufs) dmabuf.vunmap()
  yield* stack.ring.unregisterBuffers()
  for (const dmabuf of dmabufs) dmabuf.put()
  yield* destroyStack(stack)
}
