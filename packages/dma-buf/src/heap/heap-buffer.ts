// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaAttrs, DmaDirection, type SgTable } from '@iolayers/dma-mapping'
import { assert, KernelError, type Op } from '@iolayers/kernel'
import type {
  BufferView,
  DmaBuf,
  DmaBufAttachment,
  DmaBufOps,
  DmaBufVma,
  DmaBufVmOps,
} from '../buf/contracts.ts'
import { MAX_SCHEDULE_TIMEOUT } from '../fence/dma-fence.ts'
import { dmaResvUsageRw } from '../resv/dma-resv-usage.ts'
import type { PageBacking } from './page-backing.ts'

interface HeapMapping {
  readonly attachment: DmaBufAttachment
  readonly backing: PageBacking
  readonly direction: DmaDirection
}

/**
 * The exporter of one buffer that has ordinary pages. Every attachment gets a table of its own, mapped for its device.
 *
 * @see drivers/dma-buf/heaps/system_heap.c system_heap_buf_ops
 */
export class HeapBuffer implements DmaBufOps {
  protected backing: PageBacking
  readonly #mapped: Map<SgTable, HeapMapping>
  #cpuAccesses: number

  constructor(backing: PageBacking) {
    this.backing = backing
    this.#mapped = new Map()
    this.#cpuAccesses = 0
  }

  *mapDmaBuf(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    const { backing } = this
    const table = backing.table()
    attachment.device.dma.mapSgtable(table, direction, mappingAttrs(attachment))
    backing.mappings++
    this.#mapped.set(table, { attachment, backing, direction })
    return table
  }

  unmapDmaBuf(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void {
    const mapping = this.#mapped.get(table)
    assert(mapping !== undefined, 'a table that this exporter has not mapped')
    this.#mapped.delete(table)
    attachment.device.dma.unmapSgtable(table, direction, mappingAttrs(attachment))
    mapping.backing.mappings--
    this.unmappedFrom(mapping.backing)
  }

  release(_dmabuf: DmaBuf): void {
    this.backing.free()
  }

  /** Waits for the fences first, and not only after this as the core does: what a device writes after a sync would be missed. */
  *beginCpuAccess(dmabuf: DmaBuf, direction: DmaDirection): Op<void> {
    const usage = dmaResvUsageRw(direction !== DmaDirection.FROM_DEVICE)
    const left = yield* dmabuf.resv.waitTimeout(usage, true, MAX_SCHEDULE_TIMEOUT)
    // The DMA goes on, and the bytes stay the device's.
    if (left <= 0) {
      throw new KernelError('ERESTARTSYS', `interrupted before the CPU had dma-buf ${dmabuf.inode}`)
    }
    this.syncForCpu()
    this.#cpuAccesses++
  }

  *endCpuAccess(_dmabuf: DmaBuf, _direction: DmaDirection): Op<void> {
    if (this.#cpuAccesses > 0) this.#cpuAccesses--
    this.syncForDevice()
  }

  *vmap(_dmabuf: DmaBuf): Op<BufferView> {
    return { segments: this.backing.views() }
  }

  vunmap(_dmabuf: DmaBuf, _view: BufferView): void {}

  /** @see system_heap_mmap */
  mmap(_dmabuf: DmaBuf, { offsetBytes, lengthBytes }: DmaBufVma): DmaBufVmOps {
    return { fault: () => ({ segments: this.backing.views(offsetBytes, lengthBytes) }) }
  }

  /** Between begin and end: what the CPU has of the bytes is newer than what is in memory. */
  protected get accessedByCpu(): boolean {
    return this.#cpuAccesses > 0
  }

  /** Lets devices see what the CPU wrote, as `syncForCpu` does the other way. */
  protected syncForDevice(): void {
    for (const [table, { attachment, direction }] of this.#mapped) {
      if (!syncsItself(attachment)) attachment.device.dma.syncSgtableForDevice(table, direction)
    }
  }

  /**
   * Lets the CPU see what devices wrote, but for importers that sync each transfer themselves: what they transferred is the CPU's
   * already, and a sync of the rest of the buffer would bring back what was in memory before. @see system_heap_dma_buf_begin_cpu_access */
  protected syncForCpu(): void {
    for (const [table, { attachment, direction }] of this.#mapped) {
      if (!syncsItself(attachment)) attachment.device.dma.syncSgtableForCpu(table, direction)
    }
  }

  /** A table over `backing` was unmapped. */
  protected unmappedFrom(_backing: PageBacking): void {}
}

function mappingAttrs(attachment: DmaBufAttachment): number {
  return syncsItself(attachment) ? DmaAttrs.SKIP_CPU_SYNC : 0
}

function syncsItself({ importer }: DmaBufAttachment): boolean {
  return importer?.skipCpuSync === true
}
