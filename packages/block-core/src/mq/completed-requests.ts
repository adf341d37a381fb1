// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, sleep } from '@iolayers/kernel'
import { MqRqState } from './request.ts'
import type { TagSet } from './tag-set.ts'

/** @see block/blk-mq-tag.c blk_mq_tagset_wait_completed_request */
const POLL_INTERVAL_NS = 5_000_000

/**
 * Requests that the device, or who cancelled them, is done with, and that have not ended yet.
 * @see block/blk-mq-tag.c blk_mq_tagset_count_completed_rqs
 */
export function blkMqTagsetCountCompletedRqs(tagSet: TagSet): number {
  let count = 0
  tagSet.busyIter((rq) => {
    if (rq.state === MqRqState.COMPLETE) count++
  })
  return count
}

/**
 * Waits until every request that is complete has ended, looking every 5 ms. Those that were cancelled with `busyIter` and
 * `blkMqCompleteRequest` are over then, also where the driver's `complete` ends them later.
 * @see block/blk-mq-tag.c blk_mq_tagset_wait_completed_request
 */
export function* blkMqTagsetWaitCompletedRequest(tagSet: TagSet): Op<void> {
  while (blkMqTagsetCountCompletedRqs(tagSet) > 0) {
    yield* sleep(tagSet.kernel.scheduler, POLL_INTERVAL_NS)
  }
}
