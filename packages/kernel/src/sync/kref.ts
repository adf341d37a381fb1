// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { RefCount } from './refcount.ts'

/**
 * A reference count that tells its owner when the last reference goes.
 *
 * @see include/linux/kref.h struct kref
 */
export class Kref {
  readonly #count: RefCount = new RefCount(1)

  get references(): number {
    return this.#count.read()
  }

  get(): void {
    this.#count.inc()
  }

  /** False when the last reference is already gone. */
  getUnlessZero(): boolean {
    return this.#count.incNotZero()
  }

  /** Runs `release` on the last drop, and says whether it was the last. */
  put(release: () => void): boolean {
    if (!this.#count.decAndTest()) return false
    release()
    return true
  }
}
