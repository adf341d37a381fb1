// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { ReqFlags } from '../io-req.ts'
import { assignFile } from '../op-ctx.ts'
import { SqeOffset } from '../uapi.ts'
import { CancelFlags } from '../uapi-flags.ts'
import type { OpDef } from './opdef.ts'

const KNOWN =
  CancelFlags.ALL |
  CancelFlags.FD |
  CancelFlags.ANY |
  CancelFlags.FD_FIXED |
  CancelFlags.USERDATA |
  CancelFlags.OP

/** @see io_uring/cancel.c io_async_cancel_prep, io_async_cancel */
export const asyncCancelDef: OpDef = {
  ioprio: false,
  iopoll: false,
  prep(req, sqes, at, ctx) {
    if (sqes.getInt32(at + SqeOffset.OFF, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.OFF + 4, true) !== 0) return -Errno.EINVAL
    if (sqes.getInt32(at + SqeOffset.FILE_INDEX, true) !== 0) return -Errno.EINVAL
    const flags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
    if ((flags & ~KNOWN) !== 0) return -Errno.EINVAL
    const byResource = (flags & (CancelFlags.FD | CancelFlags.OP)) !== 0
    if (byResource && (flags & CancelFlags.ANY) !== 0) return -Errno.EINVAL
    const data = ctx.canceller.dataOf(req)
    data.flags = flags
    data.userDataLow = sqes.getInt32(at + SqeOffset.ADDR, true)
    data.userDataHigh = sqes.getInt32(at + SqeOffset.ADDR + 4, true)
    data.opcode = sqes.getInt32(at + SqeOffset.LEN, true) & 0xff
    data.file = null
    return 0
  },
  issue(req, ctx) {
    const data = ctx.canceller.dataOf(req)
    if ((data.flags & CancelFlags.FD) !== 0) {
      if ((data.flags & CancelFlags.FD_FIXED) !== 0) req.flags |= ReqFlags.FIXED_FILE
      const error = assignFile(req, ctx)
      if (error !== 0) return error
      data.file = req.filp
    }
    const result = ctx.canceller.cancel(data, req)
    data.file = null
    return result
  },
}
