// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { RequestQueue } from '../disk/disk.ts'
import { NR_HW_QUEUES_MAX, requireRange, type TagSet } from './tag-set.ts'

/**
 * Changes the number of hardware queues of a tag set and of all its disks, which are frozen meanwhile: tag maps and hardware queues that
 * stay are not touched, and submitters that wait for a tag of a queue that goes choose anew. With one kind of queues there are
 * never more than CPUs.
 *
 * A quiesced disk with requests has to be unquiesced first, or it will never be frozen. Throws KernelError EINVAL for a number out of
 * range, and what the driver throws where it cannot make the new ones: then the number is what it was, and I/O goes on.
 * @see block/blk-mq.c blk_mq_update_nr_hw_queues
 */
export function* blkMqUpdateNrHwQueues(tagSet: TagSet, nrHwQueues: number): Op<void> {
  requireRange('nrHwQueues', nrHwQueues, 1, NR_HW_QUEUES_MAX)
  yield* tagSet.updateNrHwqLock.lock()
  try {
    yield* updateFrozen(tagSet, tagSet.clampNrHwQueues(nrHwQueues))
  } finally {
    tagSet.updateNrHwqLock.unlock()
  }
}

function* updateFrozen(tagSet: TagSet, nrHwQueues: number): Op<void> {
  // With several kinds the driver may share out the same number anew.
  if (nrHwQueues === tagSet.nrHwQueues && tagSet.nrMaps === 1) return
  const frozen: RequestQueue[] = []
  try {
    // Disks that are added meanwhile have their turn too.
    for (const queue of tagSet.queues) {
      frozen.push(queue)
      yield* queue.freeze()
    }
    tagSet.resize(nrHwQueues)
  } finally {
    for (const queue of frozen) queue.unfreeze()
  }
}
