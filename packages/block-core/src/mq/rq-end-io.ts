// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BlkStatus } from '../blk-status.ts'
import type { Request } from './request.ts'

/**
 * Who frees a request after its `endIo`: the block layer, or whoever made it, by `blkMqFreeRequest`.
 * @see include/linux/blk-mq.h enum rq_end_io_ret
 */
export const RqEndIoRet = { NONE: 0, FREE: 1 } as const
export type RqEndIoRet = (typeof RqEndIoRet)[keyof typeof RqEndIoRet]

/** Receives the end of a request that somebody made for a command of his own. It may not sleep. @see include/linux/blk-mq.h rq_end_io_fn */
export interface RqEndIo<P = unknown> {
  rqEndIo(rq: Request<P>, status: BlkStatus): RqEndIoRet
}
