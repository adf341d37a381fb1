// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import type { BlkStatus } from '../blk-status.ts'
import type { BlkMqOps } from './blk-mq-ops.ts'
import type { BlkMqHwCtx } from './hw-ctx.ts'
import type { Request } from './request.ts'
import type { RqList } from './rq-list.ts'

/**
 * A driver as checked mode calls it. Whoever takes `active` on a map, in a preparation, and whoever drops it, in a completion, has the drain fence of that map
 * depend on it: there it may not allocate with reclaim, take a reservation lock or wait for a fence. Without checked mode it is the driver itself.
 */
export function signallingOps<P>(kernel: Kernel, ops: BlkMqOps<P>): BlkMqOps<P> {
  return kernel.checked ? new SignallingOps(kernel, ops) : ops
}

class SignallingOps<P> implements BlkMqOps<P> {
  readonly queueRqs?: (hctx: BlkMqHwCtx, list: RqList<P>) => void
  readonly complete?: (rq: Request<P>) => void
  readonly exitHctx?: (hctx: BlkMqHwCtx, hctxIndex: number) => void
  readonly timeout?: NonNullable<BlkMqOps<P>['timeout']>
  readonly poll?: (hctx: BlkMqHwCtx) => number
  readonly #kernel: Kernel
  readonly #ops: BlkMqOps<P>

  constructor(kernel: Kernel, ops: BlkMqOps<P>) {
    this.#kernel = kernel
    this.#ops = ops
    const { queueRqs, complete, exitHctx, timeout, poll } = ops
    if (queueRqs !== undefined) {
      this.queueRqs = (hctx, list) =>
        this.#signalling('queue_rqs', () => queueRqs.call(ops, hctx, list))
    }
    if (complete !== undefined) {
      this.complete = (rq) => {
        if (rq.dmabufMap === null) complete.call(ops, rq)
        else this.#signalling('complete', () => complete.call(ops, rq))
      }
    }
    if (exitHctx !== undefined) this.exitHctx = exitHctx.bind(ops)
    if (timeout !== undefined) this.timeout = timeout.bind(ops)
    if (poll !== undefined) this.poll = poll.bind(ops)
  }

  initRequest(hctxIndex: number, tag: number): P {
    return this.#ops.initRequest(hctxIndex, tag)
  }

  queueRq(hctx: BlkMqHwCtx, rq: Request<P>, last: boolean): BlkStatus {
    if (rq.dmabufMap === null) return this.#ops.queueRq(hctx, rq, last)
    return this.#signalling('queue_rq', () => this.#ops.queueRq(hctx, rq, last))
  }

  commitRqs(hctx: BlkMqHwCtx): void {
    this.#ops.commitRqs(hctx)
  }

  #signalling<T>(name: string, call: () => T): T {
    const { signalling } = this.#kernel
    const cookie = signalling.begin(name)
    try {
      return call()
    } finally {
      signalling.end(cookie)
    }
  }
}
