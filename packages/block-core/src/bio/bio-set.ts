// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, type Op, WaitQueue } from '@iolayers/kernel'
import { Bio } from './bio.ts'

/**
 * A pool of bios, all made at once: taking one never allocates, and fails when all are in use.
 * @see include/linux/bio.h struct bio_set
 */
export class BioSet {
  readonly sizeBios: number
  readonly #free: Bio[]
  readonly #wait: WaitQueue
  #freeCount: number

  constructor(kernel: Kernel, name: string, sizeBios: number) {
    assert(sizeBios > 0, 'bio set: no bios')
    this.sizeBios = sizeBios
    this.#free = []
    for (let i = 0; i < sizeBios; i++) this.#free.push(new Bio(this))
    this.#freeCount = sizeBios
    this.#wait = new WaitQueue(kernel.scheduler, `${name} bio set`)
  }

  get free(): number {
    return this.#freeCount
  }

  /** Null when all are in use. The bio is not initialised. */
  tryAlloc(): Bio | null {
    if (this.#freeCount === 0) return null
    this.#freeCount--
    const bio = this.#free[this.#freeCount]
    assert(bio !== undefined, 'bio set: hole in the free list')
    return bio
  }

  *alloc(): Op<Bio> {
    for (;;) {
      const bio = this.tryAlloc()
      if (bio !== null) return bio
      yield* this.#wait.waitEvent(() => this.#freeCount > 0)
    }
  }

  /** @see block/bio.c bio_put */
  put(bio: Bio): void {
    assert(bio.biPool === this, 'bio set: a bio of another set')
    assert(this.#freeCount < this.sizeBios, 'bio set: a bio was put twice')
    this.#free[this.#freeCount] = bio
    this.#freeCount++
    this.#wait.wakeUp()
  }
}
