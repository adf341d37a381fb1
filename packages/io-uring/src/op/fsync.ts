// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op } from '@iolayers/kernel'
import { IocbFlags } from '@iolayers/uio'
import type { IoReq } from '../io-req.ts'
import { assignFile, type OpCtx } from '../op-ctx.ts'
import { SqeOffset } from '../uapi.ts'
import { FSYNC_DATASYNC } from '../uapi-flags.ts'
import type { OpDef } from './opdef.ts'

/** The range is checked and otherwise without effect: a block device flushes all that it has. @see io_uring/sync.c */
export const fsyncDef: OpDef = {
  ioprio: false,
  iopoll: false,
  prep(req, sqes, at) {
    req.rwFlags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
    if ((req.rwFlags & ~FSYNC_DATASYNC) !== 0) return -Errno.EINVAL
    if (sqes.getUint16(at + SqeOffset.BUF_INDEX, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.FILE_INDEX, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.ADDR, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.ADDR + 4, true) !== 0) return -Errno.EINVAL
    return sqes.getInt32(at + SqeOffset.OFF + 4, true) < 0 ? -Errno.EINVAL : 0
  },
  issue(req, ctx) {
    const error = arm(req, ctx, IocbFlags.NOWAIT)
    if (error !== 0 || req.ops === null) return error
    return req.ops.fsync(req.kiocb)
  },
  *issueWait(req, ctx): Op<number> {
    const error = arm(req, ctx, 0)
    if (error !== 0 || req.ops === null) return error
    return yield* req.ops.fsyncWait(req.kiocb)
  },
}

function arm(req: IoReq, ctx: OpCtx, flags: number): number {
  const error = assignFile(req, ctx)
  if (error !== 0) return error
  if (req.ops === null || req.filp === null) return -Errno.EINVAL
  req.kiocb.init(req.filp, 0)
  req.kiocb.flags |= flags
  return 0
}
