// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, type Op, WaitQueue } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { BlockTrace } from '../disk/block-trace.ts'
import type { Disk } from '../disk/disk.ts'
import type { DiskCounters } from '../disk/disk-counters.ts'
import { ElvMerge } from '../merge/elv-merge.ts'
import { blkAttemptPlugMerge } from '../merge/plug-merge.ts'
import type { Plug } from '../mq/plug.ts'
import type { Elevator, ElevatorHost, SchedulerName } from './elevator.ts'
import { createMqDeadline } from './mq-deadline.ts'

export interface QueueSchedHome {
  readonly kernel: Kernel
  readonly disk: Disk
  readonly counters: DiskCounters
  readonly trace: BlockTrace
}

/** What a disk's queue does with bios and requests on their way to the driver: merging, and its scheduler. */
export class QueueSched {
  /** @see include/linux/blkdev.h QUEUE_FLAG_NOMERGES */
  readonly noMerges: boolean
  /** Null: none. Changes only while the queue is frozen. */
  elevator: Elevator | null
  readonly #home: QueueSchedHome
  readonly #wait: WaitQueue

  constructor(home: QueueSchedHome, noMerges: boolean) {
    this.#home = home
    this.noMerges = noMerges
    this.elevator = null
    this.#wait = new WaitQueue(home.kernel.scheduler, `scheduler of ${home.disk.name}`)
  }

  get name(): SchedulerName {
    return this.elevator?.name ?? 'none'
  }

  /** Nothing of the old one stays. No request is on the queue. @see block/elevator.c elevator_switch */
  switchTo(name: SchedulerName): void {
    this.elevator = name === 'mq-deadline' ? createMqDeadline(this.#host()) : null
    this.wakeAll()
  }

  /**
   * Makes a bio part of a request that has not gone to the driver yet: how, or NO_MERGE. For a bio that `bioMergeable`
   * lets through and that fits one request.
   * @see block/blk-mq.c blk_mq_attempt_bio_merge
   */
  bioMerge(bio: Bio, plug: Plug | null): ElvMerge {
    if (this.noMerges) return ElvMerge.NO_MERGE
    const { elevator } = this
    if (plug !== null) {
      const way = blkAttemptPlugMerge(this.#home.disk, plug, bio)
      if (way !== ElvMerge.NO_MERGE) return way
    }
    return elevator === null ? ElvMerge.NO_MERGE : elevator.bioMerge(bio)
  }

  /** @see block/blk-merge.c blk_account_io_merge_bio */
  accountMerge(bio: Bio, way: ElvMerge): void {
    const { counters, trace } = this.#home
    counters.addMerge(bio.biOpf)
    const point = way === ElvMerge.FRONT_MERGE ? trace.bioFrontmerge : trace.bioBackmerge
    if (point.enabled) trace.bio(point, bio)
  }

  /** Whether a submitter that has `nrActive` tags may have one more. @see block/blk-mq.c blk_mq_limit_depth */
  mayAllocate(opf: number, nrActive: number): boolean {
    const { elevator } = this
    return elevator === null || elevator.mayAllocate(opf, nrActive)
  }

  /** Waits until the scheduler lets a submitter have a tag for this operation word, or `giveUp` holds. */
  waitAllowed(opf: number, nrActive: () => number, giveUp: () => boolean): Op<void> {
    return this.#wait.waitEvent(() => giveUp() || this.mayAllocate(opf, nrActive()))
  }

  /** A tag came back, or something else changed: those who wait look again whether they have to. */
  wakeAll(): void {
    this.#wait.wakeUpAll()
  }

  #host(): ElevatorHost {
    const { kernel, disk, counters, trace } = this.#home
    const { tagSet } = disk.queue
    assert(tagSet !== null, 'a scheduler for a disk without requests')
    return {
      limits: disk.limits,
      noMerges: this.noMerges,
      get nrRequests() {
        return tagSet.nrRequests
      },
      nowNs: () => kernel.scheduler.nowNs(),
      freeMerged: (rq) => {
        counters.addRequestMerge(rq)
        const { rqMerge } = trace
        if (rqMerge.enabled) trace.rq(rqMerge, rq, rq.dataBytes)
        rq.mqHctx?.freeMerged(rq)
      },
    }
  }
}
