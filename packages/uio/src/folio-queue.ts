// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'

/**
 * A block of 2^order neighbouring frames that is handled as one. It holds no reference on its memory: whoever puts it in a
 * queue or an xarray keeps the frames allocated.
 * @see include/linux/mm_types.h struct folio
 */
export interface Folio {
  /** The first frame. */
  readonly frame: number
  readonly order: number
}

/** @see include/linux/mm.h folio_size */
export function folioSizeBytes(folio: Folio): number {
  return PAGE_SIZE << folio.order
}

/** Slots of one segment of a folio queue. @see include/linux/pagevec.h PAGEVEC_SIZE */
export const FOLIOQ_SLOTS = 31

/**
 * One segment of a queue of folios: a fixed number of slots, and links to the segments before and after it. A slot that is
 * empty, or was cleared, has no bytes and is stepped over.
 *
 * What the kernel's has beyond that (three marks for each slot, the ids for debugging) is left out.
 * @see include/linux/folio_queue.h struct folio_queue
 */
export class FolioQueue {
  next: FolioQueue | null
  prev: FolioQueue | null
  readonly #folios: (Folio | null)[]
  #count: number

  constructor() {
    this.next = null
    this.prev = null
    this.#folios = new Array<Folio | null>(FOLIOQ_SLOTS).fill(null)
    this.#count = 0
  }

  /** Slots that were filled, cleared ones included. @see include/linux/folio_queue.h folioq_count */
  get count(): number {
    return this.#count
  }

  /** @see include/linux/folio_queue.h folioq_full */
  get isFull(): boolean {
    return this.#count === FOLIOQ_SLOTS
  }

  /** Fills the next slot and returns its number; a full segment is asserted against. @see include/linux/folio_queue.h folioq_append */
  append(folio: Folio): number {
    assert(!this.isFull, 'folio queue: the segment is full')
    const slot = this.#count
    this.#folios[slot] = folio
    this.#count += 1
    return slot
  }

  /** Makes a segment that follows this one, the last so far, and returns it. */
  appendSegment(): FolioQueue {
    assert(this.next === null, 'folio queue: not the last segment')
    const segment = new FolioQueue()
    segment.prev = this
    this.next = segment
    return segment
  }

  /** Empties a slot, which is not used again. @see include/linux/folio_queue.h folioq_clear */
  clear(slot: number): void {
    assert(slot >= 0 && slot < this.#count, 'folio queue: no such slot')
    this.#folios[slot] = null
  }

  /** The folio in a slot; null where there is none. @see include/linux/folio_queue.h folioq_folio */
  folio(slot: number): Folio | null {
    return this.#folios[slot] ?? null
  }

  /** Bytes of a slot: 0 where it holds no folio. @see include/linux/folio_queue.h folioq_folio_size */
  folioSizeBytes(slot: number): number {
    const folio = this.folio(slot)
    return folio === null ? 0 : folioSizeBytes(folio)
  }
}
