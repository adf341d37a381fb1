// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertOnce, type Kernel, type Op, WaitQueue } from '@iolayers/kernel'
import { Bio } from './bio.ts'

/** What a pool of bios may be told. */
export interface BioSetInit<F> {
  /** Makes what stands in front of a bio: called once for each, when the bio is made. */
  readonly frontPad?: (bio: Bio) => F
  /** So many bios there may be in all, made when the first ones are in use, and kept. Left out: never more than at first. */
  readonly maxBios?: number
}

/**
 * A pool of bios. The reserve, `sizeBios`, is made with the pool, so that taking one of those never allocates.
 *
 * The kernel takes a bio from its allocator, and one of the reserve when there is no memory. Memory does not run out here by itself:
 * the reserve comes first, what `maxBios` allows beyond it is made when it is used up, and then whoever wants one waits. What
 * a reserve is for holds all the same: as long as bios that were taken end without help from who waits, there will be one.
 *
 * So a task that waits here must not hold bios of the same set that it has yet to submit; the kernel has a rescuer thread for those.
 * Who needs several at once takes them with `allocMany`, all or none.
 * @see include/linux/bio.h struct bio_set
 * @see block/bio.c bioset_init, bio_alloc_bioset, punt_bios_to_rescuer
 */
export class BioSet<F = undefined> {
  readonly sizeBios: number
  readonly maxBios: number
  readonly #frontPad: ((bio: Bio) => F) | null
  readonly #fronts: { readonly front: F }[]
  readonly #free: Bio[]
  readonly #wait: WaitQueue
  #freeCount: number
  #made: number

  constructor(kernel: Kernel, name: string, sizeBios: number, init: BioSetInit<F> = {}) {
    assert(sizeBios > 0, 'bio set: no bios')
    this.sizeBios = sizeBios
    this.maxBios = init.maxBios ?? sizeBios
    assert(this.maxBios >= sizeBios, 'bio set: maxBios below the reserve')
    this.#frontPad = init.frontPad ?? null
    this.#fronts = []
    this.#free = []
    this.#freeCount = 0
    this.#made = 0
    for (let i = 0; i < sizeBios; i++) this.#make()
    this.#wait = new WaitQueue(kernel.scheduler, `${name} bio set`)
  }

  /** Bios that may be taken without waiting. */
  get free(): number {
    return this.#freeCount + this.maxBios - this.#made
  }

  /** What stands in front of a bio of this set. @see include/linux/bio.h bioset_init front_pad, container_of */
  front(bio: Bio): F {
    assert(bio.biPool === this, 'bio set: a bio of another set')
    const entry = this.#fronts[bio.biSlot]
    assert(entry !== undefined, 'bio set: made without fronts')
    return entry.front
  }

  /** Null when all are in use. The bio is not initialised. */
  tryAlloc(): Bio | null {
    if (this.#freeCount === 0) {
      if (this.#made === this.maxBios) return null
      this.#make()
    }
    this.#freeCount--
    const bio = this.#free[this.#freeCount]
    assert(bio !== undefined, 'bio set: hole in the free list')
    bio.biInPool = false
    return bio
  }

  *alloc(): Op<Bio> {
    for (;;) {
      const bio = this.tryAlloc()
      if (bio !== null) return bio
      yield* this.#wait.waitEvent(() => this.free > 0)
    }
  }

  /**
   * Waits until `count` can be taken at once, and takes them into `out`, from its begin: two tasks that each need several never wait
   * for each other's. Those who take single ones may overtake.
   */
  *allocMany(count: number, out: Bio[]): Op<void> {
    assert(count <= this.maxBios, 'bio set: more at once than there are')
    while (this.free < count) yield* this.#wait.waitEvent(() => this.free >= count)
    for (let i = 0; i < count; i++) {
      const bio = this.tryAlloc()
      assert(bio !== null, 'bio set: fewer than were free')
      out[i] = bio
    }
  }

  /** Nobody may use the bio any more. @see block/bio.c bio_put */
  put(bio: Bio): void {
    assert(bio.biPool === this, 'bio set: a bio of another set')
    assertOnce(!bio.biInPool, 'bio set: a bio was put twice')
    bio.biInPool = true
    this.#free[this.#freeCount] = bio
    this.#freeCount++
    this.#wait.wakeUp()
  }

  #make(): void {
    const bio = new Bio(this, this.#made)
    this.#made++
    this.#free[this.#freeCount] = bio
    this.#freeCount++
    if (this.#frontPad !== null) this.#fronts.push({ front: this.#frontPad(bio) })
  }
}
