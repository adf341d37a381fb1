// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Scheduler, Timer } from '@iolayers/kernel'
import type { IoStats } from '../disk/io-stats.ts'
import type { HwQueue } from './hw-queue.ts'
import type { QueueGate } from './queue-gate.ts'
import { MqRqState, type Request } from './request.ts'
import type { TagSet } from './tag-set.ts'

/**
 * What a driver says of a request that took too long. DONE: it is the driver's business from now on, which has ended it or will; its
 * time does not run out again. RESET_TIMER: it gets as much time again.
 * @see include/linux/blk-mq.h enum blk_eh_timer_return
 */
export const BlkEhTimerReturn = { DONE: 0, RESET_TIMER: 1 } as const
export type BlkEhTimerReturn = (typeof BlkEhTimerReturn)[keyof typeof BlkEhTimerReturn]

/** While a driver is being handed a request nobody takes it away from it. */
const RETRY_NS = 1_000_000

export interface RqTimeoutsHome {
  readonly scheduler: Scheduler
  readonly name: string
  readonly gate: QueueGate
  readonly io: IoStats
}

/**
 * The time limits of the requests of a disk. One timer, armed for the first deadline that it knew when it was armed; when it
 * fires it looks at every request, and is armed for the next. It is not armed while the driver has no request.
 *
 * A timeout stops no device: what a request holds it keeps until it ends. Where the driver has no `timeout` a request would get as much
 * time again for ever, of which nothing comes: then no timer runs.
 * @see block/blk-timeout.c blk_add_timer
 * @see block/blk-mq.c blk_mq_timeout_work
 */
export class RqTimeouts {
  readonly enabled: boolean
  readonly #home: RqTimeoutsHome
  readonly #defaultNs: number
  readonly #timer: Timer
  #hctxs: readonly HwQueue[]

  constructor(home: RqTimeoutsHome, tagSet: TagSet) {
    this.#home = home
    this.#defaultNs = tagSet.timeoutNs
    this.enabled = tagSet.ops.timeout !== undefined
    this.#timer = new Timer(home.scheduler, `timeouts of ${home.name}`, () => this.#check())
    this.#hctxs = []
  }

  /** The hardware queues of the disk; the array may change. */
  watch(hctxs: readonly HwQueue[]): void {
    this.#hctxs = hctxs
  }

  /** The driver has the request from now on; the clock is fresh. */
  add(rq: Request, hctx: HwQueue): void {
    if (!this.enabled) return
    const { nowNs } = this.#home.io.clock
    const timeoutNs = rq.timeoutNs === 0 ? this.#defaultNs : rq.timeoutNs
    const deadlineNs = nowNs + timeoutNs
    rq.timedOut = false
    hctx.tags.times.deadlineNs[rq.tag] = deadlineNs
    const timer = this.#timer
    if (!timer.pending || deadlineNs < timer.deadlineNs) timer.arm(timeoutNs)
  }

  /** The driver has no request. */
  idle(): void {
    this.#timer.cancel()
  }

  /** The time of a request is over now; its driver is asked from a call of its own. @see block/blk-timeout.c blk_abort_request */
  abort(rq: Request, hctx: HwQueue): void {
    assert(rq.state !== MqRqState.IDLE, 'abort: the request is not with the driver')
    if (!this.enabled) return
    hctx.tags.times.deadlineNs[rq.tag] = this.#home.io.clock.nowNs
    this.#timer.arm(0)
  }

  #check(): void {
    const { gate, io } = this.#home
    io.clock.refresh()
    if (gate.dispatching > 0) {
      this.#timer.arm(RETRY_NS)
      return
    }
    const { nowNs } = io.clock
    for (const hctx of this.#hctxs) this.#expire(hctx, nowNs)
    const nextNs = this.#nextDeadlineNs()
    if (nextNs !== Number.POSITIVE_INFINITY) this.#timer.arm(nextNs - nowNs)
  }

  #expire(hctx: HwQueue, nowNs: number): void {
    for (const rq of hctx.tags.requests) {
      if (!isRunning(rq, hctx) || deadlineOf(rq, hctx) > nowNs) continue
      rq.timedOut = true
      const { generation } = rq
      const verdict = hctx.ops.timeout?.(rq) ?? BlkEhTimerReturn.RESET_TIMER
      // By now it may have ended, or be another one, or be waiting to be handed over again.
      const isSame = rq.generation === generation && rq.state === MqRqState.IN_FLIGHT
      if (isSame && verdict === BlkEhTimerReturn.RESET_TIMER) this.add(rq, hctx)
    }
  }

  #nextDeadlineNs(): number {
    let nextNs = Number.POSITIVE_INFINITY
    for (const hctx of this.#hctxs) {
      for (const rq of hctx.tags.requests) {
        if (isRunning(rq, hctx)) nextNs = Math.min(nextNs, deadlineOf(rq, hctx))
      }
    }
    return nextNs
  }
}

/** Queues of several disks, and host-wide tags, share a tag map. @see block/blk-mq.c blk_mq_req_expired */
function isRunning(rq: Request, hctx: HwQueue): boolean {
  return rq.mqHctx === hctx && rq.state === MqRqState.IN_FLIGHT && !rq.timedOut
}

function deadlineOf(rq: Request, hctx: HwQueue): number {
  return hctx.tags.times.deadlineNs[rq.tag] ?? 0
}
