// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { Request } from '../mq/request.ts'
import { REQ_OP_MASK, ReqFlags, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import { ElvMerge } from './elv-merge.ts'
import { blkDiscardMergable } from './merge-limits.ts'

/** With one of these a bio or a request stays alone. @see include/linux/blk_types.h REQ_NOMERGE_FLAGS */
const REQ_NOMERGE_FLAGS = ReqFlags.NOMERGE | ReqFlags.PREFLUSH | ReqFlags.FUA | ReqFlags.DMABUF

/**
 * What has to be the same on both sides. The kernel lets NOWAIT and POLLED mix; here a request with NOWAIT may end with
 * AGAIN, and nobody but its poller completes a polled one, so that each bio of a request has to have asked for it.
 */
const SAME = REQ_OP_MASK | ReqFlags.ATOMIC | ReqFlags.NOWAIT | ReqFlags.POLLED

/** One test of flags: all that a bio which never merges pays. @see include/linux/bio.h bio_mergeable */
export function bioMergeable(bio: { readonly biOpf: number }): boolean {
  return (bio.biOpf & REQ_NOMERGE_FLAGS) === 0
}

/** @see include/linux/blk-mq.h rq_mergeable */
export function rqMergeable(rq: Request): boolean {
  if ((rq.cmdFlags & REQ_NOMERGE_FLAGS) !== 0 || rq.flushSteps !== 0 || rq.bio === null)
    return false
  switch (reqOp(rq.cmdFlags)) {
    case ReqOp.READ:
    case ReqOp.WRITE:
    case ReqOp.DISCARD:
    case ReqOp.SECURE_ERASE:
      return true
    default:
      return false
  }
}

/** Whether a bio and a request are of one kind; sizes and places are looked at elsewhere. @see block/blk-merge.c blk_rq_merge_ok */
export function blkRqMergeOk(rq: Request, bio: Bio): boolean {
  if (!rqMergeable(rq) || !bioMergeable(bio)) return false
  return ((rq.cmdFlags ^ bio.biOpf) & SAME) === 0 && rq.bio?.biIoprio === bio.biIoprio
}

/** The same for two requests. @see block/blk-merge.c attempt_merge */
export function rqsMergeOk(rq: Request, next: Request): boolean {
  if (!rqMergeable(rq) || !rqMergeable(next)) return false
  return ((rq.cmdFlags ^ next.cmdFlags) & SAME) === 0 && rq.bio?.biIoprio === next.bio?.biIoprio
}

/** Where a bio would go, by its place. @see block/blk-merge.c blk_try_merge */
export function blkTryMerge(rq: Request, bio: Bio, limits: QueueLimits): ElvMerge {
  if (blkDiscardMergable(rq, limits)) return ElvMerge.DISCARD_MERGE
  const { biSector, biSize } = bio.biIter
  // In bytes: a product stays a small integer where a quotient may not.
  const apartBytes = (biSector - rq.sector) * SECTOR_SIZE
  if (apartBytes === rq.dataBytes) return ElvMerge.BACK_MERGE
  return apartBytes === -biSize ? ElvMerge.FRONT_MERGE : ElvMerge.NO_MERGE
}
