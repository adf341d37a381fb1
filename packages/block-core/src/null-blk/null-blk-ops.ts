// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive, KernelError, type Scheduler } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import {
  blkMqAddToBatch,
  blkMqCompleteRequest,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqRequeueRequest,
  blkMqStartRequest,
} from '../mq/blk-mq.ts'
import type { BlkMqOps } from '../mq/blk-mq-ops.ts'
import type { BlkMqHwCtx } from '../mq/hw-ctx.ts'
import { HctxType } from '../mq/queue-map.ts'
import type { Request } from '../mq/request.ts'
import { RqList } from '../mq/rq-list.ts'
import { BlkEhTimerReturn } from '../mq/rq-timeouts.ts'
import type { NullDevice } from './null-device.ts'
import { NullCmd, NullQueue } from './null-queue.ts'

/** The driver under the devices of one tag set. @see drivers/block/null_blk/main.c null_mq_ops */
export class NullBlkOps implements BlkMqOps<NullCmd> {
  /** The device whose disk is being made: its hardware queues come into being before it has one. */
  attaching: NullDevice | null
  readonly #scheduler: Scheduler
  readonly #queues: Map<BlkMqHwCtx, NullQueue>
  readonly #polled: RqList<NullCmd>

  constructor(scheduler: Scheduler) {
    this.attaching = null
    this.#scheduler = scheduler
    this.#queues = new Map()
    this.#polled = new RqList()
  }

  initRequest(): NullCmd {
    return new NullCmd(this.#scheduler)
  }

  initHctx(hctx: BlkMqHwCtx, hctxIndex: number): void {
    const device = this.attaching ?? this.#deviceOf(hctx)
    if (device.config.initHctxFaultInject.shouldFail(null)) {
      const message = `${device.config.name}: hardware queue ${hctxIndex} was told to fail`
      throw new KernelError('EFAULT', message)
    }
    this.#queues.set(hctx, new NullQueue(device))
  }

  exitHctx(hctx: BlkMqHwCtx): void {
    this.#queues.delete(hctx)
  }

  queueRq(hctx: BlkMqHwCtx, rq: Request<NullCmd>): BlkStatus {
    if (rq.dmabufMap !== null) return BlkStatus.NOTSUPP
    const nq = this.#queueOf(hctx)
    const { config, throttle } = nq.device
    const cmd = rq.pdu
    cmd.error = BlkStatus.OK
    cmd.rq = rq
    cmd.fakeTimeout = config.timeoutInject.shouldFail(rq)
    if (config.requeueInject.shouldFail(rq)) return giveBack(nq, rq)
    if (config.busyInject.shouldFail(rq)) return BlkStatus.DEV_RESOURCE
    if (throttle !== null && !throttle.admit(rq.dataBytes)) return BlkStatus.DEV_RESOURCE
    blkMqStartRequest(rq)
    if (hctx.type === HctxType.POLL) nq.pollList.addTail(rq)
    else if (!cmd.fakeTimeout) nq.device.handle(rq)
    return BlkStatus.OK
  }

  queueRqs(hctx: BlkMqHwCtx, list: RqList<NullCmd>): void {
    const refused = new RqList<NullCmd>()
    for (let rq = list.pop(); rq !== null; rq = list.pop()) {
      if (this.queueRq(hctx, rq) !== BlkStatus.OK) refused.addTail(rq)
    }
    list.take(refused)
  }

  commitRqs(): void {}

  complete(rq: Request<NullCmd>): void {
    const { mqHctx } = rq
    assertLive(mqHctx !== null, 'null_blk: a free request is complete')
    this.#queueOf(mqHctx).device.complete(rq)
  }

  /** @see drivers/block/null_blk/main.c null_poll */
  poll(hctx: BlkMqHwCtx): number {
    const nq = this.#queueOf(hctx)
    let found = 0
    for (let rq = nq.pollList.pop(); rq !== null; rq = nq.pollList.pop()) {
      found++
      rq.pdu.error = nq.device.process(rq)
      if (!blkMqAddToBatch(rq, this.#polled, rq.pdu.error)) blkMqEndRequest(rq, rq.pdu.error)
    }
    blkMqEndRequestBatch(this.#polled)
    return found
  }

  /** @see drivers/block/null_blk/main.c null_timeout_rq */
  timeout(rq: Request<NullCmd>): BlkEhTimerReturn {
    const { mqHctx, pdu } = rq
    assertLive(mqHctx !== null, 'null_blk: a free request times out')
    const nq = this.#queueOf(mqHctx)
    if (nq.device.config.resetTimerInject.shouldFail(rq)) return BlkEhTimerReturn.RESET_TIMER
    const isPolled = mqHctx.type === HctxType.POLL
    if (isPolled) nq.removePolled(rq)
    pdu.error = BlkStatus.TIMEOUT
    // One that is only slow ends when it would have, with this status.
    if (pdu.fakeTimeout || isPolled) blkMqCompleteRequest(rq, BlkStatus.TIMEOUT)
    return BlkEhTimerReturn.DONE
  }

  #queueOf(hctx: BlkMqHwCtx): NullQueue {
    const nq = this.#queues.get(hctx)
    assert(nq !== undefined, 'null_blk: a hardware queue of nobody')
    return nq
  }

  /** A disk gets more hardware queues than it has. */
  #deviceOf(hctx: BlkMqHwCtx): NullDevice {
    for (const [other, { device }] of this.#queues) if (other.disk === hctx.disk) return device
    assert(false, 'null_blk: a disk of nobody')
  }
}

/** By turns, the way of a busy device and that of a driver that took a request too many. */
function giveBack(nq: NullQueue, rq: Request<NullCmd>): BlkStatus {
  nq.requeueSelection++
  if ((nq.requeueSelection & 1) !== 0) return BlkStatus.RESOURCE
  blkMqStartRequest(rq)
  blkMqRequeueRequest(rq, true)
  return BlkStatus.OK
}
