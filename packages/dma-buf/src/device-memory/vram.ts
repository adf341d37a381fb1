// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MemoryRegion, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { type Scheduler, WaitQueue } from '@iolayers/kernel'
import { FrameArea } from '../heap/frame-area.ts'
import { PageBacking, type PageBlock } from '../heap/page-backing.ts'

/** 2 MiB: larger pieces are good for nothing more. @see drivers/gpu/drm/amd/amdgpu/amdgpu_vram_mgr.c amdgpu_vram_mgr_new */
export const BLOCK_PAGES_MAX = 512

/** The memory of the device: blocks as large as there is room for, not necessarily neighbours. */
export class Vram {
  readonly region: MemoryRegion
  /** Woken when something was freed. */
  readonly space: WaitQueue
  readonly #memory: PhysicalMemory
  readonly #area: FrameArea
  readonly #blockPagesMax: number

  constructor(
    memory: PhysicalMemory,
    region: MemoryRegion,
    scheduler: Scheduler,
    blockPagesMax: number,
  ) {
    this.region = region
    this.space = new WaitQueue(scheduler, `room in ${region.name}`)
    this.#memory = memory
    this.#area = new FrameArea(memory, region.frames, region)
    this.#blockPagesMax = blockPagesMax
  }

  get freePages(): number {
    return this.#area.freeFrames
  }

  get totalPages(): number {
    return this.#area.frames
  }

  get windowPages(): number {
    return this.region.apertureBytes / PAGE_SIZE
  }

  /** Room for a buffer, null when there is none; `limitPages`: within the first pages of the memory. */
  alloc(pages: number, limitPages: number = this.totalPages): PageBacking | null {
    if (pages > this.freePages) return null
    const blocks: PageBlock[] = []
    let left = pages
    let size = this.#blockPagesMax
    while (left > 0 && size >= 1) {
      const take = Math.min(size, left)
      const frame = this.#area.alloc(take, 0, limitPages)
      if (frame < 0) {
        size = Math.floor(take / 2)
        continue
      }
      blocks.push({ frame, pages: take })
      left -= take
    }
    if (left === 0) return new PageBacking(this.#memory, blocks, () => this.#free(blocks))
    this.#free(blocks)
    return null
  }

  /** Whether peers and the CPU reach all of it. */
  isVisible({ blocks }: PageBacking): boolean {
    const end = this.region.baseFrame + this.windowPages
    return blocks.every(({ frame, pages }) => frame + pages <= end)
  }

  destroy(): void {
    this.#area.destroy()
  }

  #free(blocks: readonly PageBlock[]): void {
    for (const { frame, pages } of blocks) this.#area.free(frame, pages)
    this.space.wakeUpAll()
  }
}
