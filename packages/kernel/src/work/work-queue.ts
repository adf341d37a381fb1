// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Work that may sleep, done later by a bounded number of workers. Queues may share a pool of workers; when all of those are
// blocked, a queue with a rescuer still gets on: work on the way to freeing memory always finds somebody.

import { assert, assertLive } from '../assert.ts'
import type { Blocker, Op } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import type { Task } from '../sched/task.ts'
import { WaitQueue } from '../sync/wait-queue.ts'
import { type FlushEpoch, type ItemOwner, type WorkItem, WorkList } from './work-item.ts'
import { runItem, WorkerPool } from './worker-pool.ts'

export interface WorkQueue {
  readonly name: string
  /** Items begun so far. */
  readonly begun: number
  /** Items begun by the rescuer so far. */
  readonly rescued: number
  /**
   * False while it is pending already, or being cancelled. An item queued while it runs runs once
   * more afterwards. From any context.
   */
  queue(item: WorkItem): boolean
  /** Returns when everything queued before has ended. Not from an item of this queue. */
  flush(): Op<void>
  /** Takes the item off if it has not begun; true if it was pending. From any context. */
  cancel(item: WorkItem): boolean
  /** The item is neither pending nor running afterwards. True if it was pending. Not from the item. */
  cancelSync(item: WorkItem): Op<boolean>
  /** Does what is queued, what that queues too, and ends. Nothing may be queued afterwards. */
  destroy(): Op<void>
}

export interface WorkQueueInit {
  readonly name: string
  /** Items that run, or wait for a worker, at the same time; 1 makes it an ordered queue. */
  readonly maxActive: number
  /** WQ_MEM_RECLAIM. */
  readonly rescuer?: boolean
}

export interface WorkQueueComponents {
  readonly scheduler: Scheduler
  /** Default: a pool of its own, of `maxActive` workers. */
  readonly workers?: WorkerPool
}

/** @see kernel/workqueue.c alloc_workqueue */
export function createWorkQueue(components: WorkQueueComponents, init: WorkQueueInit): WorkQueue {
  return new Queue(components, init)
}

class Queue implements WorkQueue, ItemOwner {
  readonly name: string
  readonly hasRescuer: boolean
  readonly what: string
  readonly anyOf = true
  begun = 0
  rescued = 0
  readonly #scheduler: Scheduler
  readonly #pool: WorkerPool
  readonly #ownsPool: boolean
  readonly #maxActive: number
  readonly #inactive: WorkList = new WorkList()
  readonly #done: WaitQueue
  readonly #mayday: WaitQueue
  #rescuer: Task | null = null
  #maydayCalled = false
  #active = 0
  #epoch: FlushEpoch = { count: 0, before: null }
  #destroyed = false

  constructor(components: WorkQueueComponents, init: WorkQueueInit) {
    assert(init.maxActive > 0, 'a work queue that does nothing')
    const { name, maxActive } = init
    this.name = name
    this.what = `work queue ${name}`
    this.hasRescuer = init.rescuer === true
    this.#scheduler = components.scheduler
    this.#ownsPool = components.workers === undefined
    this.#pool =
      components.workers ?? new WorkerPool(components.scheduler, { name, workersMax: maxActive })
    this.#maxActive = maxActive
    this.#done = new WaitQueue(components.scheduler, this.what, this)
    this.#mayday = new WaitQueue(components.scheduler, `a mayday of ${name}`, { idle: true })
  }

