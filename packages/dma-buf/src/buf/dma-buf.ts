// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One buffer. Its file holds the reference count; what outlives the last reference is nothing.

import { assertLive, File, OpenFlags } from '@iolayers/kernel'
import type { BufferListNode } from './buffer-list.ts'
import type { DmaBuf } from './contracts.ts'
import { CpuDmaBuf } from './cpu-dma-buf.ts'
import type { DmaBufObjectInit, DmaBufShared } from './dma-buf-base.ts'
import { DmaBufFileOps } from './dma-buf-file.ts'

/** What a buffer needs of its core. */
export interface DmaBufOwner extends DmaBufShared {
  /** The last reference is gone. The buffer leaves the list before anything of it is torn down. */
  unlink(dmabuf: DmaBufObject): void
}

export class DmaBufObject extends CpuDmaBuf implements DmaBuf, BufferListNode<DmaBufObject> {
  override readonly file: File
  listPrev: DmaBufObject | null
  listNext: DmaBufObject | null
  readonly #owner: DmaBufOwner
  readonly #ownsResv: boolean

  constructor(owner: DmaBufOwner, init: DmaBufObjectInit) {
    super(owner, init)
    this.listPrev = null
    this.listNext = null
    this.#owner = owner
    this.#ownsResv = init.ownsResv
    const ops = new DmaBufFileOps(this, () => this.#release())
    const flags = init.flags & (OpenFlags.O_ACCMODE | OpenFlags.O_NONBLOCK)
    this.file = new File(owner.kernel, ops, { name: 'dmabuf', flags })
  }

  protected override get self(): DmaBuf {
    return this
  }

  get references(): number {
    return this.file.references
  }

  get(): void {
    this.file.get()
  }

  tryGet(): boolean {
    return this.file.tryGet()
  }

  put(): void {
    // Traced first: after the put the buffer may be gone (T1).
    this.tracePut()
    this.file.put()
  }

  protected tracePut(): void {
    const { put } = this.shared.trace
    if (put.enabled) put.emit(this.inode, this.sizeBytes, this.name, this.exporterName)
  }

  /** @see dma_buf_file_release, dma_buf_release */
  #release(): void {
    const { scheduler } = this.#owner.kernel
    if (scheduler.exploring)
      scheduler.choicePoint('dma_buf: last reference gone, still on the list')
    this.#owner.unlink(this)
    assertLive(this.attachments === 0, 'a dma-buf was released with devices attached')
    assertLive(this.vmaps === 0, 'a dma-buf was released with a CPU view')
    try {
      this.ops.release(this)
    } finally {
      if (this.#ownsResv) this.resv.fini()
      this.freed = true
    }
  }
}
