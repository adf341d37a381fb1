// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '../sched/op.ts'
import type { Task } from '../sched/task.ts'

/** What is queued between two flushes: how much of it has not ended. */
export interface FlushEpoch {
  count: number
  /** Older ones that may not have ended either. */
  before: FlushEpoch | null
}

/** What a worker needs of the queue that an item belongs to. */
export interface ItemOwner {
  readonly hasRescuer: boolean
  /** The item was taken by a worker. */
  begin(item: WorkItem, worker: Task): void
  end(item: WorkItem): void
  /** The item has waited long for a worker: the rescuer is to take it. */
  rescue(): void
}

/**
 * A piece of work; intrusive, so that queueing allocates nothing. One item is never run by two
 * workers at once. The fields from `owner` down belong to the work queue.
 *
 * @see include/linux/workqueue.h struct work_struct
 */
export class WorkItem {
  readonly name: string
  readonly fn: () => Op<void>
  /** Queued and not begun. */
  pending = false
  running = false
  owner: ItemOwner | null = null
  list: WorkList | null = null
  prev: WorkItem | null = null
  next: WorkItem | null = null
  worker: Task | null = null
  cancelling = 0
  pendingEpoch: FlushEpoch | null = null
  runningEpoch: FlushEpoch | null = null

  constructor(name: string, fn: () => Op<void>) {
    this.name = name
    this.fn = fn
  }
}

/** Items in the order of queueing. */
export class WorkList {
  first: WorkItem | null = null
  last: WorkItem | null = null

  push(item: WorkItem): void {
    item.list = this
    item.prev = this.last
    item.next = null
    if (this.last === null) this.first = item
    else this.last.next = item
    this.last = item
  }

  remove(item: WorkItem): void {
    if (item.prev === null) this.first = item.next
    else item.prev.next = item.next
    if (item.next === null) this.last = item.prev
    else item.next.prev = item.prev
    item.list = null
    item.prev = null
    item.next = null
  }
}
