// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Polling a buffer: readable when no write fence is pending, writable when no read fence is either. There is one callback for each of the two, on the
// first fence that is pending; when it fires those who poll look again, and the next look puts it on the next fence. While it is on a
// fence it holds a reference on the buffer, which so lives on even when everybody else is gone.

import {
  DeferredCall,
  type File,
  type Op,
  PollEvents,
  PollQueue,
  type PollTable,
} from '@iolayers/kernel'
import type { DmaFence } from '../fence/dma-fence.ts'
import { DmaFenceCallback } from '../fence/dma-fence-callback.ts'
import { dmaResvUsageRw } from '../resv/dma-resv-usage.ts'
import type { DmaBuf } from './contracts.ts'

const { EPOLLIN, EPOLLOUT } = PollEvents

/** @see include/linux/dma-buf.h struct dma_buf_poll_cb_t */
interface PollSlot {
  readonly callback: DmaFenceCallback
  readonly event: number
  active: boolean
}

/** @see drivers/dma-buf/dma-buf.c dma_buf_poll, dma_buf_poll_cb */
export class DmaBufPoll {
  readonly #dmabuf: DmaBuf
  readonly #queue: PollQueue
  readonly #in: PollSlot
  readonly #out: PollSlot
  readonly #puts: DeferredCall
  #putsDue: number

  constructor(dmabuf: DmaBuf) {
    this.#dmabuf = dmabuf
    this.#queue = new PollQueue()
    this.#in = this.#slot(EPOLLIN)
    this.#out = this.#slot(EPOLLOUT)
    this.#puts = new DeferredCall(`fput of dma-buf ${dmabuf.inode}`, () => this.#putAll())
    this.#putsDue = 0
  }

  /** Whether a callback is on a fence. */
  get active(): boolean {
    return this.#in.active || this.#out.active
  }

  *poll(file: File, table: PollTable | null): Op<number> {
    table?.wait(file, this.#queue)
    const events = (table?.requestedEvents ?? ~0) & (EPOLLIN | EPOLLOUT)
    if (events === 0) return 0
    const { resv } = this.#dmabuf
    yield* resv.lock(null)
    try {
      let ready = 0
      if ((events & EPOLLOUT) !== 0 && this.#ready(this.#out)) ready |= EPOLLOUT
      if ((events & EPOLLIN) !== 0 && this.#ready(this.#in)) ready |= EPOLLIN
      return ready
    } finally {
      resv.unlock()
    }
  }

  /** False while a fence is pending, on which the callback then is. */
  #ready(slot: PollSlot): boolean {
    if (slot.active) return false
    slot.active = true
    if (this.#addCallback(slot)) {
      this.#dmabuf.get()
      return false
    }
    // Others who poll have seen it busy.
    slot.active = false
    this.#queue.wakeUp(slot.event)
    return true
  }

  /** @see dma_buf_poll_add_cb */
  #addCallback(slot: PollSlot): boolean {
    let added = false
    const usage = dmaResvUsageRw(slot.event === EPOLLOUT)
    this.#dmabuf.resv.forEachFence(usage, (fence) => {
      if (added) return
      fence.get()
      added = fence.addCallback(slot.callback)
      if (!added) fence.put()
    })
    return added
  }

  #slot(event: number): PollSlot {
    const slot: PollSlot = {
      callback: new DmaFenceCallback((fence) => this.#fired(slot, fence)),
      event,
      active: false,
    }
    return slot
  }

  #fired(slot: PollSlot, fence: DmaFence): void {
    slot.active = false
    this.#queue.wakeUp(slot.event)
    fence.put()
    // Not here: the last put releases the buffer, which is too much for whoever signals. @see fs/file_table.c fput
    this.#putsDue++
    this.#dmabuf.file.kernel.scheduler.queue(this.#puts)
  }

  #putAll(): void {
    let due = this.#putsDue
    this.#putsDue = 0
    for (; due > 0; due--) this.#dmabuf.put()
  }
}
