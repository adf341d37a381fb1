// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import type { HwQueue } from './hw-queue.ts'
import { MqRqState, type Request } from './request.ts'
import type { RqList } from './rq-list.ts'

// What drivers call.

function hctxOf(rq: Request): HwQueue {
  assert(rq.mqHctx !== null, 'the request is free')
  return rq.mqHctx
}

function startedHctxOf(rq: Request): HwQueue {
  assert(rq.state !== MqRqState.IDLE, 'the request is not with the driver')
  return hctxOf(rq)
}

/**
 * The driver has prepared the request and is about to let the device see it. From here on the I/O counts as handed over:
 * should its map die, the whole I/O ends with ESTALE.
 * @see block/blk-mq.c blk_mq_start_request
 */
export function blkMqStartRequest(rq: Request): void {
  hctxOf(rq).start(rq)
}

/** Ends a started request: drops `active` if it is still held, ends its bios, frees its tag. @see block/blk-mq.c blk_mq_end_request */
export function blkMqEndRequest(rq: Request, status: BlkStatus): void {
  startedHctxOf(rq).finish(rq, status)
}

/**
 * A device is done with a request: the driver's `complete` is called if it has one, else the request ends.
 * @see block/blk-mq.c blk_mq_complete_request
 */
export function blkMqCompleteRequest(rq: Request, status: BlkStatus): void {
  const hctx = startedHctxOf(rq)
  assert(rq.state === MqRqState.IN_FLIGHT, 'the request was completed before')
  rq.state = MqRqState.COMPLETE
  rq.status = status
  if (hctx.ops.complete === undefined) hctx.finish(rq, status)
  else hctx.ops.complete(rq)
}

/**
 * Puts a request that the device has done well into a batch; false where it failed and has to be ended by itself.
 * @see include/linux/blk-mq.h blk_mq_add_to_batch
 */
export function blkMqAddToBatch<P>(rq: Request<P>, batch: RqList<P>, status: BlkStatus): boolean {
  if (status !== BlkStatus.OK) return false
  assert(rq.state === MqRqState.IN_FLIGHT, 'the request is not in flight')
  rq.state = MqRqState.COMPLETE
  batch.addTail(rq)
  return true
}

/** Ends all requests of a batch, each as `blkMqEndRequest` does. @see block/blk-mq.c blk_mq_end_request_batch */
export function blkMqEndRequestBatch<P>(batch: RqList<P>): void {
  for (let rq = batch.pop(); rq !== null; rq = batch.pop()) {
    startedHctxOf(rq).finish(rq, BlkStatus.OK)
  }
}

/**
 * Takes a started request back from the driver to be queued again: drops `active`, keeps what the I/O holds. With `kick` its queue
 * runs soon, else when something else makes it run.
 * @see block/blk-mq.c blk_mq_requeue_request
 */
export function blkMqRequeueRequest(rq: Request, kick: boolean): void {
  const hctx = startedHctxOf(rq)
  hctx.requeue(rq)
  if (kick) hctx.kick()
}
