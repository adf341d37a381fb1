// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { Request } from '../mq/request.ts'
import {
  blkDiscardMergable,
  blkRqGetMaxSectors,
  blkRqGetMaxSegments,
  blkRqNrDiscardSegments,
  isDiscard,
  rqSectors,
} from './merge-limits.ts'
import { rqsMergeOk } from './merge-ok.ts'
import { bioWillGap } from './seam.ts'

/** @see block/blk-merge.c ll_merge_requests_fn, req_attempt_discard_merge */
function fits(rq: Request, next: Request, limits: QueueLimits): boolean {
  assert(rq.bio !== null && rq.bioTail !== null && next.bio !== null, 'merge: no bios')
  const gathers = blkDiscardMergable(rq, limits)
  if (!gathers) {
    if (rq.sector + rqSectors(rq) !== next.sector) return false
    if (bioWillGap(limits, rq.bio, rq.bioTail, next.bio)) return false
  }
  const segments = isDiscard(rq)
    ? blkRqNrDiscardSegments(rq) + blkRqNrDiscardSegments(next)
    : rq.nrPhysSegments + next.nrPhysSegments
  if (segments > blkRqGetMaxSegments(rq, limits)) return false
  if (rqSectors(rq) + rqSectors(next) > blkRqGetMaxSectors(rq, limits, rq.sector)) return false
  rq.nrPhysSegments = segments
  return true
}

/**
 * Puts the bios of `next` behind those of `rq`, if the two go together, and no driver has seen either. True: `next` has no
 * bios any more, and whoever holds it frees it.
 * @see block/blk-merge.c blk_attempt_req_merge, attempt_merge
 */
export function blkAttemptReqMerge(rq: Request, next: Request, limits: QueueLimits): boolean {
  if (!rqsMergeOk(rq, next) || !fits(rq, next, limits)) return false
  assert(rq.bioTail !== null, 'merge: no bios')
  rq.bioTail.biNext = next.bio
  rq.bioTail = next.bioTail
  rq.dataBytes += next.dataBytes
  next.bio = null
  next.bioTail = null
  return true
}
