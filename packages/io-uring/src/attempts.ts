// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Plug } from '@iolayers/block-core'
import { assert, Errno, KernelError, type Op, type Tracepoint } from '@iolayers/kernel'
import { IocbFlags } from '@iolayers/uio'
import { type IoReq, type IoReqOwner, ReqFlags } from './io-req.ts'
import { IoWq } from './io-wq.ts'
import { createOpDefs, type OpDef } from './op/opdef.ts'
import type { OpCtx } from './op-ctx.ts'
import { PolledList } from './polled-list.ts'
import type { RingCtx } from './ring-ctx.ts'
import { armFixedIter, armKiocb } from './rw.ts'
import { IoUringOp, RwFlags } from './uapi.ts'

/** Fresh imports of a map that died before anything of the I/O went out; then ESTALE. */
export const MAX_STALE_IMPORTS = 8

/**
 * Tries each request in the form that never sleeps, and hands to a worker what would have to.
 *
 * An I/O on a registered dma-buf imports the buffer's map once and holds it until it ends. When the map dies before anything of
 * the I/O was handed to a driver, it is dropped and imported afresh, at most MAX_STALE_IMPORTS times; after that, and once
 * a fragment has gone out, ESTALE is the end: only the issuer knows whether the range may be sent again.
 * @see io_uring/io_uring.c io_queue_sqe, io_queue_async, io_wq_submit_work
 */
export class Attempts implements IoReqOwner {
  readonly defs: readonly (OpDef | null)[]
  readonly wq: IoWq
  readonly polled: PolledList
  protected readonly ctx: RingCtx
  readonly #plug: Plug
  readonly #iopoll: boolean
  readonly #tpAsync: Tracepoint
  #ops: OpCtx | null = null

