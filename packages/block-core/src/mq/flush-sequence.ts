// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { opIsFlush, ReqFlags, ReqOp } from '../req-flags.ts'
import type { Request } from './request.ts'

// A bio that asks for a flush becomes a sequence of steps of one request, under one tag:
//
//   PREFLUSH ----> DATA ----> POSTFLUSH ----> ended
//   flush first    if any     where the device has no FUA
//
// A step that fails ends the request. @see block/blk-flush.c

const PREFLUSH = 1
const DATA = 2
const POSTFLUSH = 4

/**
 * Takes off what the device has no need for: without a volatile write cache everything is durable.
 * @see block/blk-core.c submit_bio_noacct
 */
export function dropNeedlessFlush(bio: Bio, limits: QueueLimits): void {
  if (!limits.writeCache) bio.biOpf &= ~(ReqFlags.PREFLUSH | ReqFlags.FUA)
}

/** The steps that a bio needs; 0 for one that is a plain request. @see block/blk-flush.c blk_flush_policy */
export function flushStepsOf(bio: Bio, limits: QueueLimits): number {
  if (!opIsFlush(bio.biOpf)) return 0
  const pre = (bio.biOpf & ReqFlags.PREFLUSH) !== 0 ? PREFLUSH : 0
  const data = bio.biIter.biSize > 0 ? DATA : 0
  const post = (bio.biOpf & ReqFlags.FUA) !== 0 && !limits.fua && data !== 0 ? POSTFLUSH : 0
  return pre === 0 && post === 0 ? 0 : pre | data | post
}

/** Fills in a request from its bio. */
export function rqInitFromBio(rq: Request, bio: Bio): void {
  rq.bio = bio
  rq.bioTail = bio
  rq.nrPhysSegments = bio.biNrSegments
  rq.cmdFlags = bio.biOpf
  rq.sector = bio.biIter.biSector
  rq.dataBytes = bio.biIter.biSize
  rq.dmabufMap = bio.biDmabufMap
  rq.dmabufOffsetBytes = bio.biDmabufMap === null ? 0 : bio.biIter.biBvecDone
}

/** Makes the request what its first outstanding step is. */
export function prepareFlushStep(rq: Request, bio: Bio, limits: QueueLimits): void {
  const first = rq.flushSteps & -rq.flushSteps
  if (first === DATA) {
    rqInitFromBio(rq, bio)
    rq.cmdFlags &= ~ReqFlags.PREFLUSH
    if (!limits.fua) rq.cmdFlags &= ~ReqFlags.FUA
    return
  }
  rq.cmdFlags = ReqOp.FLUSH
  rq.sector = 0
  rq.dataBytes = 0
  rq.nrPhysSegments = 0
  rq.dmabufMap = null
  rq.dmabufOffsetBytes = 0
}

/** A step is done: false when it was the last. */
export function nextFlushStep(rq: Request, limits: QueueLimits): boolean {
  rq.flushSteps &= rq.flushSteps - 1
  if (rq.flushSteps === 0 || rq.bio === null) return false
  prepareFlushStep(rq, rq.bio, limits)
  return true
}
