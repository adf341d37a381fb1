// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BlkStatus } from '../blk-status.ts'
import type { BlkMqHwCtx } from './hw-ctx.ts'
import type { Request } from './request.ts'
import type { RqList } from './rq-list.ts'
import type { BlkEhTimerReturn } from './rq-timeouts.ts'

/**
 * What a block driver implements. All of it is called in atomic context.
 *
 * Handing over a request: prepare it (`blkRqActivateDmabuf` for a dmabuf request), call `blkMqStartRequest` when nothing can fail
 * any more, and only then let the device see it. From there on it ends by `blkMqEndRequest`, `blkMqCompleteRequest` or a
 * `CompletionBatch`, exactly once, possibly before `queueRq` returns.
 * @see include/linux/blk-mq.h struct blk_mq_ops
 */
export interface BlkMqOps<P = unknown> {
  /**
   * The driver's data of one request; called when the tag set is made or gets more hardware queues. What it throws, making them
   * throws. `hctxIndex` is BLK_MQ_NO_HCTX_IDX for host-wide tags.
   */
  initRequest(hctxIndex: number, tag: number): P
  /** Gives back what `initRequest` made. */
  exitRequest?(rq: Request<P>, hctxIndex: number): void
  /** A hardware queue of a disk comes into being; what it throws, making the disk or the queues throws. */
  initHctx?(hctx: BlkMqHwCtx, hctxIndex: number): void
  /** It goes; no request is on it. */
  exitHctx?(hctx: BlkMqHwCtx, hctxIndex: number): void
  /**
   * OK: taken. RESOURCE or DEV_RESOURCE: not taken, comes again later. Anything else ends the request with that
   * status. With `last` false more will follow, and the device need not be told until the last, or until `commitRqs`.
   */
  queueRq(hctx: BlkMqHwCtx, rq: Request<P>, last: boolean): BlkStatus
  /**
   * Takes requests of one hardware queue off the list and hands them over; what it leaves on the list, in any order, goes
   * through `queueRq` one by one, which says why. `commitRqs` follows.
   */
  queueRqs?(hctx: BlkMqHwCtx, list: RqList<P>): void
  /** Tells the device about everything posted so far. */
  commitRqs(hctx: BlkMqHwCtx): void
  /** Ends a request that `blkMqCompleteRequest` was called for; without it, it ends with the status given there. */
  complete?(rq: Request<P>): void
  /**
   * A request took longer than it may. The driver may end it, now or later; see `BlkEhTimerReturn`. Left out, no request ever takes
   * too long.
   */
  timeout?(rq: Request<P>): BlkEhTimerReturn
  /** Looks for completions of a hardware queue, and returns how many it found. */
  poll?(hctx: BlkMqHwCtx): number
}
