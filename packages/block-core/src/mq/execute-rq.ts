// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive, Completion, KernelError, type Op, sleep } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import { splitVecBytes } from '../limits/split-vec.ts'
import { ReqFlags, SECTOR_SIZE } from '../req-flags.ts'
import type { HwQueue } from './hw-queue.ts'
import { MqRqState, type Request } from './request.ts'
import { type RqEndIo, RqEndIoRet } from './rq-end-io.ts'

// What is done with a request that `Passthrough` made.

/** How often somebody looks who waits for a polled request. */
const POLL_NS = 1_000

/**
 * Gives a request its data: runs of physical memory, which stay the caller's and in place until the request has ended. Throws KernelError EINVAL where
 * it has data already, or the device cannot take these in one request; the kernel would copy what is not aligned.
 * @see block/blk-map.c blk_rq_map_kern
 */
export function blkRqMapKern(rq: Request, vecs: readonly BioVec[]): void {
  const { limits, name } = hctxOf(rq).disk
  const bytes = vecs.reduce((sum, vec) => sum + vec.lengthBytes, 0)
  const bio = bioFor(rq, bytes)
  bio.biIoVec = vecs
  bio.biVcnt = vecs.length
  const maxBytes = limits.maxHwSectors * SECTOR_SIZE
  if (bytes > maxBytes || splitVecBytes(bio, limits, maxBytes) !== 0) {
    throw new KernelError(
      'EINVAL',
      `${name}: ${bytes} bytes in ${vecs.length} runs do not fit one request`,
      { value: bytes, accepted: `at most ${maxBytes} bytes and ${limits.maxSegments} segments` },
    )
  }
  attach(rq, bio)
}

/**
 * The same with a range of a registered dma-buf. The map's reference stays the caller's. Throws KernelError EINVAL for a range that does not lie
 * in the buffer or that the device cannot take.
 */
export function blkRqMapDmabuf(
  rq: Request,
  map: DmabufIoMap,
  offsetBytes: number,
  sizeBytes: number,
): void {
  const { limits, name } = hctxOf(rq).disk
  const bio = bioFor(rq, sizeBytes)
  const outside = offsetBytes < 0 || offsetBytes + sizeBytes > map.sizeBytes
  const misaligned = ((offsetBytes | sizeBytes) & limits.dmaAlignmentMask) !== 0
  if (outside || misaligned || sizeBytes > limits.maxHwSectors * SECTOR_SIZE) {
    throw new KernelError(
      'EINVAL',
      `${name}: ${sizeBytes} bytes at ${offsetBytes} of a dma-buf of ${map.sizeBytes} bytes cannot be one request`,
    )
  }
  bio.biOpf |= ReqFlags.DMABUF | ReqFlags.NOMERGE
  bio.biDmabufMap = map
  bio.biIter.biBvecDone = offsetBytes
  rq.cmdFlags |= ReqFlags.DMABUF | ReqFlags.NOMERGE
  rq.dmabufMap = map
  rq.dmabufOffsetBytes = offsetBytes
  attach(rq, bio)
}

/**
 * Hands a request to the driver, ahead of what it refused before or behind it, and returns at once. `endIo` hears of the end, and says who frees the
 * request.
 * @see block/blk-mq.c blk_execute_rq_nowait
 */
export function blkExecuteRqNowait<P>(rq: Request<P>, atHead: boolean, endIo: RqEndIo<P>): void {
  assert(rq.state === MqRqState.IDLE && rq.endIo === null, 'execute: the request is on its way')
  const hctx = hctxOf(rq)
  rq.endIo = endIo
  hctx.dispatch.insertBypass(rq, atHead)
  hctx.dispatch.kick()
}

/**
 * Hands a request to the driver and returns how it ended; a polled one is polled for. The caller frees it, also after an error.
 * @see block/blk-mq.c blk_execute_rq
 */
export function* blkExecuteRq(rq: Request, atHead: boolean): Op<BlkStatus> {
  const hctx = hctxOf(rq)
  const { scheduler } = hctx
  const ended = new Completion(scheduler, `request ${rq.tag} of ${hctx.disk.name}`)
  let result: BlkStatus = BlkStatus.OK
  let isOver = false
  blkExecuteRqNowait(rq, atHead, {
    rqEndIo(_rq, status) {
      result = status
      isOver = true
      ended.complete()
      return RqEndIoRet.NONE
    },
  })
  while (!isOver && (rq.cmdFlags & ReqFlags.POLLED) !== 0) {
    if ((hctx.ops.poll?.(hctx) ?? 0) === 0) yield* sleep(scheduler, POLL_NS)
  }
  yield* ended.wait()
  return result
}

/** Gives back a request that was not executed, or that ended and is its maker's. @see block/blk-mq.c blk_mq_free_request */
export function blkMqFreeRequest(rq: Request): void {
  assert(rq.state === MqRqState.IDLE && rq.endIo === null, 'free: the request is on its way')
  const hctx = hctxOf(rq)
  rq.bio = null
  rq.bioTail = null
  hctx.free(rq)
}

function hctxOf(rq: Request): HwQueue {
  assertLive(rq.mqHctx !== null, 'the request is free')
  return rq.mqHctx
}

function bioFor(rq: Request, bytes: number): Bio {
  if (rq.bio !== null) throw new KernelError('EINVAL', 'the request has data already')
  const bio = new Bio()
  bio.init(rq.cmdFlags, 0, { bioEndIo() {} })
  bio.biIter.biSize = bytes
  return bio
}

function attach(rq: Request, bio: Bio): void {
  rq.bio = bio
  rq.bioTail = bio
  rq.dataBytes = bio.biIter.biSize
  rq.nrPhysSegments = bio.biNrSegments
}
