// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { type CancelData, newCancelData } from './cancel-data.ts'
import type { IoReq } from './io-req.ts'
import type { IoWq } from './io-wq.ts'
import type { RingCtx } from './ring-ctx.ts'
import type { Timeouts } from './timeouts.ts'
import { CancelFlags } from './uapi-flags.ts'

/**
 * Finds requests and cancels them: those that wait for a worker, and timeouts. A worker's request is interrupted; one that a device has is
 * never found.
 * @see io_uring/cancel.c
 */
export class Canceller {
  readonly #ctx: RingCtx
  readonly #wq: IoWq
  readonly #timeouts: Timeouts
  readonly #byUserData: CancelData = newCancelData()

  constructor(ctx: RingCtx, wq: IoWq, timeouts: Timeouts) {
    this.#ctx = ctx
    this.#wq = wq
    this.#timeouts = timeouts
  }

  dataOf(req: IoReq): CancelData {
    req.cancel ??= newCancelData()
    return req.cancel
  }

  /**
   * With ALL or ANY the number of requests that were found. Else 0, -ENOENT, or -EALREADY for one that a worker has begun. `self` is
   * never found.
   */
  cancel(data: CancelData, self: IoReq | null): number {
    const all = (data.flags & (CancelFlags.ALL | CancelFlags.ANY)) !== 0
    let found = 0
    while (this.#cancelWaiting(data)) {
      if (!all) return 0
      found += 1
    }
    const running = this.#wq.interruptMatching(data, self, all)
    if (all) return found + running
    return running > 0 ? -Errno.EALREADY : -Errno.ENOENT
  }

  /** For a timeout: 0 or -ENOENT, for one that a worker has begun too, which is interrupted. @see io_uring/cancel.c io_try_cancel */
  tryCancel(userDataLow: number, userDataHigh: number): number {
    const data = this.#byUserData
    data.userDataLow = userDataLow
    data.userDataHigh = userDataHigh
    if (this.#cancelWaiting(data)) return 0
    this.#wq.interruptMatching(data, null, false)
    return -Errno.ENOENT
  }

  #cancelWaiting(data: CancelData): boolean {
    const req = this.#wq.takeMatching(data)
    if (req !== null) {
      this.#ctx.end(req, -Errno.ECANCELED)
      return true
    }
    return (data.flags & CancelFlags.FD) === 0 && this.#timeouts.cancelOne(data) === 0
  }
}
