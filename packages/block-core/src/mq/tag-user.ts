// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Scheduler, WaitQueue } from '@iolayers/kernel'

/**
 * What one hardware queue of one disk has of a tag map that several disks may share: how many of its tags it has, how many it may
 * have, and who sleeps for one. Written by its tag map only. With host-wide tags all hardware queues of a disk are one user.
 * @see include/linux/blk-mq.h struct blk_mq_hw_ctx nr_active, BLK_MQ_S_TAG_ACTIVE
 */
export class TagUser {
  readonly name: string
  /** Tags that it has, reserved ones among them. */
  active: number
  /** It takes no tag where it has this many. */
  limit: number
  /** It counts as one of those among whom the tags are divided. */
  busy: boolean
  /** Its hardware queue is gone: nobody sleeps here any more. */
  closed: boolean
  /** Submitters that wait for a tag, those that were woken and have not run among them. */
  sleepers: number
  /** When it last found no tag. */
  refusedNs: number
  readonly wait: WaitQueue

  constructor(scheduler: Scheduler, name: string) {
    this.name = name
    this.active = 0
    this.limit = 0
    this.busy = false
    this.closed = false
    this.sleepers = 0
    this.refusedNs = Number.NEGATIVE_INFINITY
    this.wait = new WaitQueue(scheduler, `tags of ${name}`)
  }
}
