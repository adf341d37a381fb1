// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import type { Disk } from '../disk/disk.ts'
import { requireRange } from './tag-set.ts'

/**
 * Changes how many tags of each hardware queue are given out, reserved ones among them, with the disk frozen. Tags are those of the tag
 * set: all disks over it get the new depth, and what another disk has in flight above it comes back when it ends. Throws KernelError EINVAL
 * for a disk without requests, a depth that leaves no tag but reserved ones, or is more than the set's `queueDepth`.
 * @see block/blk-mq.c blk_mq_update_nr_requests; block/blk-sysfs.c queue_requests_store
 */
export function* blkMqUpdateNrRequests(disk: Disk, nrRequests: number): Op<void> {
  const { queue } = disk
  const { tagSet } = queue
  if (tagSet === null) {
    throw new KernelError('EINVAL', `${disk.name}: nr_requests of a disk without requests`)
  }
  requireRange('nr_requests', nrRequests, tagSet.reservedTags + 1, tagSet.queueDepth)
  yield* tagSet.updateNrHwqLock.lock()
  try {
    if (nrRequests === tagSet.nrRequests) return
    yield* queue.freeze()
    try {
      tagSet.setNrRequests(nrRequests)
    } finally {
      queue.unfreeze()
    }
  } finally {
    tagSet.updateNrHwqLock.unlock()
  }
}
