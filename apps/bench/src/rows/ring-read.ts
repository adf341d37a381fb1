// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Random reads of a namespace in memory, ring to ring, through all layers as the app composes them, against the bare copy of the same
// bytes. Each 512-byte sector of the namespace starts with its own number, and every block that is read is checked against it.

import { copyBetween, type RegionSide } from '@iolayers/dma-mapping'
import {
  createEventLoopScheduler,
  createPrng,
  type EventLoopScheduler,
  type Op,
} from '@iolayers/kernel'
import { createMemoryStore, type MemoryStore } from '@iolayers/nvme/controller'
import { attachNvme, createStack, destroyStack, type Stack } from 'iolayers'
import type { Bench, BenchInit, BenchRow } from '../bench.ts'
import { allocatedBytesPerOperation } from '../measure/allocation.ts'
import { interleave, summarize } from '../measure/slices.ts'

const NAMESPACE_BYTES = 64 * 1024 * 1024
const SECTOR = 512
const DEPTH = 32
/** A heap gives a buffer of this size as one block of pages. */
const BUFFER_BYTES = 1024 * 1024
const GOAL = 'adds at most 150 ns (moonshot 80)'

export const ringRead: Bench = {
  name: 'ring-read',
  summary: 'random reads of a RAM namespace into registered dma-bufs, depth 32',
  async run(init: BenchInit): Promise<BenchRow[]> {
    const rows: BenchRow[] = []
    for (const blockBytes of [512, 4096]) rows.push(await runRow(blockBytes, init))
    return rows
  },
}

async function runRow(blockBytes: number, init: BenchInit): Promise<BenchRow> {
  const scheduler = createEventLoopScheduler()
  const namespaceBytes = init.smoke ? NAMESPACE_BYTES / 64 : NAMESPACE_BYTES
  const stack = createStack(scheduler, {
    ramBytes: namespaceBytes + 4 * BUFFER_BYTES,
    iommu: 'strict',
  })
  const rig = await scheduler.run('set up', setUp(scheduler, stack, blockBytes, namespaceBytes))
  const batches = init.smoke ? 4 : 400
  const ours = (): number => rig.read(batches)
  const bare = (): number => rig.copy(batches)
  // Let the engine settle before the first slice counts.
  interleave([ours, bare], init.smoke ? 1 : 12)
  const [mine = [], theirs = []] = interleave([ours, bare], init.smoke ? 3 : 41)
  const allocatedBytes = allocatedBytesPerOperation(ours, init.smoke ? 2 : 11)
  const measured = summarize(mine)
  const bareCopyNs = summarize(theirs).medianNs
  await scheduler.run('take down', rig.destroy())
  return {
    name: `ring-read ${blockBytes} B`,
    goal: GOAL,
    measured,
    bareCopyNs,
    addedNs: Math.round((measured.medianNs - bareCopyNs) * 10) / 10,
    allocatedBytes,
    hash: rig.hash().toString(16).padStart(8, '0'),
  }
}

interface Rig {
  /** Reads so many batches through the layers; returns the reads. */
  read(batches: number): number
  /** Copies so many batches and nothing else. */
  copy(batches: number): number
  hash(): number
  destroy(): Op<void>
}

function* setUp(
  scheduler: EventLoopScheduler,
  stack: Stack,
  blockBytes: number,
  namespaceBytes: number,
): Op<Rig> {
  const { kernel, memory, ring } = stack
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: namespaceBytes })
  numberSectors(store)
  const side = yield* attachNvme(stack, { name: 'nvme0', store, queueDepth: DEPTH })
  const buffer = stack.systemHeap.allocate(BUFFER_BYTES, { name: 'bench' })
  ring.registerFiles([side.file])
  yield* ring.registerBuffers([{ dmabuf: buffer, fileIndex: 0 }])
  const view = yield* buffer.vmap()
  const [bytes] = view.segments
  const region = stack.memory.regions[0]
  if (bytes === undefined || region === undefined || view.segments.length !== 1)
    throw new Error('the bench buffer is not in one piece')
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const prng = createPrng(blockBytes)
  const blocks = namespaceBytes / blockBytes
  const userData = new Int32Array(DEPTH)
  const results = new Int32Array(DEPTH)
  const sectors = new Int32Array(DEPTH)
  let hash = 0x811c_9dc5

  function readBatch(): void {
    for (let i = 0; i < DEPTH; i++) {
      const block = prng.below(blocks)
      sectors[i] = (block * blockBytes) / SECTOR
      ring.prepReadFixed(ring.getSqe(), 0, block * blockBytes, 0, i * 4096, blockBytes, i)
    }
    ring.submit()
    scheduler.runUntilIdle()
    const count = ring.reap(userData, results, DEPTH)
    if (count !== DEPTH) throw new Error(`${count} of ${DEPTH} reads completed`)
    for (let i = 0; i < count; i++) check(userData[i] ?? 0, results[i] ?? 0)
  }

  function check(slot: number, result: number): void {
    if (result !== blockBytes) throw new Error(`a read of ${blockBytes} bytes ended with ${result}`)
    const first = sectors[slot] ?? 0
    for (let at = 0; at < blockBytes; at += SECTOR) {
      const found = words.getUint32(slot * 4096 + at, true)
      if (found !== first + at / SECTOR)
        throw new Error(`sector ${first + at / SECTOR} was read as ${found}`)
      hash = Math.imul(hash ^ found, 0x0100_0193)
    }
  }

  const medium = mediumOf(store, region)
  const target = bytes.byteOffset - region.bytes.byteOffset

  function copyBatch(): void {
    for (let i = 0; i < DEPTH; i++) {
      const block = prng.below(blocks)
      sectors[i] = (block * blockBytes) / SECTOR
      copyBetween(
        region as RegionSide,
        target + i * 4096,
        region as RegionSide,
        medium + block * blockBytes,
        blockBytes,
      )
    }
    for (let i = 0; i < DEPTH; i++) check(i, blockBytes)
  }

  const repeat =
    (batch: () => void) =>
    (batches: number): number => {
      for (let i = 0; i < batches; i++) batch()
      return batches * DEPTH
    }
  // The first I/O makes the map; what is timed finds it there.
  ring.prepReadFixed(ring.getSqe(), 0, 0, 0, 0, blockBytes, 0)
  yield* ring.submitAndWait(1)
  ring.reap(userData, results, DEPTH)
  return {
    read: repeat(readBatch),
    copy: repeat(copyBatch),
    hash: () => hash >>> 0,
    *destroy(): Op<void> {
      buffer.vunmap()
      yield* ring.unregisterBuffers()
      buffer.put()
      yield* destroyStack(stack)
    },
  }
}

function numberSectors({ segments }: MemoryStore): void {
  let sector = 0
  for (const segment of segments) {
    const view = new DataView(segment.buffer, segment.byteOffset, segment.length)
    for (let at = 0; at < segment.length; at += SECTOR) view.setUint32(at, sector++, true)
  }
}

/** Where the medium lies in the region that holds it and the buffer. */
function mediumOf({ segments }: MemoryStore, region: RegionSide): number {
  const [segment] = segments
  if (segment === undefined || segments.length !== 1 || segment.buffer !== region.bytes.buffer) {
    throw new Error('the namespace does not lie in one piece beside the buffer')
  }
  return segment.byteOffset - region.bytes.byteOffset
}
