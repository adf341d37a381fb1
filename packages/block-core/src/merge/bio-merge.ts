// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { Request } from '../mq/request.ts'
import { ReqFlags, SECTOR_SIZE } from '../req-flags.ts'
import { ElvMerge } from './elv-merge.ts'
import {
  blkRqGetMaxSectors,
  blkRqGetMaxSegments,
  blkRqNrDiscardSegments,
  isDiscard,
  rqSectors,
} from './merge-limits.ts'
import { blkRqMergeOk, blkTryMerge } from './merge-ok.ts'
import { bioWillGap } from './seam.ts'

/** What does not fit now will not fit later: nobody needs to try again. @see block/blk-merge.c req_set_nomerge */
function reqSetNomerge(rq: Request): false {
  rq.cmdFlags |= ReqFlags.NOMERGE
  return false
}

function tailOf(rq: Request): Bio {
  assert(rq.bioTail !== null, 'merge: a request without bios')
  return rq.bioTail
}

function headOf(rq: Request): Bio {
  assert(rq.bio !== null, 'merge: a request without bios')
  return rq.bio
}

/** A discard of one range needs no more segments when it grows. @see block/blk-merge.c ll_new_hw_segment */
function addSegments(rq: Request, limits: QueueLimits, segments: number): boolean {
  if (isDiscard(rq)) return true
  const total = rq.nrPhysSegments + segments
  if (total > blkRqGetMaxSegments(rq, limits)) return reqSetNomerge(rq)
  rq.nrPhysSegments = total
  return true
}

function fitsSectors(rq: Request, bio: Bio, limits: QueueLimits, sector: number): boolean {
  const sectors = rqSectors(rq) + bio.biIter.biSize / SECTOR_SIZE
  return sectors <= blkRqGetMaxSectors(rq, limits, sector) || reqSetNomerge(rq)
}

/** Whether a bio fits behind a request, which then counts its segments. @see block/blk-merge.c ll_back_merge_fn */
function llBackMerge(rq: Request, bio: Bio, limits: QueueLimits): boolean {
  if (bioWillGap(limits, headOf(rq), tailOf(rq), bio)) return false
  return fitsSectors(rq, bio, limits, rq.sector) && addSegments(rq, limits, bio.biNrSegments)
}

/** @see block/blk-merge.c ll_front_merge_fn */
function llFrontMerge(rq: Request, bio: Bio, limits: QueueLimits): boolean {
  if (bioWillGap(limits, bio, bio, headOf(rq))) return false
  const { biSector } = bio.biIter
  return fitsSectors(rq, bio, limits, biSector) && addSegments(rq, limits, bio.biNrSegments)
}

function append(rq: Request, bio: Bio): void {
  tailOf(rq).biNext = bio
  rq.bioTail = bio
  rq.dataBytes += bio.biIter.biSize
}

/** @see block/blk-merge.c bio_attempt_back_merge */
export function bioAttemptBackMerge(rq: Request, bio: Bio, limits: QueueLimits): boolean {
  if (!llBackMerge(rq, bio, limits)) return false
  append(rq, bio)
  return true
}

/** @see block/blk-merge.c bio_attempt_front_merge */
export function bioAttemptFrontMerge(rq: Request, bio: Bio, limits: QueueLimits): boolean {
  if (!llFrontMerge(rq, bio, limits)) return false
  bio.biNext = rq.bio
  rq.bio = bio
  rq.sector = bio.biIter.biSector
  rq.dataBytes += bio.biIter.biSize
  return true
}

/** One range more for a discard; it may lie anywhere. @see block/blk-merge.c bio_attempt_discard_merge */
export function bioAttemptDiscardMerge(rq: Request, bio: Bio, limits: QueueLimits): boolean {
  const ranges = blkRqNrDiscardSegments(rq)
  if (ranges >= blkRqGetMaxSegments(rq, limits)) return reqSetNomerge(rq)
  if (!fitsSectors(rq, bio, limits, rq.sector)) return false
  append(rq, bio)
  rq.nrPhysSegments = ranges + 1
  return true
}

/**
 * Adds a bio to a request that no driver has seen yet, in front of its bios or behind them, if it fits: how it went in, or
 * NO_MERGE. The bio ends with the request, with its own bytes.
 * @see block/blk-merge.c blk_attempt_bio_merge
 */
export function blkAttemptBioMerge(rq: Request, bio: Bio, limits: QueueLimits): ElvMerge {
  const way = blkTryMerge(rq, bio, limits)
  if (way === ElvMerge.NO_MERGE || !blkRqMergeOk(rq, bio)) return ElvMerge.NO_MERGE
  return attemptMerge(rq, bio, limits, way) ? way : ElvMerge.NO_MERGE
}

export function attemptMerge(rq: Request, bio: Bio, limits: QueueLimits, way: ElvMerge): boolean {
  switch (way) {
    case ElvMerge.BACK_MERGE:
      return bioAttemptBackMerge(rq, bio, limits)
    case ElvMerge.FRONT_MERGE:
      return bioAttemptFrontMerge(rq, bio, limits)
    case ElvMerge.DISCARD_MERGE:
      return bioAttemptDiscardMerge(rq, bio, limits)
    default:
      return false
  }
}
