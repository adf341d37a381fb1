// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type IoReq, linkedNr, ReqFlags } from './io-req.ts'

/**
 * Requests that wait for a drain, each with its chain, in the order of submission. One with IO_DRAIN starts when all that was
 * submitted before it is over; what was submitted after it, when that is over too.
 * @see io_uring/io_uring.c io_drain_req, io_queue_deferred
 */
export class DeferList {
  /** A drain has been asked for, and not everything since has gone through. */
  active = false
  /** The next request that is not in the chain of a drained one drains too. */
  next = false
  #head: IoReq | null = null
  #tail: IoReq | null = null
  /** Requests on the list, chains included. */
  #count = 0

  get empty(): boolean {
    return this.#head === null
  }

  add(req: IoReq): void {
    req.next = null
    if (this.#tail === null) this.#head = req
    else this.#tail.next = req
    this.#tail = req
    this.#count += linkedNr(req)
  }

  /** Hands those that may start to `start`, off the list. `inflight` counts those on the list too. */
  release(inflight: number, start: (req: IoReq) => void): void {
    let held = true
    for (let req = this.#head; req !== null; req = this.#head) {
      held ||= (req.flags & ReqFlags.IO_DRAIN) !== 0
      if (held && inflight !== this.#count) return
      held = (req.flags & ReqFlags.IO_DRAIN) !== 0
      this.#take(req)
      start(req)
    }
  }

  /** The oldest, off the list, whether it may start or not; null when there is none. */
  take(): IoReq | null {
    const req = this.#head
    if (req !== null) this.#take(req)
    return req
  }

  #take(req: IoReq): void {
    this.#head = req.next
    if (this.#head === null) this.#tail = null
    req.next = null
    this.#count -= linkedNr(req)
  }
}
