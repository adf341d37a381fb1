// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Blocker, Op, Park } from '../sched/op.ts'
import type { Task } from '../sched/task.ts'

/** What is queued between two flushes: how much of it has not ended. */
export interface FlushEpoch {
  count: number
  /** Older ones that may not have ended either. */
  before: FlushEpoch | null
}

/** What a worker needs of the queue that an item belongs to. */
export interface ItemOwner extends Park {
  readonly hasRescuer: boolean
  /** The item was taken by a worker. */
  begin(item: WorkItem, worker: Task): void
  end(item: WorkItem): void
  /** The item has waited long for a worker: the rescuer is to take it. */
  rescue(): void
  /** Who has to get on before the item, which has not begun, can: empty when somebody is free to take it. One of them is enough. */
  blockersOf(item: WorkItem): readonly Blocker[]
}

/**
 * A piece of work; intrusive, so that queueing allocates nothing. One item is never run by two
 * workers at once. The fields from `home` down belong to the work queue.
 *
 * @see include/linux/workqueue.h struct work_struct
 */
export class WorkItem implements Park {
  readonly name: string
  readonly fn: () => Op<void>
  /** Queued and not begun. */
  pending = false
  running = false
  home: ItemOwner | null = null
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

  get what(): string {
    return `work ${this.name}`
  }

  /** While it runs, its worker; while it waits, those who keep it from a worker. */
  blockers(): readonly Blocker[] {
    if (this.worker !== null) return [this.worker]
    return this.pending && this.home !== null ? this.home.blockersOf(this) : []
  }

  get anyOf(): boolean {
    return true
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
