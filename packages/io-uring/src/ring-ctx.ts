// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assertOnce,
  DeferredCall,
  Errno,
  type Kernel,
  type Task,
  type Tracepoint,
  WaitQueue,
} from '@iolayers/kernel'
import { CompletionQueue } from './completion-queue.ts'
import { DeferList } from './defer-list.ts'
import { IoReq, type IoReqOwner, LINK_FLAGS, ReqFlags, TaskWork } from './io-req.ts'
import { IoUringOp } from './uapi.ts'
import { SetupFlags, SqRingFlags } from './uapi-flags.ts'

export const NEVER = 0x7fff_ffff

const FINISH_SLOW =
  LINK_FLAGS |
  ReqFlags.CQE_SKIP |
  ReqFlags.FAIL |
  ReqFlags.ARM_LTIMEOUT |
  ReqFlags.LINK_TIMEOUT |
  ReqFlags.SKIP_LINK_CQES |
  ReqFlags.TIMEOUT_ARMED

/** What the ring's state needs of those that work on it. Set once, when the ring is made. */
export interface RingParts {
  /** Starts a request whose turn has come. */
  start(req: IoReq): void
  /** A timeout's timer has run out. */
  timeoutFired(req: IoReq): void
  /** Disarms the timeout that is linked to a request which has ended. */
  disarmLinked(req: IoReq): void
  /** Completions were posted: ends the timeouts that counted them. */
  flushTimeouts(): void
}

/**
 * The state of a ring: its requests, their ends, chains, task work, and what waits behind a drain.
 * @see include/linux/io_uring_types.h struct io_ring_ctx
 */
export class RingCtx {
  readonly kernel: Kernel
  readonly setup: number
  readonly cqEntries: number
  readonly cq: CompletionQueue
  readonly cqWait: WaitQueue
  readonly idleWait: WaitQueue
  readonly stats = {
    submitted: 0,
    completed: 0,
    submitCalls: 0,
    asyncWork: 0,
    staleImports: 0,
    cqOverflows: 0,
  }
  readonly iopoll: boolean
  /** Ends of requests are not posted where they happen, but when the owner enters the ring. */
  readonly deferring: boolean
  readonly drain: DeferList
  /** The task that alone may submit; null: any may. */
  owner: Task | null
  inflight: number
  /** Fewest ready completions for which a waiter has to be woken. */
  wakeAt: number
  closing: boolean
  /** In a call of the owner's, which posts by itself and runs task work at its end. */
  inOwner: boolean
  /** Somebody counts completions: a drain, or a timeout. */
  watched: boolean
  /** Completions of timeouts. */
  timeoutsPosted: number
  /** The chain that is being submitted. */
  linkHead: IoReq | null
  linkLast: IoReq | null
  readonly #tpComplete: Tracepoint
  readonly #runLater: DeferredCall
  readonly #startLater: (req: IoReq) => void
  #parts: RingParts | null
  #reqOwner: IoReqOwner | null
  #freeReqs: IoReq | null
  #reqsMade: number
  #workHead: IoReq | null
  #workTail: IoReq | null
  #flushing: boolean
  #flushAgain: boolean

  constructor(kernel: Kernel, setup: number, cqEntries: number) {
    this.kernel = kernel
    this.setup = setup
    this.cqEntries = cqEntries
    this.cq = new CompletionQueue(cqEntries)
    this.cqWait = new WaitQueue(kernel.scheduler, 'io_uring completions')
    this.idleWait = new WaitQueue(kernel.scheduler, 'io_uring idle')
    this.iopoll = (setup & SetupFlags.IOPOLL) !== 0
    this.deferring = (setup & (SetupFlags.DEFER_TASKRUN | SetupFlags.COOP_TASKRUN)) !== 0
    this.drain = new DeferList()
    this.owner = null
    this.inflight = 0
    this.wakeAt = NEVER
    this.closing = false
    this.inOwner = false
    this.watched = false
    this.timeoutsPosted = 0
    this.linkHead = null
    this.linkLast = null
    this.#tpComplete = kernel.tracer.point('io_uring:io_uring_complete', ['user_data', 'res'])
    this.#runLater = new DeferredCall('io_uring task work', () => this.runTaskWork())
    this.#startLater = (req) => this.addTaskWork(req, TaskWork.ISSUE)
    this.#parts = null
    this.#reqOwner = null
    this.#freeReqs = null
    this.#reqsMade = 0
    this.#workHead = null
    this.#workTail = null
    this.#flushing = false
    this.#flushAgain = false
  }

