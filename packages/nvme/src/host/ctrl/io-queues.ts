// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { AdminOpcode, FeatureId } from '../../spec/index.ts'
import type { AdminQueue } from '../admin/admin-queue.ts'
import type { NvmeQueue } from '../queue/nvme-queue.ts'

const QUEUE_PHYS_CONTIG = 1
const CQ_IRQ_ENABLED = 2

/** Asks for I/O queues, and returns how many there may be. @see drivers/nvme/host/core.c nvme_set_queue_count */
export function* setQueueCount(admin: AdminQueue, count: number): Op<number> {
  // Both halves are 0's based, in the answer too.
  const wanted = (count - 1) | ((count - 1) << 16)
  const granted = yield* admin.executeOrThrow('number of queues', {
    opcode: AdminOpcode.SET_FEATURES,
    cdw10: FeatureId.NUMBER_OF_QUEUES,
    cdw11: wanted,
  })
  return Math.min(granted & 0xffff, granted >>> 16) + 1
}

/** @see drivers/nvme/host/pci.c nvme_create_queue */
export function* createIoQueue(admin: AdminQueue, queue: NvmeQueue): Op<void> {
  const { vector } = queue
  const sizes = queue.qid | ((queue.entries - 1) << 16)
  yield* admin.executeOrThrow(`create completion queue ${queue.qid}`, {
    opcode: AdminOpcode.CREATE_IO_CQ,
    prp1: queue.cqDmaAddr,
    cdw10: sizes,
    cdw11: QUEUE_PHYS_CONTIG | (vector === null ? 0 : CQ_IRQ_ENABLED | (vector << 16)),
  })
  yield* admin.executeOrThrow(`create submission queue ${queue.qid}`, {
    opcode: AdminOpcode.CREATE_IO_SQ,
    prp1: queue.sqDmaAddr,
    cdw10: sizes,
    cdw11: QUEUE_PHYS_CONTIG | (queue.qid << 16),
  })
}

/** The submission queue goes first. @see drivers/nvme/host/pci.c nvme_delete_io_queues */
export function* deleteIoQueue(admin: AdminQueue, queue: NvmeQueue): Op<void> {
  yield* admin.executeOrThrow(`delete submission queue ${queue.qid}`, {
    opcode: AdminOpcode.DELETE_IO_SQ,
    cdw10: queue.qid,
  })
  yield* admin.executeOrThrow(`delete completion queue ${queue.qid}`, {
    opcode: AdminOpcode.DELETE_IO_CQ,
    cdw10: queue.qid,
  })
}
