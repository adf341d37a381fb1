// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive, assertRef } from '../assert.ts'

/** A count that went wrong stays here, so that the object is leaked rather than freed under somebody. */
export const REFCOUNT_SATURATED = -0x4000_0000

/**
 * A saturating reference count.
 *
 * @see include/linux/refcount.h refcount_t
 */
export class RefCount {
  #count: number

  constructor(count: number) {
    assert(count > 0, 'a reference count starts above zero')
    this.#count = count
  }

  read(): number {
    return this.#count
  }

  inc(): void {
    assertLive(this.#count !== 0, 'a reference was taken on a count that is zero')
    if (this.#count > 0)
      this.#count = this.#count === 0x7fff_ffff ? REFCOUNT_SATURATED : this.#count + 1
  }

  incNotZero(): boolean {
    if (this.#count === 0) return false
    this.inc()
    return true
  }

  /** True for the drop that reached zero. */
  decAndTest(): boolean {
    if (this.#count < 0) return false
    assertRef(this.#count !== 0, 'a reference was dropped that nobody held')
    this.#count--
    return this.#count === 0
  }
}
