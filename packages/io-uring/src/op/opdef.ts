// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { IoReq } from '../io-req.ts'
import type { OpCtx } from '../op-ctx.ts'
import { IoUringOp } from '../uapi.ts'
import { asyncCancelDef } from './async-cancel.ts'
import { fsyncDef } from './fsync.ts'
import { nopDef } from './nop.ts'
import { rwDef } from './rw.ts'
import { linkTimeoutDef, timeoutDef, timeoutRemoveDef } from './timeout.ts'

/** An operation. @see io_uring/opdef.h struct io_issue_def */
export interface OpDef {
  /** The entry may have an I/O priority. */
  readonly ioprio: boolean
  /** It may be submitted to a polled ring. */
  readonly iopoll: boolean
  /** Reads what only this operation has in its entry: 0, or the errno with which the entry is refused. Takes nothing. */
  prep(req: IoReq, sqes: DataView, at: number, ctx: OpCtx): number
  /** Never sleeps: a result, -EIOCBQUEUED when the request ends later, -EAGAIN when it has to sleep. */
  issue(req: IoReq, ctx: OpCtx): number
  /** May sleep; without it a worker does what `issue` does. */
  issueWait?(req: IoReq, ctx: OpCtx): Op<number>
}

/** By opcode; null for those that are not there. @see io_uring/opdef.c io_issue_defs */
export function createOpDefs(): readonly (OpDef | null)[] {
  const defs: (OpDef | null)[] = new Array<OpDef | null>(256).fill(null)
  defs[IoUringOp.NOP] = nopDef
  defs[IoUringOp.FSYNC] = fsyncDef
  for (const opcode of RW_OPS) defs[opcode] = rwDef
  defs[IoUringOp.TIMEOUT] = timeoutDef
  defs[IoUringOp.TIMEOUT_REMOVE] = timeoutRemoveDef
  defs[IoUringOp.LINK_TIMEOUT] = linkTimeoutDef
  defs[IoUringOp.ASYNC_CANCEL] = asyncCancelDef
  return defs
}

const RW_OPS = [
  IoUringOp.READV,
  IoUringOp.WRITEV,
  IoUringOp.READ_FIXED,
  IoUringOp.WRITE_FIXED,
  IoUringOp.READ,
  IoUringOp.WRITE,
] as const
