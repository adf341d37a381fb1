// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { type IoReq, ReqFlags } from '../io-req.ts'
import { copyFromUser, type OpCtx, type UserMemoryAccess } from '../op-ctx.ts'
import { getUint53, IoUringOp, SqeOffset } from '../uapi.ts'
import { TIMESPEC_BYTES, TimeoutFlags } from '../uapi-flags.ts'
import type { OpDef } from './opdef.ts'

const CLOCKS = TimeoutFlags.BOOTTIME | TimeoutFlags.REALTIME
const UPDATES = TimeoutFlags.UPDATE | TimeoutFlags.LINK_TIMEOUT_UPDATE
const KNOWN = TimeoutFlags.ABS | CLOCKS | TimeoutFlags.ETIME_SUCCESS | TimeoutFlags.MULTISHOT
const ABS_MULTISHOT = TimeoutFlags.ABS | TimeoutFlags.MULTISHOT

/** All clocks are the scheduler's. @see io_uring/timeout.c io_timeout_prep, io_timeout */
export const timeoutDef: OpDef = {
  ioprio: false,
  iopoll: false,
  prep: (req, sqes, at, ctx) => prepTimeout(req, sqes, at, ctx),
  issue(req, ctx) {
    ctx.timeouts.add(req)
    return -Errno.EIOCBQUEUED
  },
}

/** Never issued: armed with the request that it follows. @see io_uring/timeout.c io_link_timeout_prep */
export const linkTimeoutDef: OpDef = {
  ioprio: false,
  iopoll: false,
  prep(req, sqes, at, ctx) {
    const error = prepTimeout(req, sqes, at, ctx)
    if (error !== 0) return error
    const { linkLast } = ctx.ring
    if (ctx.ring.linkHead === null || linkLast === null) return -Errno.EINVAL
    if (linkLast.opcode === IoUringOp.LINK_TIMEOUT) return -Errno.EINVAL
    ctx.timeouts.dataOf(req).head = linkLast
    linkLast.flags |= ReqFlags.ARM_LTIMEOUT
    return 0
  },
  issue: () => -Errno.ECANCELED,
}

/** @see io_uring/timeout.c io_timeout_remove_prep, io_timeout_remove */
export const timeoutRemoveDef: OpDef = {
  ioprio: false,
  iopoll: false,
  prep(req, sqes, at, ctx) {
    if ((req.flags & ReqFlags.FIXED_FILE) !== 0) return -Errno.EINVAL
    if (sqes.getUint16(at + SqeOffset.BUF_INDEX, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.LEN, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.FILE_INDEX, true) !== 0) return -Errno.EINVAL
    const flags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
    req.rwFlags = flags
    const target = ctx.canceller.dataOf(req)
    target.flags = 0
    target.userDataLow = sqes.getInt32(at + SqeOffset.ADDR, true)
    target.userDataHigh = sqes.getInt32(at + SqeOffset.ADDR + 4, true)
    if ((flags & UPDATES) === 0) return flags === 0 ? 0 : -Errno.EINVAL
    if ((flags & CLOCKS) === CLOCKS) return -Errno.EINVAL
    if ((flags & ~(UPDATES | TimeoutFlags.ABS | CLOCKS)) !== 0) return -Errno.EINVAL
    return readTime(req, getUint53(sqes, at + SqeOffset.OFF), ctx)
  },
  issue(req, ctx) {
    const target = ctx.canceller.dataOf(req)
    if ((req.rwFlags & UPDATES) === 0) return ctx.timeouts.cancelOne(target)
    const { timeNs } = ctx.timeouts.dataOf(req)
    const isAbs = (req.rwFlags & TimeoutFlags.ABS) !== 0
    if ((req.rwFlags & TimeoutFlags.LINK_TIMEOUT_UPDATE) !== 0) {
      return ctx.timeouts.updateLinked(target, timeNs, isAbs)
    }
    return ctx.timeouts.update(target, timeNs, isAbs)
  },
}

function prepTimeout(req: IoReq, sqes: DataView, at: number, ctx: OpCtx): number {
  const isLink = req.opcode === IoUringOp.LINK_TIMEOUT
  const off = getUint53(sqes, at + SqeOffset.OFF)
  const flags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
  if (sqes.getUint16(at + SqeOffset.BUF_INDEX, true) !== 0) return -Errno.EINVAL
  if (sqes.getInt32(at + SqeOffset.LEN, true) !== 1) return -Errno.EINVAL
  if (sqes.getInt32(at + SqeOffset.FILE_INDEX, true) !== 0) return -Errno.EINVAL
  if (off !== 0 && isLink) return -Errno.EINVAL
  if ((flags & ~KNOWN) !== 0 || (flags & CLOCKS) === CLOCKS) return -Errno.EINVAL
  if ((flags & ABS_MULTISHOT) === ABS_MULTISHOT) return -Errno.EINVAL
  req.rwFlags = flags
  if ((flags & TimeoutFlags.ETIME_SUCCESS) !== 0) req.flags |= ReqFlags.ETIME_SUCCESS
  const data = ctx.timeouts.dataOf(req)
  // A count beyond 32 bits is cut to them, as in the kernel.
  data.off = off % 0x1_0000_0000
  data.repeats = (flags & TimeoutFlags.MULTISHOT) !== 0 ? data.off : 0
  data.head = null
  return readTime(req, getUint53(sqes, at + SqeOffset.ADDR), ctx)
}

function readTime(req: IoReq, addr: number, ctx: OpCtx): number {
  const timeNs = timespecAt(ctx.memory, addr)
  if (timeNs < 0) return timeNs
  ctx.timeouts.dataOf(req).timeNs = timeNs
  return 0
}

/** Nanoseconds; -EFAULT, or -EINVAL for a negative time. */
function timespecAt(memory: UserMemoryAccess | null, addr: number): number {
  const bytes = new Uint8Array(TIMESPEC_BYTES)
  if (!copyFromUser(memory, addr, bytes)) return -Errno.EFAULT
  const view = new DataView(bytes.buffer)
  if (view.getInt32(4, true) < 0 || view.getInt32(12, true) < 0) return -Errno.EINVAL
  return getUint53(view, 0) * 1e9 + getUint53(view, 8)
}
