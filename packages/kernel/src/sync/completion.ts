// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '../sched/op.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { WaitQueue } from './wait-queue.ts'

const ALL = 0x7fff_ffff

/**
 * Something that happens: tasks wait until it has.
 *
 * @see kernel/sched/completion.c
 */
export class Completion {
  readonly #queue: WaitQueue
  readonly #isDone: () => boolean
  #done: number

  constructor(scheduler: Scheduler, name: string) {
    this.#queue = new WaitQueue(scheduler, name)
    this.#done = 0
    this.#isDone = () => this.#done > 0
  }

  get done(): boolean {
    return this.#done > 0
  }

  /** Lets one waiter through, now or later. */
  complete(): void {
    if (this.#done < ALL) this.#done++
    this.#queue.wakeUp()
  }

  /** Lets all waiters through, now and for ever. */
  completeAll(): void {
    this.#done = ALL
    this.#queue.wakeUpAll()
  }

  reinit(): void {
    this.#done = 0
  }

  *wait(): Op<void> {
    yield* this.#queue.waitEvent(this.#isDone)
    this.#take()
  }

  /** 0, or -ERESTARTSYS. */
  *waitInterruptible(): Op<number> {
    const result = yield* this.#queue.waitEventInterruptible(this.#isDone)
    if (result === 0) this.#take()
    return result
  }

  /** The nanoseconds left, at least 1; 0 when the time ran out. */
  *waitTimeout(timeoutNs: number): Op<number> {
    const left = yield* this.#queue.waitEventTimeout(this.#isDone, timeoutNs)
    if (left > 0) this.#take()
    return left
  }

  #take(): void {
    if (this.#done !== ALL) this.#done--
  }
}
