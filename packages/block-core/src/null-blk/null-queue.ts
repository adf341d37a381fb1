// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '@iolayers/kernel'
import { Timer } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import { blkMqEndRequest } from '../mq/blk-mq.ts'
import type { Request } from '../mq/request.ts'
import { RqList } from '../mq/rq-list.ts'
import type { NullDevice } from './null-device.ts'

/** The driver's part of a request. @see drivers/block/null_blk/null_blk.h struct nullb_cmd */
export class NullCmd {
  readonly timer: Timer
  error: BlkStatus
  /** It never ends by itself. */
  fakeTimeout: boolean
  rq: Request<NullCmd> | null

  constructor(scheduler: Scheduler) {
    this.timer = new Timer(scheduler, 'null_blk command', () => this.#expired())
    this.error = BlkStatus.OK
    this.fakeTimeout = false
    this.rq = null
  }

  /** @see drivers/block/null_blk/main.c null_cmd_timer_expired */
  #expired(): void {
    const { rq } = this
    this.rq = null
    if (rq !== null) blkMqEndRequest(rq, this.error)
  }
}

/** The driver's part of a hardware queue. @see drivers/block/null_blk/null_blk.h struct nullb_queue */
export class NullQueue {
  readonly device: NullDevice
  /** Handed over and waiting for somebody to poll. */
  readonly pollList: RqList<NullCmd>
  requeueSelection: number

  constructor(device: NullDevice) {
    this.device = device
    this.pollList = new RqList()
    this.requeueSelection = 0
  }

  /** Takes a request off the poll list. */
  removePolled(rq: Request<NullCmd>): void {
    const rest = new RqList<NullCmd>()
    rest.take(this.pollList)
    for (let each = rest.pop(); each !== null; each = rest.pop()) {
      if (each !== rq) this.pollList.addTail(each)
    }
  }
}
