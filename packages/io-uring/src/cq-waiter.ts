// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op, sleep, yieldNow } from '@iolayers/kernel'
import type { PolledList } from './polled-list.ts'
import type { RingCtx } from './ring-ctx.ts'
import { SetupFlags } from './uapi-flags.ts'

/** Looks in vain after which a polling task sleeps for a moment, so that the clock can go on. */
const LOOKS_PER_SLEEP = 16
const POLL_SLEEP_NS = 1000

/** How tasks wait for completions. @see io_uring/wait.c io_cqring_wait, io_uring/io_uring.c io_iopoll_check */
export class CqWaiter {
  closed = false
  readonly #ctx: RingCtx
  readonly #polled: PolledList
  #vainLooks = 0

  constructor(ctx: RingCtx, polled: PolledList) {
    this.#ctx = ctx
    this.#polled = polled
  }

  /** With SINGLE_ISSUER one task alone may: that which made the ring, or the first that came. */
  mayEnter(): boolean {
    const ctx = this.#ctx
    if ((ctx.setup & SetupFlags.SINGLE_ISSUER) === 0) return true
    const { current } = ctx.kernel.scheduler
    ctx.owner ??= current
    return ctx.owner === current
  }

  *wait(count: number, timeoutNs: number): Op<number> {
    const ctx = this.#ctx
    if ((ctx.setup & SetupFlags.DEFER_TASKRUN) !== 0 && !this.mayEnter()) return -Errno.EEXIST
    if (ctx.deferring) ctx.runTaskWork()
    const wanted = Math.min(count, ctx.cqEntries)
    if (ctx.iopoll) this.#look()
    if (ctx.cq.ready >= wanted) return ctx.cq.ready
    const error = ctx.iopoll
      ? yield* this.#waitPolling(wanted, timeoutNs)
      : yield* this.#waitWoken(wanted, timeoutNs)
    return ctx.cq.ready > 0 ? ctx.cq.ready : error
  }

  /** Returns when nothing is in flight. */
  *waitIdle(): Op<void> {
    const ctx = this.#ctx
    if (ctx.iopoll) while (ctx.inflight > 0) yield* this.pump()
    yield* ctx.idleWait.waitEvent(() => {
      ctx.runTaskWork()
      return ctx.inflight === 0
    })
  }

  /** One look for completions of polled requests, and a moment for others. */
  *pump(): Op<void> {
    const { scheduler } = this.#ctx.kernel
    if (this.#look()) return
    this.#vainLooks += 1
    if (this.#vainLooks % LOOKS_PER_SLEEP === 0) yield* sleep(scheduler, POLL_SLEEP_NS)
    else yield* yieldNow(scheduler)
  }

  #look(): boolean {
    const ctx = this.#ctx
    const outer = ctx.inOwner
    ctx.inOwner = true
    const found = this.#polled.reap()
    ctx.inOwner = outer
    ctx.runTaskWork()
    return found > 0
  }

  *#waitWoken(wanted: number, timeoutNs: number): Op<number> {
    const ctx = this.#ctx
    const condition = (): boolean => {
      if (ctx.deferring) ctx.runTaskWork()
      if (ctx.cq.ready >= wanted || this.closed) return true
      if (wanted < ctx.wakeAt) ctx.wakeAt = wanted
      return false
    }
    if (timeoutNs === Number.POSITIVE_INFINITY) {
      const error = yield* ctx.cqWait.waitEventInterruptible(condition)
      return error === 0 ? 0 : -Errno.EINTR
    }
    const left = yield* ctx.cqWait.waitEventInterruptibleTimeout(condition, timeoutNs)
    if (left > 0) return 0
    return left === 0 ? -Errno.ETIME : -Errno.EINTR
  }

  *#waitPolling(wanted: number, timeoutNs: number): Op<number> {
    const ctx = this.#ctx
    const { scheduler } = ctx.kernel
    const deadlineNs = scheduler.nowNs() + timeoutNs
    for (;;) {
      if (ctx.cq.ready >= wanted || this.closed) return 0
      if (scheduler.current?.signalPending === true) return -Errno.EINTR
      if (scheduler.nowNs() >= deadlineNs) return -Errno.ETIME
      yield* this.pump()
    }
  }
}
