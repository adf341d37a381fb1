// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Wound-wait locks: any number of them can be held by one transaction, taken in any order, without deadlock. An older transaction
// (a smaller stamp) that meets a younger holder wounds it; the wounded one finds out at its next lock (EDEADLK), drops everything,
// and starts again with `lockSlow` on the lock that it lost.

import { assert } from '../assert.ts'
import { Errno } from '../errno.ts'
import type { Op, Park } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'

/** Gives transactions their age. @see include/linux/ww_mutex.h struct ww_class */
export class WwClass {
  readonly name: string
  #stamp = 0

  constructor(name: string) {
    this.name = name
  }

  nextStamp(): number {
    return ++this.#stamp
  }
}

/** One transaction. @see include/linux/ww_mutex.h struct ww_acquire_ctx */
export class WwAcquireCtx {
  readonly stamp: number
  wounded = false
  acquired = 0
  #finished = false

  constructor(wwClass: WwClass) {
    this.stamp = wwClass.nextStamp()
  }

  /** Every lock of the transaction has been dropped. */
  fini(): void {
    assert(this.acquired === 0, 'a ww transaction ended with locks held')
    this.#finished = true
  }

  get finished(): boolean {
    return this.#finished
  }
}

interface Waiter {
  readonly task: Task
  readonly ctx: WwAcquireCtx | null
}

/** @see kernel/locking/ww_mutex.h */
export class WwMutex implements Park {
  readonly what: string
  readonly #scheduler: Scheduler
  #owner: Task | null = null
  #ctx: WwAcquireCtx | null = null
  /** Those with a context by age, those without where they came. */
  readonly #waiters: Waiter[] = []

  constructor(scheduler: Scheduler, name: string) {
    this.#scheduler = scheduler
    this.what = `ww_mutex ${name}`
  }

  owner(): Task | null {
    return this.#owner
  }

  get locked(): boolean {
    return this.#owner !== null
  }

  /** Whether the running task holds it. */
  get heldByCurrent(): boolean {
    return this.#owner !== null && this.#owner === this.#scheduler.current
  }

  tryLock(ctx: WwAcquireCtx | null): boolean {
    if (this.#owner !== null) return false
    this.#take(currentTask(this.#scheduler), ctx)
    return true
  }

  /** 0; -EDEADLK: drop every lock of the transaction, then `lockSlow` this one; -EALREADY: the transaction holds it. */
  *lock(ctx: WwAcquireCtx | null): Op<number> {
    return yield* this.#lock(ctx, false)
  }

  /** As `lock`, or -ERESTARTSYS when a signal came first. */
  *lockInterruptible(ctx: WwAcquireCtx | null): Op<number> {
    return yield* this.#lock(ctx, true)
  }

  /** After EDEADLK and with nothing held: waits for the lock that the transaction lost. */
  *lockSlow(ctx: WwAcquireCtx): Op<void> {
    assert(ctx.acquired === 0, 'a ww transaction waits slowly with locks held')
    ctx.wounded = false
    const result = yield* this.#lock(ctx, false)
    assert(result === 0, 'a slow ww lock failed')
  }

  unlock(): void {
    assert(this.#owner !== null, 'a ww_mutex was unlocked that nobody held')
    if (this.#ctx !== null) this.#ctx.acquired--
    this.#owner = null
    this.#ctx = null
    const next = this.#waiters.shift()
    if (next === undefined) return
    this.#take(next.task, next.ctx)
    this.#scheduler.wake(next.task)
  }

  *#lock(ctx: WwAcquireCtx | null, interruptible: boolean): Op<number> {
    const task = currentTask(this.#scheduler)
    assert(ctx === null || !ctx.finished, 'a ww lock was taken for a transaction that had ended')
    if (ctx !== null && this.#ctx === ctx) return -Errno.EALREADY
    if (mustBackOff(ctx)) return -Errno.EDEADLK
    if (this.tryLock(ctx)) return 0
    assert(this.#owner !== task, 'a task locks a ww_mutex that it holds')
    const waiter: Waiter = { task, ctx }
    this.#enqueue(waiter)
    this.#woundHolder(ctx)
    task.interruptible = interruptible
    try {
      for (;;) {
        if (this.#owner === task) return 0
        if (mustBackOff(ctx)) return -Errno.EDEADLK
        if (interruptible && task.signalPending) return -Errno.ERESTARTSYS
        yield this
      }
    } finally {
      task.interruptible = false
      const index = this.#waiters.indexOf(waiter)
      if (index >= 0) this.#waiters.splice(index, 1)
    }
  }

  #take(task: Task, ctx: WwAcquireCtx | null): void {
    this.#owner = task
    this.#ctx = ctx
    if (ctx === null) return
    ctx.acquired++
    // Those who wait and are older than the new holder wound it, as they would have when they came.
    for (const waiter of this.#waiters) this.#woundHolder(waiter.ctx)
  }

  #enqueue(waiter: Waiter): void {
    const { ctx } = waiter
    const at =
      ctx === null
        ? -1
        : this.#waiters.findIndex((other) => other.ctx !== null && other.ctx.stamp > ctx.stamp)
    if (at < 0) this.#waiters.push(waiter)
    else this.#waiters.splice(at, 0, waiter)
  }

  #woundHolder(ctx: WwAcquireCtx | null): void {
    const holder = this.#ctx
    if (ctx === null || holder === null || holder.stamp <= ctx.stamp || holder.acquired === 0)
      return
    holder.wounded = true
    // It may be parked on another lock of the transaction, where it would not look by itself.
    if (this.#owner !== null) this.#scheduler.wake(this.#owner)
  }
}

/** A wounded transaction that holds locks gives them up; one that holds none has nothing that others wait for. */
function mustBackOff(ctx: WwAcquireCtx | null): boolean {
  if (ctx === null) return false
  return ctx.wounded && ctx.acquired > 0
}
