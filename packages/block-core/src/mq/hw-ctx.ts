// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '../disk/disk.ts'
import type { HctxType } from './queue-map.ts'

/** A hardware queue of a disk, as its driver sees it. @see include/linux/blk-mq.h struct blk_mq_hw_ctx */
export interface BlkMqHwCtx {
  /** Index of the hardware queue in its tag set; queues of several disks with the same index share tags. */
  readonly queueNum: number
  readonly disk: Disk
  /** What it is for. */
  readonly type: HctxType
  /** CPUs that submit to it; with 0 nothing does. */
  readonly nrCtx: number
  /** Tags that it has; with host-wide tags, that its disk has. @see include/linux/blk-mq.h struct blk_mq_hw_ctx nr_active */
  readonly nrActive: number
}
