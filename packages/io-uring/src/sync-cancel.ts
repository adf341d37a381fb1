// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op } from '@iolayers/kernel'
import type { CancelData } from './cancel-data.ts'
import type { SyncCancelInit } from './contracts.ts'
import { fileOf, type OpCtx } from './op-ctx.ts'
import { CancelFlags } from './uapi-flags.ts'

/**
 * Cancels, and waits for those that a worker has begun to end: 0, a count, or -ENOENT, -EBADF, -ETIME, -EINTR.
 * @see io_uring/cancel.c io_sync_cancel
 */
export function* syncCancel(ctx: OpCtx, data: CancelData, init: SyncCancelInit): Op<number> {
  const flags = init.flags ?? 0
  const userData = init.userData ?? 0
  data.flags = flags
  data.userDataLow = userData | 0
  data.userDataHigh = (userData / 0x1_0000_0000) | 0
  data.opcode = init.opcode ?? 0
  const byFd = (flags & CancelFlags.FD) !== 0 && (flags & CancelFlags.FD_FIXED) === 0
  if ((flags & CancelFlags.FD) !== 0) {
    const fd = init.fd ?? -1
    data.file = byFd ? fileOf(ctx.fds, fd) : (ctx.tables.files[fd]?.file ?? null)
    if (data.file === null) return -Errno.EBADF
  }
  try {
    return yield* cancelUntilGone(ctx, data, init.timeoutNs ?? Number.POSITIVE_INFINITY)
  } finally {
    if (byFd) data.file?.put()
  }
}

function* cancelUntilGone(ctx: OpCtx, data: CancelData, timeoutNs: number): Op<number> {
  let result = ctx.canceller.cancel(data, null)
  if (result !== -Errno.EALREADY) return result
  const { ring } = ctx
  const condition = (): boolean => {
    if (ring.deferring) ring.runTaskWork()
    result = ctx.canceller.cancel(data, null)
    if (result !== -Errno.EALREADY) return true
    ring.wakeAt = 0
    return false
  }
  const left =
    timeoutNs === Number.POSITIVE_INFINITY
      ? yield* ring.cqWait.waitEventInterruptible(condition)
      : yield* ring.cqWait.waitEventInterruptibleTimeout(condition, timeoutNs)
  if (left < 0) return -Errno.EINTR
  if (result === -Errno.EALREADY) return -Errno.ETIME
  return result === -Errno.ENOENT || result > 0 ? 0 : result
}
