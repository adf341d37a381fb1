// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import {
  Bio,
  BlkStatus,
  blkStatusText,
  createNullBlk,
  createStripedDisk,
  type Disk,
  ReqOp,
} from '@iolayers/block-core'
import { createPhysicalMemory, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import {
  Completion,
  createEventLoopScheduler,
  createKernel,
  joinAll,
  type Kernel,
  KernelError,
  type Op,
  sleep,
} from '@iolayers/kernel'
import { BLOCK_BYTES, type OnProgress } from './files.ts'

const CHUNK_BYTES = 256 * 1024
const STRIPES = 4
const WORKERS = 4
const SECTOR_BYTES = 512
const BLOCK_ORDER = Math.log2(BLOCK_BYTES / PAGE_SIZE)

export interface NullBlkCopyInit {
  readonly source: string
  readonly target: string
  readonly sizeBytes: number
  readonly onProgress: OnProgress
}

export interface NullBlkCopyResult {
  readonly bytesWritten: number
  readonly bytesRead: number
  readonly splits: number
  readonly pagesLeft: number
}

/** Copies a file into a striped disk over memory-backed null_blk devices, and from there into another file, through ordinary pages. */
export function copyThroughNullBlk(init: NullBlkCopyInit): Promise<NullBlkCopyResult> {
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 2 * WORKERS * BLOCK_BYTES })
  return scheduler.run('copy', run(kernel, memory, init))
}

function* run(
  kernel: Kernel,
  memory: PhysicalMemory,
  init: NullBlkCopyInit,
): Op<NullBlkCopyResult> {
  const rows = Math.ceil(init.sizeBytes / (STRIPES * CHUNK_BYTES))
  const devices = Array.from({ length: STRIPES }, (_, i) =>
    createNullBlk(
      { kernel, memory },
      { name: `nullb${i}`, sizeBytes: rows * CHUNK_BYTES, memoryBacked: true, maxSectors: 1024 },
    ),
  )
  for (const device of devices) device.powerOn()
  const disks = devices.map(({ disk }) => disk)
  const chunkSectors = CHUNK_BYTES / SECTOR_BYTES
  const striped = createStripedDisk({ kernel }, { name: 'md0', disks, chunkSectors })
  const from = openSync(init.source, 'r')
  const to = openSync(init.target, 'r+')
  try {
    const parts = { kernel, memory, disk: striped, init }
    yield* pass({ ...parts, fd: from, op: ReqOp.WRITE, label: 'file to null_blk' })
    yield* pass({ ...parts, fd: to, op: ReqOp.READ, label: 'null_blk to file' })
  } finally {
    closeSync(from)
    closeSync(to)
    yield* striped.destroy()
    for (const device of devices) yield* device.destroy()
  }
  const { bytesWritten, bytesRead, splits } = striped.stats
  return { bytesWritten, bytesRead, splits, pagesLeft: memory.stats.pagesAllocated }
}

interface Pass {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly disk: Disk
  readonly init: NullBlkCopyInit
  readonly fd: number
  readonly op: typeof ReqOp.READ | typeof ReqOp.WRITE
  readonly label: string
}

/** Every block once, several at a time. */
function* pass(parts: Pass): Op<void> {
  const { kernel, init } = parts
  let next = 0
  let done = 0
  function* worker(): Op<void> {
    const frame = parts.memory.allocPages(BLOCK_ORDER)
    const block = new Uint8Array(BLOCK_BYTES)
    try {
      for (let at = next; at < init.sizeBytes; at = next) {
        next = at + BLOCK_BYTES
        const bytes = block.subarray(0, Math.min(BLOCK_BYTES, init.sizeBytes - at))
        yield* moveBlock(parts, frame, bytes, at)
        done += bytes.length
        init.onProgress(parts.label, done, init.sizeBytes)
        // Nothing here waits for a device: whoever wants to interrupt has to come in.
        yield* sleep(kernel.scheduler, 1)
      }
    } finally {
      parts.memory.freePages(frame, BLOCK_ORDER)
    }
  }
  const workers = Array.from({ length: WORKERS }, (_, i) =>
    kernel.scheduler.spawn(`copy ${i}`, worker()),
  )
  yield* joinAll(kernel.scheduler, workers)
}

function* moveBlock(parts: Pass, frame: number, bytes: Uint8Array, at: number): Op<void> {
  const { memory, fd, op } = parts
  const addr = frame * PAGE_SIZE
  if (op === ReqOp.READ) {
    yield* io(parts, frame, bytes.length, at)
    memory.read(addr, bytes)
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done, bytes.length - done, at + done)
    }
    return
  }
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(fd, bytes, done, bytes.length - done, at + done)
    if (count === 0) throw new KernelError('EIO', `the source ends at ${at + done}`)
    done += count
  }
  memory.write(addr, bytes)
  yield* io(parts, frame, bytes.length, at)
}

function* io(parts: Pass, frame: number, lengthBytes: number, at: number): Op<void> {
  const { kernel, disk, op, label } = parts
  const ended = new Completion(kernel.scheduler, 'large copy block')
  const bio = new Bio()
  bio.init(op, at / SECTOR_BYTES, { bioEndIo: () => ended.complete() })
  bio.biIoVec = [{ frame, offsetBytes: 0, lengthBytes }]
  bio.biVcnt = 1
  bio.biIter.biSize = lengthBytes
  yield* disk.submitBioWait(bio, null)
  yield* ended.wait()
  if (bio.biStatus === BlkStatus.OK) return
  throw new KernelError('EIO', `${label} at ${at}: ${blkStatusText(bio.biStatus)}`)
}
