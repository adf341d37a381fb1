// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { BlkStatus } from '../blk-status.ts'
import type { DmabufRegistrar } from '../dmabuf/contracts.ts'
import type { IoschedTunables, SchedulerName } from '../elevator/elevator.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { Passthrough } from '../mq/passthrough.ts'
import type { Plug } from '../mq/plug.ts'
import type { TagSet } from '../mq/tag-set.ts'
import type { BioBasedDisk } from './bio-submission.ts'
import type { DiskClaim } from './disk-claim.ts'
import type { DiskStats } from './disk-stats.ts'

/** The control side of a disk's queue. @see block/blk-mq.c */
export interface RequestQueue {
  /** Null: the disk's driver takes bios, and there are no requests. */
  readonly tagSet: TagSet | null
  /** The disk is dead or being destroyed: a driver does not try again what failed. @see include/linux/blkdev.h blk_queue_dying */
  readonly dying: boolean
  /** No new request enters; returns when all that entered have ended. Calls nest. */
  freeze(): Op<void>
  /** The first half of `freeze`: no new request enters from now on. Undone by `unfreeze`. */
  freezeStart(): void
  /** The second half, for so long: false when there still were requests after it. */
  freezeWait(timeoutNs: number): Op<boolean>
  unfreeze(): void
  /** The driver's `queueRq` is not called any more; what is in flight may still end. Calls nest. Does nothing where there is none. */
  quiesce(): void
  /** Returns when no call of the driver that hands a request to it is under way. @see block/blk-mq.c blk_mq_wait_quiesce_done */
  waitQuiesceDone(): Op<void>
  unquiesce(): void
  /** Gives the driver what it refused before. */
  runHwQueues(): void
  /** The same in a while. @see block/blk-mq.c blk_mq_delay_run_hw_queues */
  delayRunHwQueues(delayNs: number): void
  /** Requests that the driver gave back come again. @see block/blk-mq.c blk_mq_kick_requeue_list */
  kickRequeueList(): void
  delayKickRequeueList(delayNs: number): void
  /** Makes requests for commands of somebody's own; null where there are no requests. */
  readonly passthrough: Passthrough | null
  /** Its I/O scheduler. @see /sys/block/<disk>/queue/scheduler */
  readonly scheduler: SchedulerName
  /** The settings of the scheduler; null where it has none. They are new with each scheduler. */
  readonly iosched: IoschedTunables | null
  /**
   * Changes the scheduler, with the queue frozen meanwhile. Throws KernelError EINVAL for a name that there is not, ENOENT for a disk
   * that was destroyed.
   * @see block/elevator.c elevator_change
   */
  setScheduler(name: string): Op<void>
  /** Calls the driver's `poll` on each hardware queue; the number of completions found. */
  poll(): number
}

/** @see include/linux/blkdev.h struct gendisk */
export interface Disk {
  readonly name: string
  readonly capacitySectors: number
  readonly readOnly: boolean
  readonly limits: QueueLimits
  /** Requests that can be in flight at once; bios where there are no requests. */
  readonly nrRequests: number
  readonly queue: RequestQueue
  readonly dmabuf: DmabufRegistrar | null
  readonly stats: DiskStats
  /** Who has it to itself. */
  readonly claim: DiskClaim
  /** Not null: the driver takes bios, and this is how they come to it through other disks. */
  readonly bioBased: BioBasedDisk | null
  /**
   * Never sleeps. OK: accepted; the bio ends by its `biEndIo`, exactly once, possibly before this returns. Anything else:
   * nothing was handed over and `biEndIo` will not be called. AGAIN where it would have to sleep: no tag, or a split.
   */
  submitBio(bio: Bio, plug: Plug | null): BlkStatus
  /**
   * Splits, waits for tags, and always ends the bio by its `biEndIo`. With a plug the caller finishes it; before it sleeps this
   * does. Without one, the fragments of a split bio reach the driver in as few batches as tags allow.
   */
  submitBioWait(bio: Bio, plug: Plug | null): Op<void>
  setCapacity(sectors: number): void
  /** Writes that come from now on are refused; what is under way goes on. @see block/genhd.c set_disk_ro */
  setReadOnly(readOnly: boolean): void
  /** The device is gone: new I/O and submitters that wait end with IOERR. The driver ends what it was given. */
  markDead(): void
  /** Refuses new I/O, waits for what is in flight. Idempotent. */
  destroy(): Op<void>
}
