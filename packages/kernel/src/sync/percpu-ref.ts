// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import type { Scheduler } from '../sched/scheduler.ts'

/**
 * A count for many short references that is killed once. While it lives, a drop is never the last one: the initial reference
 * holds it. `kill` drops that one, and from then on the drop that reaches zero calls `release`, exactly once.
 *
 *   live --kill--> dying --last put--> zero (release called) --exit--> gone
 *
 * @see lib/percpu-refcount.c
 */
export class PercpuRef {
  readonly name: string
  readonly #scheduler: Scheduler
  readonly #release: () => void
  #count: number
  #dying: boolean
  #exited: boolean

  constructor(kernel: { readonly scheduler: Scheduler }, name: string, release: () => void) {
    this.name = name
    this.#scheduler = kernel.scheduler
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
    assert(!this.#exited && this.#count > 0, 'a reference was taken on a percpu ref that is zero')
    this.#count++
  }

  /** False once it is zero. */
  tryGet(): boolean {
    assert(!this.#exited, 'a percpu ref was used after its exit')
    if (this.#count === 0) return false
    this.#count++
    return true
  }

  /** False once it was killed. */
  tryGetLive(): boolean {
    assert(!this.#exited, 'a percpu ref was used after its exit')
    if (this.#dying) return false
    this.#count++
    return true
  }

  put(): void {
    assert(this.#count > 0, 'a reference was dropped on a percpu ref that nobody held')
    this.#count--
    if (this.#count !== 0) return
    assert(this.#dying, 'the initial reference of a live percpu ref was dropped')
    this.#release()
  }

  /** No `tryGetLive` succeeds any more; drops the initial reference. To be called once. */
  kill(): void {
    assert(!this.#dying, 'a percpu ref was killed twice')
    this.#dying = true
    if (this.#scheduler.exploring)
      this.#scheduler.choicePoint(`${this.name}: killed, initial reference not yet dropped`)
    this.put()
  }

  /** The end of the object that embeds it; nothing may use it afterwards. */
  exit(): void {
    assert(this.#count === 0, 'a percpu ref was torn down with references on it')
    this.#exited = true
  }
}
