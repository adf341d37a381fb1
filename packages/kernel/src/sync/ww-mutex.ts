// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Wound-wait locks: any number of them can be held by one transaction, taken in any order, without
// deadlock. An older transaction (a smaller stamp) that holds locks and meets a younger holder
// wounds it. As in the kernel the wound is lazy: the younger one finds out when it next has to wait
// (EDEADLK); then it drops everything, and starts again with `lockSlow` on the lock that it lost.

import { assert } from '../assert.ts'
import { Errno } from '../errno.ts'
import type { Op, Park } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { currentTask, yieldNow } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'
import type { WwAcquireCtx } from './ww-acquire-ctx.ts'

interface Waiter {
  readonly task: Task
  readonly ctx: WwAcquireCtx | null
}

/** @see kernel/locking/ww_mutex.h, Documentation/locking/ww-mutex-design.rst */
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
    if (ctx !== null) this.#enter(ctx)
    if (this.#owner !== null) return false
    this.#take(currentTask(this.#scheduler), ctx)
    return true
  }

  /** 0; -EDEADLK: drop every lock of the transaction, then `lockSlow` this one; -EALREADY: the transaction holds it. */
  *lock(ctx: WwAcquireCtx | null): Op<number> {
    return yield* this.#lock(ctx, false)
  }

  /** As `lock`, or -ERESTARTSYS when a signal came first (the kernel's says EINTR). */
  *lockInterruptible(ctx: WwAcquireCtx | null): Op<number> {
    return yield* this.#lock(ctx, true)
  }

  /** After EDEADLK and with nothing held: waits for the lock that the transaction lost. */
  *lockSlow(ctx: WwAcquireCtx): Op<void> {
    assert(ctx.acquired === 0, 'a ww transaction waits slowly with locks held')
    const result = yield* this.#lock(ctx, false)
    assert(result === 0, 'a slow ww lock failed')
  }

  /** As `lockSlow`: 0, or -ERESTARTSYS when a signal came first. */
  *lockSlowInterruptible(ctx: WwAcquireCtx): Op<number> {
    assert(ctx.acquired === 0, 'a ww transaction waits slowly with locks held')
    return yield* this.#lock(ctx, true)
  }

  unlock(): void {
    assert(this.#owner !== null, 'a ww_mutex was unlocked that nobody held')
    assert(this.heldByCurrent, 'a ww_mutex was unlocked by another than its holder')
    this.#scheduler.watch?.lockDropped(this, this.#owner)
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
    if (this.#scheduler.exploring) yield* yieldNow(this.#scheduler)
    if (ctx !== null && this.#ctx === ctx) return -Errno.EALREADY
    assert(this.#owner !== task, 'a task locks a ww_mutex that it holds')
    this.#scheduler.watch?.lockWanted(this, ctx)
    if (this.tryLock(ctx)) return 0
    const waiter: Waiter = { task, ctx }
    this.#enqueue(waiter)
    this.#woundHolder(ctx)
    task.interruptible = interruptible
    try {
      for (;;) {
        if (this.#owner === task) return 0
        if (interruptible && task.signalPending) return -Errno.ERESTARTSYS
        if (ctx?.wounded === true && ctx.acquired > 0) {
          ctx.contending = this
          return -Errno.EDEADLK
        }
        yield this
      }
    } finally {
      task.interruptible = false
      const index = this.#waiters.indexOf(waiter)
      if (index >= 0) this.#waiters.splice(index, 1)
    }
  }

  /** What a transaction must keep to, before it takes or waits for another lock. */
  #enter(ctx: WwAcquireCtx): void {
    assert(ctx.acquiring, 'a ww lock was taken for a transaction that was done or had ended')
    if (ctx.contending !== null) {
      assert(ctx.acquired === 0, 'a ww transaction went on after EDEADLK with locks held')
      assert(ctx.contending === this, 'after EDEADLK a ww transaction takes the lock that it lost')
    }
    // Nobody waits for one that holds nothing: the wound has healed.
    if (ctx.acquired === 0) ctx.wounded = false
  }

  #take(task: Task, ctx: WwAcquireCtx | null): void {
    this.#owner = task
    this.#ctx = ctx
    this.#scheduler.watch?.lockTaken(this, ctx, task)
    if (ctx === null) return
    ctx.acquired++
    ctx.contending = null
    // Those who wait and are older than the new holder wound it, as they would have when they came.
    for (const waiter of this.#waiters) this.#woundHolder(waiter.ctx)
  }

  /** Before the first younger one; those without a context are not overtaken for nothing. */
  #enqueue(waiter: Waiter): void {
    const { ctx } = waiter
    const at =
      ctx === null
        ? -1
        : this.#waiters.findIndex((other) => other.ctx !== null && other.ctx.stamp > ctx.stamp)
    if (at < 0) this.#waiters.push(waiter)
    else this.#waiters.splice(at, 0, waiter)
  }

  /** One that holds nothing cannot be part of a cycle, and wounds nobody. @see __ww_mutex_wound */
  #woundHolder(ctx: WwAcquireCtx | null): void {
    const holder = this.#ctx
    if (ctx === null || holder === null || ctx.acquired === 0) return
    if (holder.stamp <= ctx.stamp || this.#owner === null) return
    holder.wounded = true
    // It may be parked on another lock of the transaction, where it would not look by itself.
    this.#scheduler.wake(this.#owner)
  }
}
