// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// In which order locks are taken, fences are waited for and signalled, and work is waited for and done. Two orders that contradict each other can
// deadlock, even where this run did not: the second one is the fault.
//
//   L held, M wanted              L before M
//   L held, fence X waited for    L before X
//   X signalled after L was taken,
//   by who took it when X was known   X before L     (whoever holds L and waits for X keeps the signaller from it)
//   work W runs, L wanted         W before L
//   L held, end of W waited for   L before W
//   X signalled by work that began
//   when X was known              X before W, and before its queue (whose workers may all wait for X)
//
// Locks of one class are taken in any order by a ww transaction, and otherwise in one order of the locks themselves. The kernel has one
// class for all fences, and wants their dependencies declared; ours has one for each driver, and infers them.

import type { ExecutionWatch, Park, Scheduler, Task, WatchedFence } from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'
import type { Checker } from './contracts.ts'
import { addOrder, createOrderClass, type OrderClass } from './order-graph.ts'

interface Held {
  readonly lock: Park
  readonly ctx: object | null
  readonly order: OrderClass
}

/** What one task has done since it began, or since its item of work did. */
interface Context {
  readonly held: Held[]
  /** When it last wanted a lock of each class, or a worker, while some fence was pending. */
  readonly wanted: Map<OrderClass, number>
}

type Told = Pick<
  ExecutionWatch,
  | 'lockWanted'
  | 'lockTaken'
  | 'lockDropped'
  | 'fencePublished'
  | 'fenceWaited'
  | 'fenceSignalled'
  | 'workBegins'
  | 'workEnds'
  | 'workWaited'
>

/** @see kernel/locking/lockdep.c, drivers/dma-buf/dma-fence.c dma_fence_lockdep_map */
export class LockOrder implements Checker, Told {
  readonly name = 'lock order'
  readonly #scheduler: Scheduler
  readonly #contexts: Map<Task, Context> = new Map()
  readonly #byName: Map<string, OrderClass> = new Map()
  readonly #byLock: Map<Park, OrderClass> = new Map()
  readonly #byOps: Map<object, OrderClass> = new Map()
  /** Of locks of one class that were held together, without a transaction: each as a class of its own. */
  readonly #single: Map<Park, OrderClass> = new Map()
  #stamp = 0
  /** Fences that others know and that have not signalled. */
  #pending = 0
  #fault: Fault | null = null

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  afterStep(): Fault | null {
    return this.#fault
  }

  /** The locks that `task` holds, the oldest first. */
  heldBy(task: Task): readonly Park[] {
    return this.#contexts.get(task)?.held.map(({ lock }) => lock) ?? []
  }

  /** Whether `task` holds any lock. */
  holds(task: Task): boolean {
    return (this.#contexts.get(task)?.held.length ?? 0) > 0
  }

  lockWanted(lock: Park, ctx: object | null): void {
    const task = this.#scheduler.current
    if (task === null) return
    const context = this.#contextOf(task)
    const order = this.#classOf(lock)
    if (this.#pending > 0) context.wanted.set(order, ++this.#stamp)
    for (const held of context.held) {
      if (held.order !== order) this.#before(held.order, order, task, 'takes')
      else if (ctx === null || held.ctx !== ctx) this.#sameClass(held.lock, lock, task)
    }
  }

  lockTaken(lock: Park, ctx: object | null, task: Task): void {
    this.#contextOf(task).held.push({ lock, ctx, order: this.#classOf(lock) })
  }

  lockDropped(lock: Park, task: Task): void {
    const held = this.#contexts.get(task)?.held
    const at = held?.findLastIndex((one) => one.lock === lock) ?? -1
    if (at >= 0) held?.splice(at, 1)
  }

  fencePublished(fence: WatchedFence): void {
    fence.publishedStamp = ++this.#stamp
    this.#pending++
  }

  fenceWaited(fence: WatchedFence): void {
    if (this.#inHand() !== null) this.#waited(this.#classOfFence(fence))
  }

  fenceSignalled(fence: WatchedFence): void {
    if (fence.publishedStamp === 0) return
    this.#pending--
    const task = this.#scheduler.current
    const wanted = task === null ? undefined : this.#contexts.get(task)?.wanted
    if (task === null || wanted === undefined) return
    for (const [order, stamp] of wanted) {
      if (stamp < fence.publishedStamp) continue
      const from = this.#classOfFence(fence)
      if (from.after.has(order)) continue
      this.#add(from, order, `${task.name} needs ${order.name} before it signals ${from.name}`)
    }
  }

  workBegins(item: Park, queue: Park, worker: Task): void {
    const { held, wanted } = this.#contextOf(worker)
    wanted.clear()
    this.#stamp++
    for (const lock of [queue, item]) {
      const order = this.#classOf(lock)
      held.push({ lock, ctx: null, order })
      if (this.#pending > 0) wanted.set(order, this.#stamp)
    }
  }

  workEnds(item: Park, queue: Park, worker: Task): void {
    this.lockDropped(item, worker)
    this.lockDropped(queue, worker)
  }

  workWaited(item: Park): void {
    if (this.#inHand() !== null) this.#waited(this.#classOf(item))
  }

  /** The running task waits for something that is no lock. */
  #waited(to: OrderClass): void {
    const task = this.#scheduler.current
    if (task === null) return
    for (const { order } of this.#inHand() ?? []) this.#before(order, to, task, 'waits for')
  }

  /** What the running task holds; null for nothing. */
  #inHand(): readonly Held[] | null {
    const task = this.#scheduler.current
    const held = task === null ? undefined : this.#contexts.get(task)?.held
    return held === undefined || held.length === 0 ? null : held
  }

  #before(first: OrderClass, second: OrderClass, task: Task, does: string): void {
    if (first === second || first.after.has(second)) return
    this.#add(first, second, `${task.name} ${does} ${second.name} with ${first.name} in hand`)
  }

  #sameClass(held: Park, wanted: Park, task: Task): void {
    this.#before(this.#singleOf(held), this.#singleOf(wanted), task, 'takes another')
  }

  #add(first: OrderClass, second: OrderClass, how: string): void {
    const cycle = addOrder(first, second, how)
    if (cycle === null || this.#fault !== null) return
    this.#fault = {
      check: 'lock-order',
      message: `waits in an order that can deadlock: ${first.name} before ${second.name}, and the other way round`,
      details: cycle,
    }
  }

  #contextOf(task: Task): Context {
    const known = this.#contexts.get(task)
    if (known !== undefined) return known
    const context: Context = { held: [], wanted: new Map() }
    this.#contexts.set(task, context)
    return context
  }

  #classOf(lock: Park): OrderClass {
    const known = this.#byLock.get(lock)
    if (known !== undefined) return known
    const name = lock.what
    const order = this.#byName.get(name) ?? createOrderClass(name)
    this.#byName.set(name, order)
    this.#byLock.set(lock, order)
    return order
  }

  #classOfFence(fence: WatchedFence): OrderClass {
    const known = this.#byOps.get(fence.fenceClass)
    if (known !== undefined) return known
    const order = createOrderClass(fence.fenceClassName)
    this.#byOps.set(fence.fenceClass, order)
    return order
  }

  #singleOf(lock: Park): OrderClass {
    const known = this.#single.get(lock)
    if (known !== undefined) return known
    const order = createOrderClass(lock.what)
    this.#single.set(lock, order)
    return order
  }
}
