// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive, assertRef } from '../assert.ts'
import type { Kernel } from '../kernel.ts'
import type { Scheduler } from '../sched/scheduler.ts'
import { type Rcu, RcuHead } from './rcu.ts'

/**
 * A count for many short references that is killed once. While it lives, a drop is never the last
 * one: the initial reference holds it. `kill` drops that one, and from then on the drop that
 * reaches zero calls `release`, exactly once; `kill` itself, when nobody else holds any.
 *
 *   live --kill--> dying --last put--> zero (release called) --exit--> gone
 *     ^--resurrect--'                    '--reinit--> live
 *
 * It is the kernel's in its atomic mode (PERCPU_REF_INIT_ATOMIC): one thread has no per-CPU counters.
 *
 * @see lib/percpu-refcount.c
 */
export class PercpuRef {
  readonly name: string
  readonly #scheduler: Scheduler
  readonly #rcu: Rcu
  readonly #release: () => void
  #count: number
  #dying: boolean
  #exited: boolean

  constructor(kernel: Pick<Kernel, 'scheduler' | 'rcu'>, name: string, release: () => void) {
    this.name = name
    this.#scheduler = kernel.scheduler
    this.#rcu = kernel.rcu
    this.#release = release
    this.#count = 1
    this.#dying = false
    this.#exited = false
  }

  get isDying(): boolean {
    return this.#dying
  }

  get isZero(): boolean {
    return this.#count === 0
  }

  /** References held, the initial one included; for tests and reports. */
  get count(): number {
    return this.#count
  }

  /** For who already holds a reference. */
  get(): void {
    assertLive(!this.#exited, 'a percpu ref was used after its exit')
    assertRef(this.#count > 0, 'a reference was taken on a percpu ref that is zero')
    this.#count++
  }

  /** False once it is zero. */
  tryGet(): boolean {
    assertLive(!this.#exited, 'a percpu ref was used after its exit')
    if (this.#count === 0) return false
    this.#count++
    return true
  }

  /**
   * False once it was killed. One that looked before the kill may still take its reference after
   * it, as long as others are held; after `confirm` none does.
   */
  tryGetLive(): boolean {
    assertLive(!this.#exited, 'a percpu ref was used after its exit')
    if (this.#dying) return false
    if (this.#scheduler.exploring) return this.#getAfterLook()
    this.#count++
    return true
  }

  put(): void {
    assertRef(this.#count > 0, 'a reference was dropped on a percpu ref that nobody held')
    this.#count--
    if (this.#count === 0) this.#reachZero()
  }

  /** Drops `count` references at once. @see percpu_ref_put_many */
  putMany(count: number): void {
    assertRef(
      count > 0 && this.#count >= count,
      'more percpu references were dropped than were held',
    )
    this.#count -= count
    if (this.#count === 0) this.#reachZero()
  }

  /**
   * No `tryGetLive` that begins from now on succeeds; drops the initial reference. To be called
   * once. `confirm` runs when none that began earlier can succeed any more either.
   *
   * @see percpu_ref_kill_and_confirm
   */
  kill(confirm?: () => void): void {
    assert(!this.#dying, 'a percpu ref was killed twice')
    this.#dying = true
    if (confirm !== undefined) this.#rcu.call(new RcuHead(confirm))
    if (this.#scheduler.exploring) {
      this.#scheduler.choicePoint(`${this.name}: killed, initial reference not yet dropped`)
    }
    this.put()
  }

  /** Takes the kill back before zero is reached. @see percpu_ref_resurrect */
  resurrect(): void {
    assert(this.#dying && this.#count > 0, 'a percpu ref was resurrected that is not dying')
    this.#dying = false
    this.#count++
  }

  /** Begins anew once zero was reached. @see percpu_ref_reinit */
  reinit(): void {
    assert(!this.#exited && this.#count === 0, 'a percpu ref was begun anew with references on it')
    this.#dying = false
    this.#count = 1
  }

  /** The end of the object that embeds it; nothing may use it afterwards. */
  exit(): void {
    assertLive(this.#count === 0, 'a percpu ref was torn down with references on it')
    this.#exited = true
  }

  /** Another CPU may kill it here, and even drop the last reference. */
  #getAfterLook(): boolean {
    this.#rcu.readLock()
    try {
      this.#scheduler.choicePoint(`${this.name}: seen live, reference not yet taken`)
      if (this.#count === 0) return false
      this.#count++
      return true
    } finally {
      this.#rcu.readUnlock()
    }
  }

  #reachZero(): void {
    assertRef(this.#dying, 'the initial reference of a live percpu ref was dropped')
    this.#release()
  }
}