  queue(item: WorkItem): boolean {
    assertLive(!this.#destroyed, 'work was queued on a work queue that has ended')
    if (item.pending || item.cancelling > 0) return false
    assert(!item.running || item.home === this, 'an item moved to another queue while it ran')
    item.pending = true
    item.home = this
    item.pendingEpoch = this.#epoch
    this.#epoch.count++
    if (!item.running) this.#insert(item)
    return true
  }

  *flush(): Op<void> {
    const epoch = this.#epoch
    if (ended(epoch)) return
    this.#refuseSelf()
    this.#epoch = { count: 0, before: epoch }
    this.#scheduler.watch?.workWaited(this)
    yield* this.#done.waitEvent(() => ended(epoch))
  }

  cancel(item: WorkItem): boolean {
    if (!item.pending) return false
    assert(item.home === this, 'an item was cancelled on a queue that it is not on')
    item.pending = false
    this.#settle(item.pendingEpoch)
    item.pendingEpoch = null
    if (this.#pool.holds(item)) {
      this.#pool.remove(item)
      this.#release()
    } else item.list?.remove(item)
    return true
  }

  *cancelSync(item: WorkItem): Op<boolean> {
    const wasPending = this.cancel(item)
    if (!item.running) return wasPending
    assert(item.home === this, 'an item was cancelled on a queue that it is not on')
    assert(item.worker !== this.#scheduler.current, 'a work item waits for its own end')
    this.#scheduler.watch?.workWaited(item)
    item.cancelling++
    try {
      yield* this.#done.waitEvent(() => !item.running)
    } finally {
      item.cancelling--
    }
    return wasPending
  }

  *destroy(): Op<void> {
    while (!ended(this.#epoch)) yield* this.flush()
    this.#destroyed = true
    this.#mayday.wakeUpAll()
    if (this.#ownsPool) this.#pool.stop()
  }

  begin(item: WorkItem, worker: Task): void {
    item.pending = false
    item.running = true
    item.worker = worker
    item.runningEpoch = item.pendingEpoch
    item.pendingEpoch = null
    this.begun++
    if (worker === this.#rescuer) this.rescued++
  }

  end(item: WorkItem): void {
    item.running = false
    item.worker = null
    const epoch = item.runningEpoch
    item.runningEpoch = null
    this.#release()
    // Queued again while it ran.
    if (item.pending) this.#insert(item)
    this.#settle(epoch)
  }

  blockers(): readonly Blocker[] {
    const next = this.#inactive.first
    return next === null ? this.#activeBlockers() : [...this.#activeBlockers(), next]
  }

  blockersOf(item: WorkItem): readonly Blocker[] {
    if (!this.#pool.holds(item)) return this.#activeBlockers()
    const { busy } = this.#pool
    if (!this.hasRescuer || busy.length === 0) return busy
    // It comes sooner or later, unless it is at something itself.
    const rescuer = this.#busyRescuer
    return rescuer === null ? [] : [...busy, rescuer]
  }

  rescue(): void {
    this.#maydayCalled = true
    if (this.#rescuer === null) {
      this.#rescuer = this.#scheduler.spawn(`${this.name}/rescuer`, this.#serveMaydays(), {
        daemon: true,
      })
    }
    this.#mayday.wakeUp()
  }

  get #busyRescuer(): Task | null {
    return this.#rescuer?.working === this ? this.#rescuer : null
  }

  /** What the items that may be done now wait for. */
  #activeBlockers(): readonly Blocker[] {
    const found = this.#pool.blockersOf(this)
    const rescuer = this.#busyRescuer
    return rescuer === null ? found : [...found, rescuer]
  }

  #insert(item: WorkItem): void {
    if (this.#active >= this.#maxActive) {
      this.#inactive.push(item)
      return
    }
    this.#active++
    this.#pool.add(item)
  }

  /** One fewer is active: the next in line becomes so. */
  #release(): void {
    this.#active--
    const next = this.#inactive.first
    if (next === null) return
    this.#inactive.remove(next)
    this.#insert(next)
  }

  #settle(epoch: FlushEpoch | null): void {
    if (epoch !== null) epoch.count--
    this.#done.wakeUp()
  }

  *#serveMaydays(): Op<void> {
    const called = (): boolean => this.#maydayCalled || this.#destroyed
    for (;;) {
      yield* this.#mayday.waitEvent(called)
      this.#maydayCalled = false
      for (let item = this.#pool.takeOf(this); item !== null; item = this.#pool.takeOf(this)) {
        yield* runItem(this.#scheduler, item)
      }
      if (this.#destroyed) return
    }
  }

  #refuseSelf(): void {
    const task = this.#scheduler.current
    assert(task === null || task.working !== this, 'a work item waits for its own queue')
  }
}

/** Whether all of an epoch, and of those before it, has ended. */
function ended(epoch: FlushEpoch): boolean {
  for (let at: FlushEpoch | null = epoch; at !== null; at = at.before) {
    if (at.count > 0) return false
  }
  epoch.before = null
  return true
}
