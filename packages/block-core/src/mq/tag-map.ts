// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, WaitQueue } from '@iolayers/kernel'
import type { BlkMqOps } from './blk-mq-ops.ts'
import { Request } from './request.ts'
import { RqStamps } from './rq-stamps.ts'

/** The tags of one hardware queue with their requests, all made at once. @see include/linux/blk-mq.h struct blk_mq_tags */
export class TagMap<P = unknown> {
  readonly requests: readonly Request<P>[]
  /** Submitters that sleep for a tag. */
  readonly wait: WaitQueue
  readonly #kernel: Kernel
  readonly #freeTags: Int32Array
  #freeCount: number
  #stamps: RqStamps | null

  constructor(kernel: Kernel, ops: BlkMqOps<P>, hctxIndex: number, depth: number) {
    this.#kernel = kernel
    const requests: Request<P>[] = []
    this.#freeTags = new Int32Array(depth)
    for (let tag = 0; tag < depth; tag++) {
      requests.push(new Request(tag, ops.initRequest(hctxIndex, tag)))
      this.#freeTags[tag] = depth - 1 - tag
    }
    this.requests = requests
    this.#freeCount = depth
    this.#stamps = null
    this.wait = new WaitQueue(kernel.scheduler, `tags of hardware queue ${hctxIndex}`)
  }

  get free(): number {
    return this.#freeCount
  }

  /** Null when all are in use. */
  tryGet(): Request<P> | null {
    if (this.#freeCount === 0) return null
    this.#freeCount--
    const rq = this.requests[this.#freeTags[this.#freeCount] ?? -1]
    assert(rq !== undefined, 'tag map: hole in the free list')
    if (this.#stamps !== null) this.#stamps.taken(rq.tag)
    return rq
  }

  /** From now on every request is stamped when it is taken. */
  stampRequests(): RqStamps {
    this.#stamps ??= new RqStamps(this.#kernel.scheduler, this.requests.length)
    return this.#stamps
  }

  put(tag: number): void {
    assert(this.#freeCount < this.requests.length, 'tag map: a tag was put twice')
    this.#freeTags[this.#freeCount] = tag
    this.#freeCount++
    this.wait.wakeUp()
  }
}
