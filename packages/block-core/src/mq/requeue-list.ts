// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive, DeferredCall, type Scheduler, Timer } from '@iolayers/kernel'
import type { Request } from './request.ts'
import { RqList } from './rq-list.ts'

/**
 * Requests that drivers gave back. They wait here until somebody kicks the list, and are then the first of their hardware queues, in the
 * order in which they came. They go around the scheduler, as those do in the kernel in which a driver keeps something.
 * @see block/blk-mq.c blk_mq_requeue_work
 */
export class RequeueList {
  readonly #scheduler: Scheduler
  readonly #list: RqList
  readonly #work: DeferredCall
  readonly #timer: Timer

  constructor(scheduler: Scheduler, diskName: string) {
    this.#scheduler = scheduler
    this.#list = new RqList()
    this.#work = new DeferredCall(`requeue work of ${diskName}`, () => this.#run())
    this.#timer = new Timer(scheduler, `requeue work of ${diskName}`, () => this.#run())
  }

  add(rq: Request): void {
    this.#list.addTail(rq)
  }

  /** @see block/blk-mq.c blk_mq_kick_requeue_list */
  kick(): void {
    if (!this.#list.isEmpty) this.#scheduler.queue(this.#work)
  }

  /** The later of two calls decides. @see block/blk-mq.c blk_mq_delay_kick_requeue_list */
  delayKick(delayNs: number): void {
    this.#timer.arm(delayNs)
  }

  shutdown(): void {
    assert(this.#list.isEmpty, 'requeue list: shut down with requests')
    this.#timer.cancel()
  }

  #run(): void {
    this.#timer.cancel()
    const newestFirst = new RqList()
    for (let rq = this.#list.pop(); rq !== null; rq = this.#list.pop()) newestFirst.addHead(rq)
    for (let rq = newestFirst.pop(); rq !== null; rq = newestFirst.pop()) {
      assertLive(rq.mqHctx !== null, 'requeue list: a free request')
      const { dispatch } = rq.mqHctx
      dispatch.insertBypass(rq, true)
      dispatch.kick()
    }
  }
}
