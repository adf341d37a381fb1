// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import type { BlockTrace } from '../disk/block-trace.ts'
import type { Disk } from '../disk/disk.ts'
import type { DiskCounters } from '../disk/disk-counters.ts'
import { ElvMerge } from '../merge/elv-merge.ts'
import { blkAttemptPlugMerge } from '../merge/plug-merge.ts'
import type { Plug } from '../mq/plug.ts'

export interface QueueSchedHome {
  readonly disk: Disk
  readonly counters: DiskCounters
  readonly trace: BlockTrace
}

/** What a disk's queue does with bios and requests on their way to the driver: merging, and its scheduler. */
export class QueueSched {
  /** @see include/linux/blkdev.h QUEUE_FLAG_NOMERGES */
  readonly noMerges: boolean
  readonly #home: QueueSchedHome

  constructor(home: QueueSchedHome, noMerges: boolean) {
    this.#home = home
    this.noMerges = noMerges
  }

  /**
   * Makes a bio part of a request that has not gone to the driver yet: how, or NO_MERGE. For a bio that `bioMergeable`
   * lets through and that fits one request.
   * @see block/blk-mq.c blk_mq_attempt_bio_merge
   */
  bioMerge(bio: Bio, plug: Plug | null): ElvMerge {
    if (this.noMerges) return ElvMerge.NO_MERGE
    return plug === null ? ElvMerge.NO_MERGE : blkAttemptPlugMerge(this.#home.disk, plug, bio)
  }

  /** @see block/blk-merge.c blk_account_io_merge_bio */
  accountMerge(bio: Bio, way: ElvMerge): void {
    const { counters, trace } = this.#home
    counters.addMerge(bio.biOpf)
    const point = way === ElvMerge.FRONT_MERGE ? trace.bioFrontmerge : trace.bioBackmerge
    if (point.enabled) trace.bio(point, bio)
  }
}
