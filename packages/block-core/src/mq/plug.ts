// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive } from '@iolayers/kernel'
import type { Disk } from '../disk/disk.ts'
import type { QueueClock } from './queue-clock.ts'
import type { Request } from './request.ts'
import { RqList } from './rq-list.ts'

/** @see include/linux/blkdev.h BLK_MAX_REQUEST_COUNT */
export const BLK_MAX_REQUEST_COUNT = 32

/**
 * Gathers a submitter's requests so that they reach the driver in one batch. Owned by the submitter, passed with each bio, never
 * global. Requests in it are not on their way until `finish`, or until it is full: whoever holds one finishes it before it sleeps
 * for anything that needs them to end, a freeze of the queue included. What takes a plug and sleeps does so by itself.
 * @see include/linux/blkdev.h struct blk_plug
 */
export class Plug {
  /** Which of a disk's hardware queues requests go to (modulo their number): the submitter's CPU, as it were. */
  cpu: number
  readonly maxRequests: number
  readonly #list: RqList
  readonly #batch: RqList
  readonly #nowNs: Float64Array
  #requests: number
  #multipleQueues: boolean
  #flushing: boolean

  constructor(init: { cpu?: number; maxRequests?: number } = {}) {
    this.cpu = init.cpu ?? 0
    this.maxRequests = init.maxRequests ?? BLK_MAX_REQUEST_COUNT
    assert(this.maxRequests > 0, 'plug: room for no request')
    this.#list = new RqList()
    this.#batch = new RqList()
    this.#nowNs = new Float64Array(1)
    this.#requests = 0
    this.#multipleQueues = false
    this.#flushing = false
  }

  get requests(): number {
    return this.#requests
  }

  /** Sets the clock of a disk: the time is read for the first request of a batch. @see include/linux/blkdev.h struct blk_plug cur_ktime */
  stamp(clock: QueueClock): void {
    if (this.#requests > 0) {
      clock.advanceTo(this.#nowNs)
      return
    }
    clock.refresh()
    clock.saveTo(this.#nowNs)
  }

  /** For the block layer: takes a request that is ready to be issued. */
  add(rq: Request): void {
    const { tail } = this.#list
    if (tail !== null && tail.mqHctx !== rq.mqHctx) this.#multipleQueues = true
    this.#list.addTail(rq)
    this.#requests++
    if (this.#requests >= this.maxRequests) this.finish()
  }

  /**
   * The request that a bio for this disk may become part of: the newest one or, where that is another disk's, the oldest one of
   * this disk.
   * @see block/blk-merge.c blk_attempt_plug_merge
   */
  mergeCandidate(disk: Disk): Request | null {
    const { tail } = this.#list
    if (tail === null || tail.mqHctx?.disk === disk) return tail
    if (!this.#multipleQueues) return null
    let rq = this.#list.head
    while (rq !== null && rq.mqHctx?.disk !== disk) rq = rq.queueNext
    return rq
  }

  /** Hands over what was gathered, in order, one batch for each hardware queue. @see block/blk-core.c blk_finish_plug */
  finish(): void {
    if (this.#flushing) return
    this.#flushing = true
    while (!this.#list.isEmpty) this.#flushOneQueue()
    this.#flushing = false
  }

  #flushOneQueue(): void {
    const hctx = this.#list.head?.mqHctx ?? null
    assertLive(hctx !== null, 'plug: a free request')
    if (this.#multipleQueues) this.#moveRequestsOf(hctx)
    else {
      this.#batch.take(this.#list)
      this.#requests = 0
    }
    hctx.dispatch.issueList(this.#batch)
  }

  #moveRequestsOf(hctx: Request['mqHctx']): void {
    let left = this.#requests
    let kept = 0
    for (; left > 0; left--) {
      const rq = this.#list.pop()
      assert(rq !== null, 'plug: fewer requests than counted')
      if (rq.mqHctx === hctx) {
        this.#batch.addTail(rq)
        continue
      }
      this.#list.addTail(rq)
      kept++
    }
    this.#requests = kept
    this.#multipleQueues = kept > 0
  }
}
