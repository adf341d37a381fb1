// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel, Op } from '@iolayers/kernel'
import type { BlkStatus } from '../blk-status.ts'
import type { Disk } from '../disk/disk.ts'
import { blkMqCompleteRequest } from '../mq/blk-mq.ts'
import { type BlkMqQueueMap, blkMqMapQueues, HctxType } from '../mq/queue-map.ts'
import { MqRqState } from '../mq/request.ts'
import { createTagSet, type TagSet } from '../mq/tag-set.ts'
import { blkMqUpdateNrHwQueues } from '../mq/update-nr-hw-queues.ts'
import { type NullBlkInit, nullBlkConfig, requireInteger } from './null-blk-init.ts'
import { NullBlkOps } from './null-blk-ops.ts'
import type { NullCmd } from './null-queue.ts'

export interface NullBlkQueues {
  readonly submitQueues: number
  readonly pollQueues: number
}

export interface NullBlkTagsInit extends NullBlkQueues {
  readonly nrCpus: number
  readonly hwQueueDepth: number
  readonly sharedTagBitmap: boolean
  readonly timeoutNs: number
}

/** A tag set with its driver: of one device, or shared by several. @see drivers/block/null_blk/main.c null_setup_tagset */
export class NullBlkTags {
  readonly ops: NullBlkOps
  readonly tagSet: TagSet<NullCmd>
  readonly #init: NullBlkTagsInit
  #queues: NullBlkQueues

  constructor(kernel: Kernel, init: NullBlkTagsInit) {
    this.ops = new NullBlkOps(kernel.scheduler)
    this.#init = init
    this.#queues = { submitQueues: init.submitQueues, pollQueues: init.pollQueues }
    this.tagSet = createTagSet(
      { kernel },
      {
        ops: this.ops,
        nrHwQueues: init.submitQueues + init.pollQueues,
        queueDepth: init.hwQueueDepth,
        nrCpus: init.nrCpus,
        timeoutNs: init.timeoutNs,
        hctxShared: init.sharedTagBitmap,
        nrMaps: init.pollQueues > 0 ? 3 : 1,
        mapQueues: (maps) => this.#mapQueues(maps),
      },
    )
  }

  get queues(): NullBlkQueues {
    return this.#queues
  }

  /** Throws KernelError EINVAL, and what making the queues throws: then they are what they were. @see drivers/block/null_blk/main.c nullb_update_nr_hw_queues */
  *update(queues: NullBlkQueues): Op<void> {
    requireQueues(queues, this.#init)
    const before = this.#queues
    this.#queues = queues
    try {
      yield* blkMqUpdateNrHwQueues(this.tagSet, queues.submitQueues + queues.pollQueues)
    } catch (error) {
      this.#queues = before
      throw error
    }
  }

  /** See NullBlk.cancelHung. */
  cancelHung(disk: Disk, status: BlkStatus): number {
    let cancelled = 0
    this.tagSet.busyIter((rq) => {
      const { pdu, mqHctx } = rq
      const isPolled = mqHctx?.type === HctxType.POLL
      if (!pdu.fakeTimeout || isPolled || rq.state !== MqRqState.IN_FLIGHT) return
      if (mqHctx?.disk !== disk) return
      pdu.error = status
      blkMqCompleteRequest(rq, status)
      cancelled++
    })
    return cancelled
  }

  /** @see drivers/block/null_blk/main.c null_map_queues */
  #mapQueues(maps: readonly BlkMqQueueMap[]): void {
    const { submitQueues, pollQueues } = this.#queues
    mapSome(maps[HctxType.DEFAULT], 0, submitQueues)
    mapSome(maps[HctxType.POLL], submitQueues, pollQueues)
  }
}

function mapSome(map: BlkMqQueueMap | undefined, queueOffset: number, nrQueues: number): void {
  if (map === undefined) return
  map.queueOffset = queueOffset
  map.nrQueues = nrQueues
  if (nrQueues > 0) blkMqMapQueues(map)
}

/** There are never more polled queues than at first. */
export function requireQueues(
  queues: NullBlkQueues,
  init: NullBlkQueues & { readonly nrCpus: number },
): void {
  requireInteger('submitQueues', queues.submitQueues, 1, init.nrCpus)
  requireInteger('pollQueues', queues.pollQueues, 0, init.pollQueues)
}

/** Tags and queues for several devices. Whoever made it destroys `tagSet` when they are off. Throws KernelError EINVAL. */
export function createNullBlkTags(
  components: { kernel: Kernel },
  init: Omit<NullBlkInit, 'name'>,
): NullBlkTags {
  return new NullBlkTags(components.kernel, nullBlkConfig({ ...init, name: 'nullb' }))
}
