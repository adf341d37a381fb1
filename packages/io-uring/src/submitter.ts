// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { Attempts } from './attempts.ts'
import { type IoReq, LINK_FLAGS, ReqFlags } from './io-req.ts'
import type { RingCtx } from './ring-ctx.ts'
import { IoUringOp, SqeFlags, SqeOffset } from './uapi.ts'

const COMMON_FLAGS = SqeFlags.FIXED_FILE | SqeFlags.IO_LINK | SqeFlags.IO_HARDLINK | SqeFlags.ASYNC
const KNOWN_FLAGS = COMMON_FLAGS | SqeFlags.IO_DRAIN | SqeFlags.CQE_SKIP_SUCCESS

/**
 * Takes entries one by one and makes chains of those that are linked, and holds back what a drain holds back.
 * @see io_uring/io_uring.c io_submit_sqe
 */
export class Submitter {
  readonly #ctx: RingCtx
  readonly #attempts: Attempts
  /** An entry asked for no completion: no drain can be counted from now on. */
  #drainDisabled = false

  constructor(ctx: RingCtx, attempts: Attempts) {
    this.#ctx = ctx
    this.#attempts = attempts
  }

  /** Whether entries cannot take the short way. */
  get busy(): boolean {
    return this.#ctx.linkHead !== null || this.#ctx.drain.active || this.#ctx.iopoll
  }

  /** False when the entry was refused and no chain goes on: the batch ends with it, where the ring does not submit all. */
  submit(req: IoReq, sqes: DataView, at: number): boolean {
    const error = this.#init(req, sqes, at)
    if (error !== 0) return this.#refuse(req, error)
    const linked = (req.flags & LINK_FLAGS) !== 0
    if (this.#ctx.linkHead === null && !linked) {
      this.#queue(req)
      return true
    }
    const head = this.#append(req)
    if (!linked) this.#endChain(head)
    return true
  }

  /** The batch is over: a chain that has no end ends here. @see io_uring/io_uring.c io_submit_state_end */
  finish(): void {
    const { linkHead } = this.#ctx
    if (linkHead !== null) this.#endChain(linkHead)
  }

  #append(req: IoReq): IoReq {
    const { linkLast } = this.#ctx
    const head = this.#ctx.linkHead ?? req
    if (linkLast !== null) linkLast.link = req
    this.#ctx.linkHead = head
    this.#ctx.linkLast = req
    return head
  }

  #endChain(head: IoReq): void {
    this.#ctx.linkHead = null
    this.#ctx.linkLast = null
    this.#queue(head)
  }

  #queue(req: IoReq): void {
    if ((req.flags & ReqFlags.FAIL) !== 0) {
      req.flags = (req.flags & ~ReqFlags.HARDLINK) | ReqFlags.LINK
      this.#ctx.finish(req, req.result)
    } else if (this.#ctx.drain.active) this.#drain(req)
    else this.#attempts.start(req)
  }

  /** @see io_uring/io_uring.c io_drain_req */
  #drain(req: IoReq): void {
    const { drain } = this.#ctx
    const isDrain = (req.flags & ReqFlags.IO_DRAIN) !== 0
    drain.add(req)
    this.#ctx.queueDeferred()
    if (!isDrain && drain.empty) drain.active = false
  }

  /** @see io_uring/io_uring.c io_submit_fail_init */
  #refuse(req: IoReq, error: number): boolean {
    failLinkNode(req, error)
    const head = this.#ctx.linkHead
    if (head !== null && (head.flags & ReqFlags.FAIL) === 0) {
      failLinkNode(head, -Errno.ECANCELED)
    }
    const linked = (req.flags & LINK_FLAGS) !== 0
    if (head === null && !linked) {
      this.#queue(req)
      return false
    }
    const first = this.#append(req)
    if (linked) return true
    this.#endChain(first)
    return false
  }

  /** @see io_uring/io_uring.c io_init_req */
  #init(req: IoReq, sqes: DataView, at: number): number {
    const sqeFlags = sqes.getUint8(at + SqeOffset.FLAGS)
    req.flags = sqeFlags & KNOWN_FLAGS
    req.fd = sqes.getInt32(at + SqeOffset.FD, true)
    req.ioprio = sqes.getUint16(at + SqeOffset.IOPRIO, true)
    req.rwFlags = 0
    req.posBytes = 0
    req.bufOffsetBytes = 0
    req.lengthBytes = 0
    const def = this.#attempts.defOf(req.opcode)
    if (def === null) {
      req.opcode = IoUringOp.NOP
      return -Errno.EINVAL
    }
    const error = this.#initFlags(req, sqeFlags)
    if (error !== 0) return error
    if (!def.ioprio && req.ioprio !== 0) return -Errno.EINVAL
    if (!def.iopoll && this.#ctx.iopoll) return -Errno.EINVAL
    if (sqes.getUint16(at + SqeOffset.PERSONALITY, true) !== 0) return -Errno.EINVAL
    return def.prep(req, sqes, at, this.#attempts.ops)
  }

  #initFlags(req: IoReq, sqeFlags: number): number {
    const { drain } = this.#ctx
    if ((sqeFlags & ~COMMON_FLAGS) !== 0) {
      if ((sqeFlags & ~(KNOWN_FLAGS | SqeFlags.BUFFER_SELECT)) !== 0) return -Errno.EINVAL
      if ((sqeFlags & SqeFlags.BUFFER_SELECT) !== 0) return -Errno.EOPNOTSUPP
      if ((sqeFlags & SqeFlags.CQE_SKIP_SUCCESS) !== 0) this.#drainDisabled = true
      if ((sqeFlags & SqeFlags.IO_DRAIN) !== 0) {
        if (this.#drainDisabled) return -Errno.EOPNOTSUPP
        this.#initDrain()
      }
    }
    if (drain.next && this.#ctx.linkHead === null) {
      drain.next = false
      drain.active = true
      req.flags |= ReqFlags.IO_DRAIN
    }
    return 0
  }

  /** In the midst of a chain the head drains, and so does what comes after the chain. @see io_init_req_drain */
  #initDrain(): void {
    const { drain, linkHead } = this.#ctx
    drain.active = true
    this.#ctx.watch()
    if (linkHead === null) return
    linkHead.flags |= ReqFlags.IO_DRAIN
    drain.next = true
  }
}

/** @see io_uring/io_uring.c req_fail_link_node */
function failLinkNode(req: IoReq, result: number): void {
  req.flags |= ReqFlags.FAIL
  if ((req.flags & ReqFlags.CQE_SKIP) !== 0) {
    req.flags = (req.flags & ~ReqFlags.CQE_SKIP) | ReqFlags.SKIP_LINK_CQES
  }
  req.result = result
}
