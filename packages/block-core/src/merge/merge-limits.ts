// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { blkBoundarySectors } from '../limits/max-io-size.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { Request } from '../mq/request.ts'
import { ReqFlags, ReqOp, reqOp, SECTOR_SHIFT, SECTOR_SIZE } from '../req-flags.ts'

/** Bytes of a bio fit 32 bits. @see include/linux/blk_types.h BIO_MAX_SIZE */
const BIO_MAX_SECTORS = 0xffff_ffff >>> SECTOR_SHIFT

/** Sectors that a request which begins at `sector` may grow to. @see block/blk-merge.c blk_rq_get_max_sectors */
export function blkRqGetMaxSectors(rq: Request, limits: QueueLimits, sector: number): number {
  switch (reqOp(rq.cmdFlags)) {
    case ReqOp.DISCARD:
      return Math.min(limits.maxDiscardSectors, BIO_MAX_SECTORS)
    case ReqOp.SECURE_ERASE:
      return Math.min(limits.maxSecureEraseSectors, BIO_MAX_SECTORS)
    default:
      return maxDataSectors(limits, sector, (rq.cmdFlags & ReqFlags.ATOMIC) !== 0)
  }
}

/** @see include/linux/blkdev.h blk_boundary_sectors_left */
function maxDataSectors(limits: QueueLimits, sector: number, isAtomic: boolean): number {
  const most = isAtomic ? limits.atomicWriteMaxSectors : limits.maxSectors
  const boundary = blkBoundarySectors(limits, isAtomic)
  return boundary === 0 ? most : Math.min(most, boundary - (sector % boundary))
}

/** @see block/blk.h blk_rq_get_max_segments */
export function blkRqGetMaxSegments(rq: Request, limits: QueueLimits): number {
  return isDiscard(rq) ? limits.maxDiscardSegments : limits.maxSegments
}

export function isDiscard(rq: Request): boolean {
  return reqOp(rq.cmdFlags) === ReqOp.DISCARD
}

/** Discards gather, wherever they lie, where the device takes several ranges at once. @see block/blk.h blk_discard_mergable */
export function blkDiscardMergable(rq: Request, limits: QueueLimits): boolean {
  return isDiscard(rq) && limits.maxDiscardSegments > 1
}

/** Ranges of a discard. @see include/linux/blk-mq.h blk_rq_nr_discard_segments */
export function blkRqNrDiscardSegments(rq: Request): number {
  return Math.max(rq.nrPhysSegments, 1)
}

export function rqSectors(rq: Request): number {
  return rq.dataBytes / SECTOR_SIZE
}