  attach(parts: RingParts, reqOwner: IoReqOwner): void {
    this.#parts = parts
    this.#reqOwner = reqOwner
  }

  get sqFlags(): number {
    const taskrun = this.#workHead !== null && (this.setup & SetupFlags.TASKRUN_FLAG) !== 0
    return (this.cq.overflowed ? SqRingFlags.CQ_OVERFLOW : 0) | (taskrun ? SqRingFlags.TASKRUN : 0)
  }

  get hasTaskWork(): boolean {
    return this.#workHead !== null
  }

  /** Null when as many as the completion queue has entries are in flight. */
  takeReq(): IoReq | null {
    let req = this.#freeReqs
    if (req === null) {
      if (this.#reqsMade === this.cqEntries || this.#reqOwner === null) return null
      this.#reqsMade += 1
      req = new IoReq(this.#reqOwner)
    } else this.#freeReqs = req.next
    req.next = null
    req.flags = 0
    req.inUse = true
    req.staleImports = 0
    req.waited = false
    req.kiocb.fragmentsIssued = false
    this.inflight += 1
    return req
  }

  /** Atomic, from any context: a request is over. Its completion is posted now, or by task work. */
  end(req: IoReq, result: number): void {
    assertOnce(req.inUse, 'io_uring: a request ended twice')
    if (!this.deferring || this.inOwner) {
      this.finish(req, result)
      return
    }
    // What it used is free at once: nobody has to wait for the owner to look.
    req.putResources()
    req.result = result
    this.addTaskWork(req, TaskWork.COMPLETE)
  }

  /** The one end of a request: drops what it holds, posts its completion, frees it, and sees to its chain. */
  finish(req: IoReq, result: number): void {
    assertOnce(req.inUse, 'io_uring: a request ended twice')
    req.putResources()
    const res = result === -Errno.ERESTARTSYS ? -Errno.EINTR : result
    if (this.#tpComplete.enabled) this.#tpComplete.emit(req.userData, res)
    if ((req.flags & FINISH_SLOW) !== 0) this.#finishLinked(req, res)
    else {
      this.post(req.userDataLow, req.userDataHigh, res, 0)
      this.#free(req)
    }
    if (this.watched) this.#flush()
  }

  /** Ends a linked timeout that is not needed any more: no failure. */
  finishDisarmed(req: IoReq): void {
    assertOnce(req.inUse, 'io_uring: a request ended twice')
    if (this.#tpComplete.enabled) this.#tpComplete.emit(req.userData, -Errno.ECANCELED)
    if ((req.flags & ReqFlags.CQE_SKIP) === 0) {
      this.post(req.userDataLow, req.userDataHigh, -Errno.ECANCELED, 0)
    }
    this.#free(req)
  }

  post(userDataLow: number, userDataHigh: number, res: number, flags: number): void {
    if (!this.cq.post(userDataLow, userDataHigh, res, flags)) this.stats.cqOverflows += 1
    if (this.cq.ready >= this.wakeAt) {
      this.wakeAt = NEVER
      this.cqWait.wakeUpAll()
    }
  }

  /** To be done in the context of the owner, soon: with a deferring ring when it enters, else now or in a moment. */
  addTaskWork(req: IoReq, work: number): void {
    req.taskWork = work
    req.next = null
    if (this.#workTail === null) this.#workHead = req
    else this.#workTail.next = req
    this.#workTail = req
    if (this.deferring) {
      this.cqWait.wakeUpAll()
      if (this.closing) this.idleWait.wakeUpAll()
    } else if (!this.inOwner) this.kernel.scheduler.queue(this.#runLater)
  }

  /** @see io_uring/io_uring.c io_run_local_work, tctx_task_work */
  runTaskWork(): void {
    if (this.#workHead === null) return
    const outer = this.inOwner
    this.inOwner = true
    for (let req: IoReq | null = this.#workHead; req !== null; req = this.#workHead) {
      this.#workHead = req.next
      if (req.next === null) this.#workTail = null
      req.next = null
      const work = req.taskWork
      req.taskWork = TaskWork.NONE
      if (work === TaskWork.COMPLETE) this.finish(req, req.result)
      else if (work === TaskWork.ISSUE) this.#parts?.start(req)
      else this.#parts?.timeoutFired(req)
    }
    this.inOwner = outer
  }

  /** A drain or a counting timeout has come: from now on every completion is looked at. */
  watch(): void {
    this.watched = true
  }

  /** Starts those behind the drain for which it is over. */
  queueDeferred(): void {
    this.drain.release(this.inflight, this.#startLater)
  }

  /** @see io_uring/io_uring.c __io_commit_cqring_flush */
  #flush(): void {
    this.#flushAgain = true
    if (this.#flushing) return
    this.#flushing = true
    while (this.#flushAgain) {
      this.#flushAgain = false
      this.#parts?.flushTimeouts()
      this.queueDeferred()
    }
    this.#flushing = false
  }

  /** @see io_uring/io_uring.c io_disarm_next, io_req_find_next */
  #finishLinked(req: IoReq, res: number): void {
    if (isFailure(req, res)) {
      req.flags |= ReqFlags.FAIL
      if ((req.flags & ReqFlags.CQE_SKIP) !== 0) {
        req.flags = (req.flags & ~ReqFlags.CQE_SKIP) | ReqFlags.SKIP_LINK_CQES
      }
    }
    if ((req.flags & ReqFlags.CQE_SKIP) === 0) {
      if ((req.flags & ReqFlags.TIMEOUT_ARMED) !== 0) this.timeoutsPosted += 1
      this.post(req.userDataLow, req.userDataHigh, res, 0)
    }
    if ((req.flags & (ReqFlags.ARM_LTIMEOUT | ReqFlags.LINK_TIMEOUT)) !== 0) {
      this.#parts?.disarmLinked(req)
    }
    if ((req.flags & (ReqFlags.FAIL | ReqFlags.HARDLINK)) === ReqFlags.FAIL) this.#failLinks(req)
    const { link } = req
    req.link = null
    this.#free(req)
    if (link !== null) this.addTaskWork(link, TaskWork.ISSUE)
  }

  /** @see io_uring/io_uring.c io_fail_links */
  #failLinks(req: IoReq): void {
    const silent = (req.flags & ReqFlags.SKIP_LINK_CQES) !== 0
    let link: IoReq | null = req.link
    req.link = null
    while (link !== null) {
      const next: IoReq | null = link.link
      link.link = null
      const res = (link.flags & ReqFlags.FAIL) !== 0 ? link.result : -Errno.ECANCELED
      if (this.#tpComplete.enabled) this.#tpComplete.emit(link.userData, res)
      if (!silent) this.post(link.userDataLow, link.userDataHigh, res, 0)
      this.#free(link)
      link = next
    }
  }

  #free(req: IoReq): void {
    req.inUse = false
    this.stats.completed += 1
    req.next = this.#freeReqs
    this.#freeReqs = req
    this.inflight -= 1
    if (this.closing && this.inflight === 0) this.idleWait.wakeUpAll()
  }
}

/** Whether what comes after it in its chain must not run: an error, or a read or write that came out short. */
function isFailure(req: IoReq, res: number): boolean {
  if (res < 0) return res !== -Errno.ETIME || (req.flags & ReqFlags.ETIME_SUCCESS) === 0
  switch (req.opcode) {
    case IoUringOp.READ:
    case IoUringOp.WRITE:
    case IoUringOp.READV:
    case IoUringOp.WRITEV:
    case IoUringOp.READ_FIXED:
    case IoUringOp.WRITE_FIXED:
      return res !== req.lengthBytes
    default:
      return false
  }
}
