// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError } from '@iolayers/kernel'
import type { RequestQueue } from '../disk/disk.ts'
import type { BlkMqOps } from './blk-mq-ops.ts'
import { MqRqState, type Request } from './request.ts'
import { TagMap } from './tag-map.ts'

export interface TagSetInit<P> {
  readonly ops: BlkMqOps<P>
  readonly nrHwQueues: number
  /** Tags of each hardware queue. */
  readonly queueDepth: number
}

/** @see include/linux/blk-mq.h BLK_MQ_MAX_DEPTH */
const BLK_MQ_MAX_DEPTH = 10_240

/**
 * The tags and requests of a driver's hardware queues. Disks made over the same set share them.
 * @see include/linux/blk-mq.h struct blk_mq_tag_set
 */
export class TagSet<P = unknown> {
  readonly ops: BlkMqOps<P>
  readonly queueDepth: number
  readonly tagMaps: readonly TagMap<P>[]
  /** Of the disks over this set. */
  readonly queues: Set<RequestQueue>

  constructor(kernel: Kernel, init: TagSetInit<P>) {
    this.ops = init.ops
    this.queueDepth = init.queueDepth
    this.queues = new Set()
    const tagMaps: TagMap<P>[] = []
    for (let index = 0; index < init.nrHwQueues; index++) {
      tagMaps.push(new TagMap(kernel, init.ops, index, init.queueDepth))
    }
    this.tagMaps = tagMaps
  }

  get nrHwQueues(): number {
    return this.tagMaps.length
  }

  /** The request that a tag stands for; null where the tag is free or out of range. @see block/blk-mq.c blk_mq_tag_to_rq */
  tagToRq(hctxIndex: number, tag: number): Request<P> | null {
    const rq = this.tagMaps[hctxIndex]?.requests[tag]
    return rq === undefined || rq.mqHctx === null ? null : rq
  }

  /** Visits every request that was handed to the driver and has not ended. @see block/blk-mq-tag.c blk_mq_tagset_busy_iter */
  busyIter(visit: (rq: Request<P>) => void): void {
    for (const tags of this.tagMaps) {
      for (const rq of tags.requests) if (rq.state !== MqRqState.IDLE) visit(rq)
    }
  }

  /** From now on requests carry the time at which they were allocated. Idempotent. @see block/blk-stat.c blk_stat_enable_accounting */
  stampRequests(): void {
    for (const tags of this.tagMaps) tags.stampRequests()
  }

  /** @see block/blk-mq.c blk_mq_quiesce_tagset */
  quiesce(): void {
    for (const queue of this.queues) queue.quiesce()
  }

  unquiesce(): void {
    for (const queue of this.queues) queue.unquiesce()
  }
}

/**
 * Makes all requests of a driver, `initRequest` called for each. Throws KernelError EINVAL for a depth or a number of queues out of
 * range.
 * @see block/blk-mq.c blk_mq_alloc_tag_set
 */
export function createTagSet<P>(components: { kernel: Kernel }, init: TagSetInit<P>): TagSet<P> {
  requireRange('nrHwQueues', init.nrHwQueues, 65_535)
  requireRange('queueDepth', init.queueDepth, BLK_MQ_MAX_DEPTH)
  return new TagSet(components.kernel, init)
}

function requireRange(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return
  throw new KernelError('EINVAL', `tag set: ${name} is ${value}, but must be from 1 to ${most}`)
}
