// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import type { Blocker, Op } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'
import { Timer } from '../sched/timer.ts'
import { WaitQueue } from '../sync/wait-queue.ts'
import { type ItemOwner, type WorkItem, WorkList } from './work-item.ts'

/** How long an item waits for a worker before the rescuer is called. @see MAYDAY_INITIAL_TIMEOUT */
const MAYDAY_INITIAL_NS = 10e6
/** How long until it is called again. @see MAYDAY_INTERVAL */
const MAYDAY_INTERVAL_NS = 100e6

/**
 * A bounded number of workers that any number of work queues share. Workers are daemon tasks while
 * they have nothing to do; made when first needed.
 *
 * @see kernel/workqueue.c struct worker_pool
 */
export class WorkerPool {
  readonly name: string
  readonly workersMax: number
  readonly #scheduler: Scheduler
  readonly #list: WorkList = new WorkList()
  readonly #work: WaitQueue
  readonly #wanted: () => boolean
  readonly #mayday: Timer
  readonly #tasks: Task[] = []
  #idle = 0
  /** Items that wait here and whose queue has a rescuer. */
  #rescuable = 0
  #retiring = 0
  #stopped = false

  constructor(scheduler: Scheduler, init: { readonly name: string; readonly workersMax: number }) {
    assert(init.workersMax > 0, 'a worker pool needs a worker')
    this.name = init.name
    this.workersMax = init.workersMax
    this.#scheduler = scheduler
    this.#work = new WaitQueue(scheduler, `work for the workers ${init.name}`, { idle: true })
    this.#wanted = () => this.#stopped || this.#retiring > 0 || this.#list.first !== null
    this.#mayday = new Timer(scheduler, `mayday of ${init.name}`, () => this.#callRescuers())
  }

  /** Workers made so far. */
  get workers(): number {
    return this.#tasks.length
  }

  add(item: WorkItem): void {
    this.#list.push(item)
    if (item.home?.hasRescuer === true) this.#rescuable++
    this.#kick()
  }

  remove(item: WorkItem): void {
    this.#list.remove(item)
    if (item.home?.hasRescuer !== true) return
    this.#rescuable--
    if (this.#rescuable === 0) this.#mayday.cancel()
  }

  /** Whether `item` waits here for a worker. */
  holds(item: WorkItem): boolean {
    return item.list === this.#list
  }

  /** Takes the first item of one queue: the rescuer's way past the workers. */
  takeOf(owner: ItemOwner): WorkItem | null {
    let item = this.#list.first
    while (item !== null && item.home !== owner) item = item.next
    if (item !== null) this.remove(item)
    return item
  }

  /** The workers, when none is free and no more can be made. */
  get busy(): readonly Task[] {
    return this.#idle === 0 && this.#tasks.length === this.workersMax ? this.#tasks : []
  }

  /** Workers that do items of one queue, and its items that wait here for one. */
  blockersOf(owner: ItemOwner): Blocker[] {
    const found: Blocker[] = this.#tasks.filter((task) => task.working === owner)
    for (let item = this.#list.first; item !== null; item = item.next) {
      if (item.home === owner) found.push(item)
    }
    return found
  }

  /** All workers end, which have to be idle; later work makes new ones. @see kernel/workqueue.c idle_worker_timeout */
  retire(): void {
    assert(this.#idle === this.#tasks.length, 'workers were retired that had work')
    this.#retiring = this.#idle
    this.#tasks.length = 0
    this.#work.wakeUpAll()
  }

  /** Idle workers end. */
  stop(): void {
    this.#stopped = true
    this.#work.wakeUpAll()
  }

  #kick(): void {
    if (this.#idle > 0) {
      this.#work.wakeUp()
      return
    }
    if (this.#tasks.length < this.workersMax) {
      const name = `${this.name}/${this.#tasks.length + 1}`
      this.#tasks.push(this.#scheduler.spawn(name, this.#serve(), { daemon: true }))
      return
    }
    // Whichever item it was for: one that waits further ahead may have been counted on a worker that is gone by now.
    if (this.#rescuable > 0 && !this.#mayday.pending) this.#mayday.arm(MAYDAY_INITIAL_NS)
  }

  *#serve(): Op<void> {
    for (;;) {
      this.#idle++
      yield* this.#work.waitEventExclusive(this.#wanted)
      this.#idle--
      if (this.#retiring > 0) {
        this.#retiring--
        return
      }
      const item = this.#list.first
      if (item !== null) {
        this.remove(item)
        // A wake may have been spent on a worker that was no longer idle.
        if (this.#list.first !== null) this.#kick()
        yield* runItem(this.#scheduler, item)
      } else if (this.#stopped) return
    }
  }

  #callRescuers(): void {
    for (let item = this.#list.first; item !== null; item = item.next) {
      if (item.home?.hasRescuer === true) item.home.rescue()
    }
    this.#mayday.arm(MAYDAY_INTERVAL_NS)
  }
}

/** Runs one item that was taken from the pool. An error goes to the scheduler's unhandled hook. */
export function* runItem(scheduler: Scheduler, item: WorkItem): Op<void> {
  const owner = item.home
  assert(owner !== null, 'a work item without a queue was taken')
  const worker = currentTask(scheduler)
  owner.begin(item, worker)
  // Busy, it counts as everybody else: work that never ends is a deadlock.
  worker.daemon = false
  worker.working = owner
  scheduler.watch?.workBegins(item, owner, worker)
  try {
    yield* item.fn()
  } catch (error) {
    scheduler.raise(error, `work ${item.name}`)
  } finally {
    scheduler.watch?.workEnds(item, owner, worker)
    worker.working = null
    worker.daemon = true
    worker.clearSignal()
    owner.end(item)
  }
}
