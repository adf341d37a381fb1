// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Op, type Scheduler, WaitQueue } from '@iolayers/kernel'
import type { BufferView, DmaBuf, DmaBufAttachment } from '../buf/contracts.ts'
import { HeapBuffer } from './heap-buffer.ts'
import type { PageBacking } from './page-backing.ts'

/** The exporter of one buffer that can change its pages while nobody has pinned it. */
export class MovableBuffer extends HeapBuffer {
  /** Woken when the old pages of the last move were freed. */
  readonly settled: WaitQueue
  readonly isSettled: () => boolean
  readonly #onFreed: () => void
  #pins: number
  #retired: number

  constructor(scheduler: Scheduler, backing: PageBacking, onFreed: () => void) {
    super(backing)
    this.settled = new WaitQueue(scheduler, 'old pages of a dma-buf to be unmapped')
    this.isSettled = () => this.#retired === 0
    this.#onFreed = onFreed
    this.#pins = 0
    this.#retired = 0
  }

  get pinned(): boolean {
    return this.#pins > 0
  }

  *pin(_attachment: DmaBufAttachment): Op<void> {
    this.#pins++
  }

  unpin(_attachment: DmaBufAttachment): void {
    assert(this.#pins > 0, 'a dma-buf was unpinned more often than pinned')
    this.#pins--
  }

  override *vmap(dmabuf: DmaBuf): Op<BufferView> {
    const view = yield* super.vmap(dmabuf)
    this.#pins++
    return view
  }

  override vunmap(_dmabuf: DmaBuf, _view: BufferView): void {
    this.#pins--
  }

  override release(dmabuf: DmaBuf): void {
    assert(this.#retired === 0, 'a dma-buf was released while old pages of it are mapped')
    super.release(dmabuf)
  }

  /**
   * Makes `fresh` the buffer's pages, and returns those that were. With the reservation lock held, unpinned, and no DMA running. The bytes are the caller's to
   * copy; then it lets the old pages go.
   */
  protected swapTo(fresh: PageBacking): PageBacking {
    assert(!this.pinned, 'a pinned dma-buf was moved')
    // Else the next sync would bring back what was in memory before the CPU wrote.
    if (this.accessedByCpu) this.syncForDevice()
    // The old tables are still mapped: what a device wrote is seen, and the bytes are the CPU's to read.
    this.syncForCpu()
    const old = this.backing
    this.backing = fresh
    return old
  }

  /** Frees old pages; true when that was done, false when they stay until the last importer unmaps them. */
  protected letGo(old: PageBacking): boolean {
    if (old.mappings === 0) {
      old.free()
      return true
    }
    old.retired = true
    this.#retired++
    return false
  }

  /** As `swapTo`, with the bytes copied by the CPU and the old pages let go. True when those are free already. */
  moveTo(fresh: PageBacking): boolean {
    const old = this.swapTo(fresh)
    fresh.copyFrom(old)
    return this.letGo(old)
  }

  protected override unmappedFrom(backing: PageBacking): void {
    if (!backing.retired || backing.mappings > 0) return
    backing.free()
    this.#retired--
    this.#onFreed()
    this.settled.wakeUpAll()
  }
}
