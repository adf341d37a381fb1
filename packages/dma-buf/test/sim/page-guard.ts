// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { frameOf, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'

const POISON = 0xdb
/** What is poisoned of each page: the words that the actors use lie in it. */
const POISONED_BYTES = 256

/**
 * Watches the pages of a memory. Every allocation of a page has a number of its own, so that whoever noted it can tell that the page is
 * still the one that it was given; a page that is free is full of poison, on both sides of the caches, and must stay so.
 */
export class PageGuard {
  readonly #memory: PhysicalMemory
  /** Of the allocation that each frame belongs to; 0 when it is free. */
  readonly #numbers: Map<number, number>
  readonly #poisoned: Set<number>
  /** How many devices have each frame mapped. */
  readonly #mapped: Map<number, number>
  #last = 0

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
    this.#numbers = new Map()
    this.#poisoned = new Set()
    this.#mapped = new Map()
    const alloc = memory.allocPages.bind(memory)
    const free = memory.freePages.bind(memory)
    memory.allocPages = (order) => {
      const frame = alloc(order)
      for (let i = 0; frame >= 0 && i < 1 << order; i++) this.#allocated(frame + i)
      return frame
    }
    memory.freePages = (frame, order) => {
      for (let i = 0; i < 1 << order; i++) this.#freed(frame + i)
      free(frame, order)
    }
  }

  /** The allocation that the frame belongs to now. */
  numberOf(frame: number): number {
    return this.#numbers.get(frame) ?? 0
  }

  numberAt(addr: number): number {
    return this.numberOf(frameOf(addr))
  }

  /** The page of `addr` has been allocated since `number` was noted, and not freed. */
  assertSame(addr: number, number: number): void {
    const now = this.numberAt(addr)
    assert(number !== 0 && now !== 0, 'an access to a page that is free')
    assert(now === number, 'an access to a page that now belongs to somebody else')
  }

  /** A device can reach the frame from now on, or no more: one that it can reach may not be freed. */
  mapped(frame: number, by: 1 | -1): void {
    const count = (this.#mapped.get(frame) ?? 0) + by
    if (count === 0) this.#mapped.delete(frame)
    else this.#mapped.set(frame, count)
  }

  /** Nobody wrote to a page after it was freed. */
  assertPoison(): void {
    for (const frame of this.#poisoned) this.#checkPoison(frame)
  }

  get allocated(): number {
    return this.#numbers.size
  }

  #allocated(frame: number): void {
    assert(!this.#numbers.has(frame), 'a page was allocated twice')
    if (this.#poisoned.delete(frame)) this.#checkPoison(frame)
    this.#numbers.set(frame, ++this.#last)
  }

  #freed(frame: number): void {
    assert(this.#numbers.delete(frame), 'a page was freed that was not allocated')
    assert(!this.#mapped.has(frame), 'a page was freed that a device can still reach')
    this.#poisoned.add(frame)
    for (const bytes of this.#sides(frame)) bytes.fill(POISON)
  }

  #checkPoison(frame: number): void {
    for (const bytes of this.#sides(frame)) {
      assert(
        bytes.every((byte) => byte === POISON),
        'somebody wrote to a page after it was freed',
      )
    }
  }

  /** The watched bytes of a page, as the CPU sees them and as a device does that does not snoop. */
  #sides(frame: number): Uint8Array[] {
    const region = this.#memory.regionAt(frame * PAGE_SIZE)
    assert(region !== null, 'a frame of no region')
    const start = (frame - region.baseFrame) * PAGE_SIZE
    const sides = new Set([region.bytes, region.deviceSide.bytes])
    return [...sides].map((bytes) => bytes.subarray(start, start + POISONED_BYTES))
  }
}
