// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Request } from './request.ts'

/** A list of requests linked through themselves. @see include/linux/blk-mq.h struct rq_list */
export class RqList<P = unknown> {
  head: Request<P> | null
  tail: Request<P> | null

  constructor() {
    this.head = null
    this.tail = null
  }

  get isEmpty(): boolean {
    return this.head === null
  }

  addTail(rq: Request<P>): void {
    rq.queueNext = null
    if (this.tail === null) this.head = rq
    else this.tail.queueNext = rq
    this.tail = rq
  }

  addHead(rq: Request<P>): void {
    rq.queueNext = this.head
    this.head = rq
    if (this.tail === null) this.tail = rq
  }

  pop(): Request<P> | null {
    const rq = this.head
    if (rq === null) return null
    this.head = rq.queueNext
    if (this.head === null) this.tail = null
    rq.queueNext = null
    return rq
  }

  /** Takes over all of another list, which is empty afterwards. This one has to be empty before. */
  take(other: RqList<P>): void {
    this.head = other.head
    this.tail = other.tail
    other.head = null
    other.tail = null
  }
}
