// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import type { HwQueue } from './hw-queue.ts'
import { MqRqState, type Request } from './request.ts'
import type { RqList } from './rq-list.ts'

// What drivers call.

function hctxOf(rq: Request): HwQueue {
  assertLive(rq.mqHctx !== null, 'the request is free')
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
  const hctx = startedHctxOf(rq)
  hctx.refreshClock()
  hctx.finish(rq, status)
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
  if (hctx.ops.complete !== undefined) {
    hctx.ops.complete(rq)
    return
  }
  hctx.refreshClock()
  hctx.finish(rq, status)
}

/** Whether the driver has the request, done or not. @see include/linux/blk-mq.h blk_mq_request_started */
export function blkMqRequestStarted(rq: Request): boolean {
  return rq.state !== MqRqState.IDLE
}

/** Whether its device is done with it, and it has not ended. @see include/linux/blk-mq.h blk_mq_request_completed */
export function blkMqRequestCompleted(rq: Request): boolean {
  return rq.state === MqRqState.COMPLETE
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
  let fresh: HwQueue | null = null
  for (let rq = batch.pop(); rq !== null; rq = batch.pop()) {
    const hctx = startedHctxOf(rq)
    if (hctx !== fresh) hctx.refreshClock()
    fresh = hctx
    hctx.finish(rq, BlkStatus.OK)
  }
}

/**
 * The device has done the first `bytes` of a started request, whose bios end with `status`, and the request begins behind
 * them: the driver goes on with it, requeues it, or ends it. False when nothing is left; it has to be ended even so.
 * @see block/blk-mq.c blk_update_request
 */
export function blkUpdateRequest(rq: Request, status: BlkStatus, bytes: number): boolean {
  const hctx = startedHctxOf(rq)
  hctx.refreshClock()
  return hctx.update(rq, status, bytes)
}

/**
 * The time of a started request is over: its driver's `timeout` is asked, from a call of its own.
 * @see block/blk-timeout.c blk_abort_request
 */
export function blkAbortRequest(rq: Request): void {
  startedHctxOf(rq).abort(rq)
}

/**
 * Takes a started request back from the driver to be queued again: drops `active`, keeps what the I/O holds. It comes again when the
 * requeue list of its disk is kicked, which `kick` does.
 * @see block/blk-mq.c blk_mq_requeue_request
 */
export function blkMqRequeueRequest(rq: Request, kick: boolean): void {
  startedHctxOf(rq).requeue(rq, kick)
}
