// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Work that may sleep, done later by a bounded number of workers. A queue made with a rescuer has one more worker that is never
// lent to anybody else, so that work on the way to freeing memory always finds one.

import { assert } from '../assert.ts'
import type { Op } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { Timer } from '../sched/timer.ts'
import { WaitQueue } from '../sync/wait-queue.ts'

/** A piece of work; intrusive, so that queueing allocates nothing. @see include/linux/workqueue.h struct work_struct */
export class WorkItem {
  readonly name: string
  readonly fn: () => Op<void>
  /** Queued and not begun. */
  pending = false
  running = false
  next: WorkItem | null = null

  constructor(name: string, fn: () => Op<void>) {
    this.name = name
    this.fn = fn
  }
}

export interface WorkQueue {
  readonly name: string
  /** Items taken off the queue so far. */
  readonly begun: number
  /** False while it is pending already. An item queued while it runs runs once more. */
  queue(item: WorkItem): boolean
  /** Returns when everything queued before has been done. */
  flush(): Op<void>
  /** The item is neither pending nor running afterwards. True if it was pending. */
  cancelSync(item: WorkItem): Op<boolean>
  /** Does what is queued, then ends. Nothing may be queued afterwards. */
  destroy(): Op<void>
}

export interface WorkQueueInit {
  readonly name: string
  readonly maxActive: number
  /** WQ_MEM_RECLAIM. */
  readonly rescuer?: boolean
}

/** @see kernel/workqueue.c alloc_workqueue */
export function createWorkQueue(
  components: { readonly scheduler: Scheduler },
  init: WorkQueueInit,
): WorkQueue {
  return new Queue(components.scheduler, init)
}

class Queue implements WorkQueue {
  readonly name: string
  readonly #scheduler: Scheduler
  readonly #workersMax: number
  readonly #work: WaitQueue
  readonly #done: WaitQueue
  begun = 0
  #first: WorkItem | null = null
  #last: WorkItem | null = null
  #workers = 0
  #idle = 0
  #active = 0
  #queued = 0
  #destroyed = false

  constructor(scheduler: Scheduler, init: WorkQueueInit) {
    assert(init.maxActive > 0, 'a work queue needs a worker')
    this.name = init.name
    this.#scheduler = scheduler
    this.#workersMax = init.maxActive + (init.rescuer === true ? 1 : 0)
    this.#work = new WaitQueue(scheduler, `work on ${init.name}`)
    this.#done = new WaitQueue(scheduler, `work queue ${init.name} to get on`)
  }

  queue(item: WorkItem): boolean {
    assert(!this.#destroyed, 'work was queued on a work queue that has ended')
    if (item.pending) return false
    item.pending = true
    item.next = null
    if (this.#last === null) this.#first = item
    else this.#last.next = item
    this.#last = item
    this.#queued++
    if (this.#idle > 0) this.#work.wakeUp()
    else if (this.#workers < this.#workersMax) this.#startWorker()
    return true
  }

  *flush(): Op<void> {
    const target = this.#queued
    yield* this.#done.waitEvent(() => this.begun >= target && this.#active === 0)
  }

  *cancelSync(item: WorkItem): Op<boolean> {
    const wasPending = item.pending
    if (wasPending) this.#unlink(item)
    yield* this.#done.waitEvent(() => !item.running)
    return wasPending
  }

  *destroy(): Op<void> {
    yield* this.flush()
    this.#destroyed = true
    this.#work.wakeUpAll()
  }

  #startWorker(): void {
    this.#workers++
    this.#scheduler.spawn(`${this.name}/${this.#workers}`, this.#serve(), { daemon: true })
  }

  *#serve(): Op<void> {
    const wanted = (): boolean => this.#destroyed || this.#first !== null
    for (;;) {
      this.#idle++
      yield* this.#work.waitEvent(wanted)
      this.#idle--
      const item = this.#take()
      if (item === null) {
        if (this.#destroyed) return
        continue
      }
      yield* this.#do(item)
    }
  }

  *#do(item: WorkItem): Op<void> {
    // Never two runs of one item at once.
    yield* this.#done.waitEvent(() => !item.running)
    item.running = true
    const task = this.#scheduler.current
    if (task !== null) task.daemon = false
    try {
      yield* item.fn()
    } catch (error) {
      this.#scheduler.raise(error, `work ${item.name}`)
    } finally {
      item.running = false
      this.#active--
      if (task !== null) task.daemon = true
      this.#done.wakeUpAll()
    }
  }

  #take(): WorkItem | null {
    const item = this.#first
    if (item === null) return null
    this.#unlink(item)
    this.#active++
    return item
  }

  #unlink(item: WorkItem): void {
    let before: WorkItem | null = null
    for (let at = this.#first; at !== null && at !== item; at = at.next) before = at
    if (before === null) this.#first = item.next
    else before.next = item.next
    if (this.#last === item) this.#last = before
    item.next = null
    item.pending = false
    this.begun++
  }
}

/** Work that is queued after a delay. @see include/linux/workqueue.h struct delayed_work */
export class DelayedWork {
  readonly work: WorkItem
  readonly #timer: Timer

  constructor(scheduler: Scheduler, queue: WorkQueue, name: string, fn: () => Op<void>) {
    this.work = new WorkItem(name, fn)
    this.#timer = new Timer(scheduler, name, () => queue.queue(this.work))
  }

  /** Moves the delay when it is pending already. @see kernel/workqueue.c mod_delayed_work */
  schedule(delayNs: number): void {
    this.#timer.arm(delayNs)
  }

  /** True if the delay had not yet run out. */
  cancelTimer(): boolean {
    return this.#timer.cancel()
  }
}
