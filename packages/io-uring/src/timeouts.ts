// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { type CancelData, cancelReqMatch } from './cancel-data.ts'
import type { Canceller } from './canceller.ts'
import { type IoReq, ReqFlags, TaskWork } from './io-req.ts'
import type { RingCtx } from './ring-ctx.ts'
import { TimeoutData } from './timeout-data.ts'
import { IoUringOp } from './uapi.ts'
import { CqeFlags, TimeoutFlags } from './uapi-flags.ts'

/** The timeouts of a ring, by the clock and by the number of completions. @see io_uring/timeout.c */
export class Timeouts {
  readonly #ctx: RingCtx
  /** Those that a number of completions ends, the nearest first. */
  readonly #counted: IoReq[] = []
  readonly #plain: IoReq[] = []
  /** LINK_TIMEOUTs that run. */
  readonly #linked: IoReq[] = []

  constructor(ctx: RingCtx) {
    this.#ctx = ctx
  }

  dataOf(req: IoReq): TimeoutData {
    req.timeout ??= new TimeoutData(this.#ctx.kernel.scheduler, () => this.#expired(req))
    return req.timeout
  }

  /** @see io_uring/timeout.c io_timeout */
  add(req: IoReq): void {
    const data = this.dataOf(req)
    req.flags |= ReqFlags.TIMEOUT_ARMED
    if (data.off === 0 || (req.rwFlags & TimeoutFlags.MULTISHOT) !== 0) this.#plain.push(req)
    else {
      this.#ctx.watch()
      data.targetSeq = (this.#seq + data.off) | 0
      const isLater = (other: IoReq): boolean =>
        ((this.dataOf(other).targetSeq - data.targetSeq) | 0) > 0
      const after = this.#counted.findIndex(isLater)
      this.#counted.splice(after < 0 ? this.#counted.length : after, 0, req)
    }
    this.#arm(data, data.timeNs, (req.rwFlags & TimeoutFlags.ABS) !== 0)
  }

  /** The request is about to start, and a LINK_TIMEOUT follows it. @see io_uring/timeout.c io_queue_linked_timeout */
  armLinked(req: IoReq): void {
    const { link } = req
    req.flags &= ~ReqFlags.ARM_LTIMEOUT
    if (link === null || link.opcode !== IoUringOp.LINK_TIMEOUT) return
    req.link = link.link
    link.link = null
    req.linkTimeout = link
    req.flags |= ReqFlags.LINK_TIMEOUT
    this.#linked.push(link)
    const data = this.dataOf(link)
    this.#arm(data, data.timeNs, (link.rwFlags & TimeoutFlags.ABS) !== 0)
  }

  /** @see io_uring/timeout.c io_disarm_linked_timeout */
  disarmLinked(req: IoReq): void {
    let timeout = req.linkTimeout
    if ((req.flags & ReqFlags.ARM_LTIMEOUT) !== 0 && req.link?.opcode === IoUringOp.LINK_TIMEOUT) {
      timeout = req.link
      req.link = timeout.link
      timeout.link = null
    }
    req.linkTimeout = null
    if (timeout === null) return
    const data = this.dataOf(timeout)
    data.timer.cancel()
    data.head = null
    remove(this.#linked, timeout)
    this.#ctx.finishDisarmed(timeout)
  }

  /** 0, or -ENOENT. @see io_uring/timeout.c io_timeout_cancel */
  cancelOne(target: CancelData): number {
    const req = this.#find(target)
    if (req === undefined) return -Errno.ENOENT
    this.#kill(req, -Errno.ECANCELED)
    return 0
  }

  /** It no longer counts completions. 0, or -ENOENT. @see io_uring/timeout.c io_timeout_update */
  update(target: CancelData, timeNs: number, isAbs: boolean): number {
    const req = this.#find(target)
    if (req === undefined) return -Errno.ENOENT
    const data = this.dataOf(req)
    this.#unlist(req)
    data.off = 0
    data.timeNs = timeNs
    this.#plain.push(req)
    this.#arm(data, timeNs, isAbs)
    return 0
  }

  /** 0, or -ENOENT. @see io_uring/timeout.c io_linked_timeout_update */
  updateLinked(target: CancelData, timeNs: number, isAbs: boolean): number {
    const req = this.#linked.find((linked) => cancelReqMatch(linked, target))
    if (req === undefined) return -Errno.ENOENT
    this.#arm(this.dataOf(req), timeNs, isAbs)
    return 0
  }

  /** Ends those whose completions have come. @see io_uring/timeout.c io_flush_timeouts */
  flush(): void {
    const seq = this.#seq
    for (let req = this.#counted[0]; req !== undefined; req = this.#counted[0]) {
      if (((seq - this.dataOf(req).targetSeq) | 0) < 0) return
      this.#kill(req, 0)
    }
  }

  /** The ring closes. @see io_uring/timeout.c io_kill_timeouts */
  killAll(): void {
    for (const req of [...this.#counted, ...this.#plain]) this.#kill(req, -Errno.ECANCELED)
  }

  /** In the owner's context: the timer of `req` has run out. */
  fire(req: IoReq, canceller: Canceller): void {
    const data = this.dataOf(req)
    if (req.opcode === IoUringOp.LINK_TIMEOUT) {
      this.#fireLinked(req, data, canceller)
      return
    }
    if (!this.#isMultishotOver(req, data)) {
      this.#ctx.timeoutsPosted += 1
      this.#ctx.post(req.userDataLow, req.userDataHigh, -Errno.ETIME, CqeFlags.MORE)
      this.#plain.push(req)
      this.#arm(data, data.timeNs, false)
      return
    }
    this.#ctx.finish(req, -Errno.ETIME)
  }

  get #seq(): number {
    return (this.#ctx.cq.posted - this.#ctx.timeoutsPosted) | 0
  }

  /** @see io_uring/timeout.c io_timeout_finish */
  #isMultishotOver(req: IoReq, data: TimeoutData): boolean {
    if ((req.rwFlags & TimeoutFlags.MULTISHOT) === 0 || this.#ctx.closing) return true
    if (data.off === 0) return false
    data.repeats -= 1
    return data.repeats === 0
  }

  /** @see io_uring/timeout.c io_req_task_link_timeout */
  #fireLinked(req: IoReq, data: TimeoutData, canceller: Canceller): void {
    const found = canceller.tryCancel(data.headUserDataLow, data.headUserDataHigh)
    this.#ctx.finish(req, found === 0 ? -Errno.ETIME : found)
  }

  /** Atomic, in timer context. */
  #expired(req: IoReq): void {
    const data = this.dataOf(req)
    if (req.opcode === IoUringOp.LINK_TIMEOUT) {
      remove(this.#linked, req)
      const { head } = data
      if (head !== null) {
        head.linkTimeout = null
        head.flags &= ~ReqFlags.LINK_TIMEOUT
        data.headUserDataLow = head.userDataLow
        data.headUserDataHigh = head.userDataHigh
        data.head = null
      }
    } else this.#unlist(req)
    this.#ctx.addTaskWork(req, TaskWork.TIMEOUT)
  }

  #kill(req: IoReq, result: number): void {
    this.dataOf(req).timer.cancel()
    this.#unlist(req)
    this.#ctx.end(req, result)
  }

  #arm(data: TimeoutData, timeNs: number, isAbs: boolean): void {
    data.timer.arm(isAbs ? Math.max(0, timeNs - this.#ctx.kernel.scheduler.nowNs()) : timeNs)
  }

  #find(target: CancelData): IoReq | undefined {
    const matches = (req: IoReq): boolean => cancelReqMatch(req, target)
    return this.#counted.find(matches) ?? this.#plain.find(matches)
  }

  #unlist(req: IoReq): void {
    if (!remove(this.#counted, req)) remove(this.#plain, req)
  }
}

function remove(list: IoReq[], req: IoReq): boolean {
  const at = list.indexOf(req)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}
