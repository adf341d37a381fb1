// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MemoryRegion, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { assert, KernelError } from '@iolayers/kernel'

/**
 * A run of frames that somebody set aside and hands out in runs: the lowest free one that fits and is aligned. One byte a frame. What is not
 * handed out counts as given back, in checked mode, like free pages of the page allocator.
 *
 * @see mm/cma.c cma_alloc, cma_release
 */
export class FrameArea {
  readonly frames: number
  readonly baseFrame: number
  readonly region: MemoryRegion
  readonly #memory: PhysicalMemory
  readonly #used: Uint8Array
  #freeFrames: number

  /** Sets the frames aside, from RAM or from `region`. Throws ENOMEM. */
  constructor(memory: PhysicalMemory, frames: number, region?: MemoryRegion) {
    const baseFrame = memory.allocContiguous(frames, region)
    const found = baseFrame < 0 ? null : memory.regionAt(baseFrame * PAGE_SIZE)
    if (found === null) {
      throw new KernelError('ENOMEM', `no ${frames} neighbouring frames to set aside`)
    }
    this.frames = frames
    this.baseFrame = baseFrame
    this.region = found
    this.#memory = memory
    this.#used = new Uint8Array(frames)
    this.#freeFrames = frames
    memory.debug?.pagesFreed(found, baseFrame - found.baseFrame, frames)
  }

  get freeFrames(): number {
    return this.#freeFrames
  }

  /** The longest run that is free. */
  get largestFree(): number {
    let largest = 0
    let run = 0
    for (const used of this.#used) {
      run = used === 0 ? run + 1 : 0
      largest = Math.max(largest, run)
    }
    return largest
  }

  /** The first of `count` neighbouring frames, -1 when there is no such run in the first `limit` frames. `alignOrder`: of the place in the area. */
  alloc(count: number, alignOrder = 0, limit: number = this.frames): number {
    const step = 2 ** alignOrder
    for (let at = 0; at + count <= limit; ) {
      const taken = this.#used.indexOf(1, at)
      if (taken < 0 || taken >= at + count) return this.#take(at, count)
      at = Math.ceil((taken + 1) / step) * step
    }
    return -1
  }

  /** Frames of which all were handed out: asserted. */
  free(frame: number, count: number): void {
    const at = frame - this.baseFrame
    for (let i = at; i < at + count; i++) {
      assert(this.#used[i] === 1, 'frames were given back that were not handed out')
    }
    this.#used.fill(0, at, at + count)
    this.#freeFrames += count
    this.#memory.debug?.pagesFreed(this.region, frame - this.region.baseFrame, count)
  }

  /** Gives the area up; nothing of it may be handed out. */
  destroy(): void {
    assert(this.#freeFrames === this.frames, 'an area is given up while frames of it are in use')
    this.#memory.debug?.pagesAllocated(
      this.region,
      this.baseFrame - this.region.baseFrame,
      this.frames,
    )
    this.#memory.freeContiguous(this.baseFrame, this.frames)
  }

  #take(at: number, count: number): number {
    this.#used.fill(1, at, at + count)
    this.#freeFrames -= count
    const frame = this.baseFrame + at
    this.#memory.debug?.pagesAllocated(this.region, frame - this.region.baseFrame, count)
    return frame
  }
}
