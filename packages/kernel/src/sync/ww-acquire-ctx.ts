// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'

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

/**
 * One transaction over locks of one class; a smaller stamp is an older one. Kept over its backoffs:
 * that it grows older is what lets it finish.
 *
 *   new -> lock... -> [EDEADLK -> unlock all -> lockSlow -> lock...] -> done -> unlock all -> fini
 *
 * @see include/linux/ww_mutex.h struct ww_acquire_ctx
 */
export class WwAcquireCtx {
  readonly stamp: number
  /** Locks held. */
  acquired = 0
  /** An older transaction waits for one of them; seen when this one next has to wait. */
  wounded = false
  /** The lock that EDEADLK was given for: the next one to be taken. */
  contending: object | null = null
  #acquiring = true
  #finished = false

  constructor(wwClass: WwClass) {
    this.stamp = wwClass.nextStamp()
  }

  /** False from `done` on. */
  get acquiring(): boolean {
    return this.#acquiring
  }

  get finished(): boolean {
    return this.#finished
  }

  /** Every lock has been taken; optional, it makes later ones an assertion. @see ww_acquire_done */
  done(): void {
    this.#acquiring = false
  }

  /** Every lock has been dropped; the transaction is over. @see ww_acquire_fini */
  fini(): void {
    assert(this.acquired === 0, 'a ww transaction ended with locks held')
    this.#acquiring = false
    this.#finished = true
  }
}
