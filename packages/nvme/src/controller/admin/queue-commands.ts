// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Creating and deleting I/O queues.

import { CQE_BYTES, SQE_BYTES, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_FIELD, PENDING } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'
import { CompletionQueue, QueuePriority, SubmissionQueue } from '../transport/queues.ts'
import { queueEntryOf, queueIdOf } from './queue-entry.ts'

const QUEUE_PRIORITIES: readonly QueuePriority[] = [
  QueuePriority.URGENT,
  QueuePriority.HIGH,
  QueuePriority.MEDIUM,
  QueuePriority.LOW,
]
const INVALID_USE_OF_CMB = Status.INVALID_USE_OF_CMB | STATUS_DNR

/** @see NVMe Base 2.1, 5.2.1 (Create I/O Completion Queue) */
export function createCq(
  controller: Controller,
  _slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const {
    id,
    entries,
    baseAddr,
    isContiguous,
    interruptsEnabled,
    other: vector,
  } = queueEntryOf(view, at)
  if (!controller.queues.validId(id) || controller.queues.cq(id) !== null) {
    return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  }
  if (entries < 2 || entries > controller.queueEntriesMax)
    return Status.INVALID_QUEUE_SIZE | STATUS_DNR
  if (!isContiguous) return INVALID_FIELD
  if (baseAddr % controller.pageBytes !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
  if (vector >= controller.vectors) return Status.INVALID_INTERRUPT_VECTOR | STATUS_DNR
  if (controller.memoryBuffer?.straddles(baseAddr, entries * CQE_BYTES)) return INVALID_USE_OF_CMB
  controller.setCompletionQueue(
    id,
    new CompletionQueue({ id, baseAddr, entries, vector, interruptsEnabled }),
  )
  return Status.SUCCESS
}

/** @see NVMe Base 2.1, 5.2.2 (Create I/O Submission Queue) */
export function createSq(
  controller: Controller,
  _slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const { id, entries, baseAddr, isContiguous, priority, other: cqId } = queueEntryOf(view, at)
  if (!controller.queues.validId(id) || controller.queues.sq(id) !== null) {
    return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  }
  if (entries < 2 || entries > controller.queueEntriesMax)
    return Status.INVALID_QUEUE_SIZE | STATUS_DNR
  if (!controller.queues.validId(cqId)) return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  const cq = controller.queues.cq(cqId)
  if (cq === null) return Status.COMPLETION_QUEUE_INVALID | STATUS_DNR
  if (!isContiguous) return INVALID_FIELD
  if (baseAddr % controller.pageBytes !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
  if (controller.memoryBuffer?.straddles(baseAddr, entries * SQE_BYTES)) return INVALID_USE_OF_CMB
  cq.users++
  controller.queues.sqs[id] = new SubmissionQueue({
    id,
    baseAddr,
    entries,
    cq,
    priority: QUEUE_PRIORITIES[priority] ?? QueuePriority.URGENT,
  })
  return Status.SUCCESS
}

/** @see NVMe Base 2.1, 5.2.3 */
export function deleteCq(
  controller: Controller,
  _slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const id = queueIdOf(view, at)
  const cq = controller.queues.validId(id) ? controller.queues.cq(id) : null
  if (cq === null) return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  if (cq.users > 0) return Status.INVALID_QUEUE_DELETION | STATUS_DNR
  controller.setCompletionQueue(id, null)
  return Status.SUCCESS
}

/**
 * What can be stopped ends with Command Aborted due to SQ Deletion. The deletion ends when all commands that were fetched from the queue
 * have ended: from then on it does no DMA. @see NVMe Base 2.1, 5.2.4
 */
export function deleteSq(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const id = queueIdOf(view, at)
  const sq = controller.queues.validId(id) ? controller.queues.sq(id) : null
  if (sq === null) return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  controller.queues.sqs[id] = null
  controller.abortQueue(sq)
  if (sq.outstanding === 0) {
    sq.cq.users--
    return Status.SUCCESS
  }
  sq.deletion = slot
  return PENDING
}
