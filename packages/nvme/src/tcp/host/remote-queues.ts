// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op, Scheduler } from '@iolayers/kernel'
import { queueEntryOf, queueIdOf } from '../../controller/admin/queue-entry.ts'
import { INVALID_FIELD, PENDING } from '../../controller/command-handler.ts'
import type { CommandSlot, SlotPool } from '../../controller/command-slot.ts'
import { QueueTable } from '../../controller/transport/queue-table.ts'
import { CompletionQueue, SubmissionQueue } from '../../controller/transport/queues.ts'
import { STATUS_DNR, Status } from '../../spec/index.ts'
import type { QueueLink } from './queue-link.ts'

const BAD_IDENTIFIER = Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR

/** What the queues need of their controller. */
export interface QueuesHome {
  readonly scheduler: Scheduler
  readonly slots: SlotPool
  /** Connects an I/O queue. Null: it could not be; false: nobody waits for it any more. */
  connect(qid: number, entries: number): Op<QueueLink | null | false>
  finish(slot: CommandSlot, status: number): void
  kick(): void
}

/** The rings of the driver, the connection of each pair of them, and the admin commands that make and delete them. */
export class RemoteQueues {
  readonly table: QueueTable
  /** By the identifier of the submission queue. */
  readonly links: (QueueLink | null)[]
  readonly #home: QueuesHome

  constructor(pairs: number, home: QueuesHome) {
    this.table = new QueueTable(pairs)
    this.links = new Array<QueueLink | null>(pairs + 1).fill(null)
    this.#home = home
  }

  /** All connections are closed. */
  forget(): void {
    for (const link of this.links) link?.close()
    this.links.fill(null)
    this.table.forget()
  }

  createCq(view: DataView, at: number): number {
    const { id, entries, baseAddr, isContiguous, interruptsEnabled, other } = queueEntryOf(view, at)
    if (!this.table.validId(id) || this.table.cq(id) !== null) return BAD_IDENTIFIER
    if (!isContiguous) return INVALID_FIELD
    const init = { id, entries, baseAddr, vector: other, interruptsEnabled }
    this.table.cqs[id] = new CompletionQueue(init)
    return Status.SUCCESS
  }

  /** Answered when the connection is there. */
  createSq(slot: CommandSlot, view: DataView, at: number): number {
    const { id, entries, baseAddr, isContiguous, other } = queueEntryOf(view, at)
    const cq = this.table.cq(other)
    if (!this.table.validId(id) || this.table.sq(id) !== null) return BAD_IDENTIFIER
    if (cq === null) return Status.COMPLETION_QUEUE_INVALID | STATUS_DNR
    if (!isContiguous) return INVALID_FIELD
    const sq = new SubmissionQueue({ id, baseAddr, entries, cq })
    this.#home.scheduler.spawn('nvme/tcp queue', this.#open(slot, sq))
    return PENDING
  }

  *#open(slot: CommandSlot, sq: SubmissionQueue): Op<void> {
    const home = this.#home
    const link = yield* home.connect(sq.id, sq.entries)
    if (link === false) return
    if (link !== null) {
      this.links[sq.id] = link
      this.table.sqs[sq.id] = sq
      sq.cq.users++
    }
    home.finish(slot, link === null ? Status.INTERNAL_ERROR : Status.SUCCESS)
    home.kick()
  }

  /** Commands of it that are under way end, as the deletion of a queue ends them. */
  deleteSq(view: DataView, at: number): number {
    const id = queueIdOf(view, at)
    const sq = this.table.sq(id)
    if (id === 0 || sq === null) return BAD_IDENTIFIER
    const { slots, finish } = this.#home
    this.links[id]?.close()
    this.links[id] = null
    for (const slot of slots.slots) {
      if (slot.sq === sq && !slot.over) finish(slot, Status.ABORTED_SQ_DELETION)
    }
    this.table.sqs[id] = null
    sq.cq.users--
    return Status.SUCCESS
  }

  deleteCq(view: DataView, at: number): number {
    const id = queueIdOf(view, at)
    const cq = this.table.cq(id)
    if (id === 0 || cq === null) return BAD_IDENTIFIER
    if (cq.users > 0) return Status.INVALID_QUEUE_DELETION | STATUS_DNR
    const { slots } = this.#home
    for (let late = cq.shiftBacklog(); late !== null; late = cq.shiftBacklog()) slots.give(late)
    this.table.cqs[id] = null
    return Status.SUCCESS
  }
}
