// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { ReqFlags } from '../io-req.ts'
import { assignFile } from '../op-ctx.ts'
import { SqeOffset } from '../uapi.ts'
import { NopFlags } from '../uapi-flags.ts'
import type { OpDef } from './opdef.ts'

const KNOWN = NopFlags.INJECT_RESULT | NopFlags.FILE | NopFlags.FIXED_FILE

/** @see io_uring/nop.c */
export const nopDef: OpDef = {
  ioprio: false,
  iopoll: true,
  prep(req, sqes, at) {
    req.rwFlags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
    if ((req.rwFlags & ~KNOWN) !== 0) return -Errno.EINVAL
    req.lengthBytes = sqes.getInt32(at + SqeOffset.LEN, true)
    return 0
  },
  issue(req, ctx) {
    if ((req.rwFlags & NopFlags.FILE) !== 0) {
      if ((req.rwFlags & NopFlags.FIXED_FILE) !== 0) req.flags |= ReqFlags.FIXED_FILE
      const error = assignFile(req, ctx)
      if (error !== 0) return error
    }
    return (req.rwFlags & NopFlags.INJECT_RESULT) === 0 ? 0 : req.lengthBytes
  },
}