  constructor(ctx: RingCtx, plug: Plug, workers: number) {
    this.defs = createOpDefs()
    this.wq = new IoWq(ctx.kernel, workers, (req) => this.#work(req))
    this.polled = new PolledList((req) => this.ended(req, req.result))
    this.ctx = ctx
    this.#plug = plug
    this.#iopoll = ctx.iopoll
    this.#tpAsync = ctx.kernel.tracer.point('io_uring:io_uring_queue_async_work', [
      'user_data',
      'opcode',
    ])
  }

  attach(ops: OpCtx): void {
    this.#ops = ops
  }

  get ops(): OpCtx {
    assert(this.#ops !== null, 'io_uring: used before it was made')
    return this.#ops
  }

  /** Atomic: an attempt that went on without its caller has ended. */
  ioComplete(req: IoReq, result: number): void {
    if (this.#iopoll) {
      req.result = result
      req.polled = true
      return
    }
    this.ended(req, result)
  }

  /** The attempt that does not sleep, of a request that prepFixedFast has prepared, its flags included. */
  issueFixed(req: IoReq): void {
    const { ops, filp, kiocb, iter, buffer } = req
    assert(ops !== null && filp !== null, 'io_uring: a request without a file')
    assert(buffer !== null, 'io_uring: a request without a buffer')
    const isRead = req.opcode === IoUringOp.READ_FIXED
    if (buffer.token !== null) {
      req.map = buffer.tryGetMap(isRead)
      if (req.map === null) {
        this.ended(req, -Errno.EAGAIN)
        return
      }
    }
    if (req.rwFlags === 0) {
      kiocb.init(filp, req.posBytes)
      kiocb.flags |= isRead ? IocbFlags.NOWAIT : IocbFlags.NOWAIT | IocbFlags.WRITE
    } else armKiocb(req, IocbFlags.NOWAIT, false)
    kiocb.plug = this.#plug
    if (this.ctx.kernel.scheduler.exploring) {
      this.ctx.kernel.scheduler.choicePoint('io_uring issue')
    }
    armFixedIter(req, buffer, req.map)
    const result = isRead ? ops.readIter(kiocb, iter) : ops.writeIter(kiocb, iter)
    // A request that was queued may be over, and another one, by now.
    if (result !== -Errno.EIOCBQUEUED) this.ended(req, result)
  }

  /** Starts any request: by an attempt that does not sleep, or by a worker where the entry asks for that. */
  start(req: IoReq): void {
    if (this.ctx.closing) {
      this.ctx.finish(req, -Errno.ECANCELED)
      return
    }
    if ((req.flags & ReqFlags.ARM_LTIMEOUT) !== 0) this.ops.timeouts.armLinked(req)
    if ((req.flags & ReqFlags.FORCE_ASYNC) !== 0) {
      this.queueWork(req)
      return
    }
    this.#issue(req)
  }

  queueWork(req: IoReq): void {
    if (this.ctx.closing) {
      this.ctx.end(req, -Errno.ECANCELED)
      return
    }
    this.ctx.stats.asyncWork += 1
    if (this.#tpAsync.enabled) this.#tpAsync.emit(req.userData, req.opcode)
    this.wq.queue(req)
  }

  defOf(opcode: number): OpDef | null {
    return this.defs[opcode] ?? null
  }

  #issue(req: IoReq): void {
    const def = this.defOf(req.opcode)
    assert(def !== null, 'io_uring: an operation that is not there was issued')
    if (this.ctx.kernel.scheduler.exploring) {
      this.ctx.kernel.scheduler.choicePoint('io_uring issue')
    }
    req.polled = false
    req.kiocb.plug = null
    const result = def.issue(req, this.ops)
    if (result !== -Errno.EIOCBQUEUED) this.ended(req, result)
    else if (this.#iopoll) this.polled.add(req)
  }

  /** A worker's attempt, which may sleep. */
  *#work(req: IoReq): Op<void> {
    const def = this.defOf(req.opcode)
    assert(def !== null, 'io_uring: a worker got an operation that is not there')
    req.waited = true
    req.polled = false
    this.dropDeadMap(req)
    let result: number
    try {
      if (def.issueWait === undefined) result = def.issue(req, this.ops)
      else result = yield* def.issueWait(req, this.ops)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      result = -Math.abs(error.errno)
    }
    if (result !== -Errno.EIOCBQUEUED) this.ended(req, result)
    else if (this.#iopoll) this.polled.add(req)
  }

  protected ended(req: IoReq, result: number): void {
    if (result >= 0) {
      if ((req.flags & ReqFlags.CUR_POS) !== 0) movePosition(req, result)
      this.ctx.end(req, result)
      return
    }
    const nowait = (req.rwFlags & RwFlags.NOWAIT) !== 0
    if (this.handedOver(req)) this.ctx.end(req, result)
    else if (result === -Errno.ESTALE) this.reimport(req, nowait)
    else if (result === -Errno.EAGAIN && !nowait && !req.waited) this.again(req)
    else this.ctx.end(req, result)
  }

  /** Whether a driver was given anything of the I/O: what was done may then not be done again from here (R2). */
  protected handedOver(req: IoReq): boolean {
    return req.kiocb.fragmentsIssued
  }

  /** Another attempt goes on with a live map only (R1). */
  protected dropDeadMap(req: IoReq): void {
    if (req.map?.dead === true) req.dropMap()
  }

  /** Nothing of the I/O has gone out, and its map is dead. Not for ever: an exporter may be quicker than the ring (R7). */
  protected reimport(req: IoReq, nowait: boolean): void {
    this.dropDeadMap(req)
    if (nowait) {
      this.ctx.end(req, -Errno.EAGAIN)
      return
    }
    if (req.staleImports === MAX_STALE_IMPORTS) {
      this.ctx.end(req, -Errno.ESTALE)
      return
    }
    req.staleImports += 1
    this.ctx.stats.staleImports += 1
    this.again(req)
  }

  /** Another attempt, by a worker. */
  protected again(req: IoReq): void {
    this.ctx.kernel.scheduler.watch?.retried(req, 'an I/O of a ring was issued again')
    this.queueWork(req)
  }
}

function movePosition(req: IoReq, bytes: number): void {
  if (req.filp !== null) req.filp.posBytes = req.posBytes + bytes
}
