// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The buffer for the CPU: bracketed access, one view of all bytes for the kernel's own use, and mappings of ranges in address spaces.

import { DmaDirection } from '@iolayers/dma-mapping'
import { assert, KernelError, type Op } from '@iolayers/kernel'
import { dmaResvUsageRw } from '../resv/dma-resv-usage.ts'
import { AttachedDmaBuf } from './attached-dma-buf.ts'
import type { BufferView, DmaBufMapping } from './contracts.ts'
import type { DmaBufObjectInit, DmaBufShared } from './dma-buf-base.ts'
import { checkArea, Mapping } from './mapping.ts'

export abstract class CpuDmaBuf extends AttachedDmaBuf {
  #view: BufferView | null
  #vmaps: number

  constructor(shared: DmaBufShared, init: DmaBufObjectInit) {
    super(shared, init)
    this.#view = null
    this.#vmaps = 0
  }

  protected get vmaps(): number {
    return this.#vmaps
  }

  *beginCpuAccess(direction: DmaDirection): Op<void> {
    if (this.ops.beginCpuAccess !== undefined) {
      const { held } = this.resv
      yield* this.ops.beginCpuAccess(this.self, direction)
      this.checkLock(held, 'beginCpuAccess')
    }
    // Also when the exporter did its part: the fences of other devices are not its to wait for.
    yield* this.waitFences(dmaResvUsageRw(direction !== DmaDirection.FROM_DEVICE))
  }

  *endCpuAccess(direction: DmaDirection): Op<void> {
    if (this.ops.endCpuAccess === undefined) return
    const { held } = this.resv
    yield* this.ops.endCpuAccess(this.self, direction)
    this.checkLock(held, 'endCpuAccess')
  }

  *vmap(): Op<BufferView> {
    if (this.ops.vmap === undefined) throw this.#noView()
    yield* this.resv.lock(null)
    try {
      return yield* this.vmapLocked()
    } finally {
      this.unlockResv()
    }
  }

  *vmapLocked(): Op<BufferView> {
    if (this.ops.vmap === undefined) throw this.#noView()
    this.resv.assertHeld()
    if (this.#view === null) {
      const view = yield* this.ops.vmap(this.self)
      try {
        this.checkLock(true, 'vmap')
        this.#checkView(view)
      } catch (error) {
        this.undo('vunmap', () => this.ops.vunmap?.(this.self, view))
        throw error
      }
      this.#view = view
    }
    this.#vmaps++
    return this.#view
  }

  vunmap(): void {
    const view = this.#view
    assert(view !== null, 'a dma-buf was vunmapped more often than vmapped')
    this.#vmaps--
    if (this.#vmaps > 0) return
    this.#view = null
    this.ops.vunmap?.(this.self, view)
  }

  mmap(offsetBytes: number, lengthBytes: number, access: 'read' | 'write'): DmaBufMapping {
    const area = checkArea(this.self, offsetBytes, lengthBytes, access)
    if (this.ops.mmap === undefined) {
      throw new KernelError('EINVAL', `exporter ${this.exporterName} has no mmap`)
    }
    const { mmap } = this.shared.trace
    if (mmap.enabled) {
      const { inode, sizeBytes, name, exporterName } = this
      mmap.emit(inode, sizeBytes, name, exporterName, area.offsetBytes, area.lengthBytes)
    }
    return new Mapping(this.self, area, this.ops.mmap(this.self, area))
  }

  #noView(): KernelError {
    return new KernelError('EINVAL', `exporter ${this.exporterName} has no CPU view of its buffers`)
  }

  #checkView(view: BufferView): void {
    let total = 0
    for (const segment of view.segments) total += segment.length
    if (total === this.sizeBytes) return
    throw new KernelError('EINVAL', `exporter ${this.exporterName} gave a CPU view that lies`, {
      value: total,
      accepted: `exactly ${this.sizeBytes} bytes`,
    })
  }
}
