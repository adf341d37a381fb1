// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_POISON, type PhysicalMemory } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'
import type { Checker } from '../check/contracts.ts'
import type { Fault } from '../search/contracts.ts'

const PAGE_SIZE = 4096

/** Whose a page is. */
const PageState = { FREE: 0, OWNED: 1, GIVEN_BACK: 2 } as const

/**
 * Whose the pages of exporters are, and whether a device touches one after it was given to somebody else. An exporter gives pages back when
 * it may believe that the last DMA is over; what the device does there afterwards is the fault, whatever the IOMMU would have let through.
 *
 * A page that was given back is filled with poison and never used again in the same run.
 */
export class PageLedger implements Checker {
  readonly name = 'page ledger'
  readonly #memory: PhysicalMemory
  readonly #baseFrame: number
  readonly #states: Uint8Array
  #nextFree = 0
  #fault: Fault | null = null

  /** `frames` neighbouring pages of RAM, taken now. */
  constructor(memory: PhysicalMemory, frames: number) {
    this.#memory = memory
    this.#baseFrame = memory.allocContiguous(frames)
    assert(this.#baseFrame >= 0, 'a page ledger without memory')
    this.#states = new Uint8Array(frames)
  }

  /** A page for an exporter; with `scattered` no two that are taken in a row are neighbours. */
  take(scattered: boolean): number {
    if (scattered) this.#nextFree++
    const index = this.#nextFree++
    assert(index < this.#states.length, 'the pages of the ledger are used up')
    this.#states[index] = PageState.OWNED
    return this.#baseFrame + index
  }

  /** The page is somebody else's from now on: no device may read or write it. */
  giveBack(frame: number): void {
    const index = frame - this.#baseFrame
    assert(this.#states[index] === PageState.OWNED, 'a page was given back twice')
    this.#states[index] = PageState.GIVEN_BACK
    this.bytesOf(frame).fill(PAGE_POISON)
  }

  /** The bytes of a page, for the CPU. */
  bytesOf(frame: number): Uint8Array {
    const region = this.#memory.regionAt(frame * PAGE_SIZE)
    assert(region !== null, 'a page of the ledger outside memory')
    const start = frame * PAGE_SIZE - region.baseAddr
    return region.bytes.subarray(start, start + PAGE_SIZE)
  }

  /** A device moves bytes of memory; to be called before it does. False: not there. */
  deviceAccess(physAddr: number, length: number, what: string): boolean {
    const first = Math.floor(physAddr / PAGE_SIZE) - this.#baseFrame
    const last = Math.floor((physAddr + length - 1) / PAGE_SIZE) - this.#baseFrame
    for (let index = first; index <= last; index++) {
      if (this.#states[index] !== PageState.GIVEN_BACK) continue
      this.#fault ??= {
        check: 'dma-after-drain',
        message: `${what} a page that its exporter had given to somebody else (page ${index})`,
      }
      return false
    }
    return true
  }

  afterStep(): Fault | null {
    return this.#fault
  }

  /** For another run: nothing is taken. */
  reset(): void {
    this.#states.fill(PageState.FREE)
    this.#nextFree = 0
  }
}
