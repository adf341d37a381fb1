// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One buffer. Its file holds the reference count; what outlives the last reference is nothing.

import { type Device, DmaDirection, type SgTable, validDmaDirection } from '@iolayers/dma-mapping'
import { assert, File, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import { MAX_SCHEDULE_TIMEOUT } from '../fence/dma-fence.ts'
import type { DmaResv } from '../resv/dma-resv.ts'
import { DmaResvUsage, dmaResvUsageRw } from '../resv/dma-resv-usage.ts'
import { Attachment } from './attachment.ts'
import type { BufferListNode } from './buffer-list.ts'
import { checkMappedTable } from './check-table.ts'
import type {
  BufferView,
  DmaBuf,
  DmaBufAttachment,
  DmaBufImporterOps,
  DmaBufOps,
} from './contracts.ts'
import { DmaBufFileOps } from './dma-buf-file.ts'
import type { DmaBufTracepoints } from './tracepoints.ts'

/** The longest name that a buffer can have. @see include/uapi/linux/dma-buf.h DMA_BUF_NAME_LEN, with its terminator */
export const DMA_BUF_NAME_MAX = 31

/** What the core keeps count of. */
export interface DmaBufCounters {
  exported: number
  live: number
  liveBytes: number
  mapped: number
  unmapped: number
  invalidations: number
}

/** What a buffer needs of its core. */
export interface DmaBufOwner {
  readonly kernel: Kernel
  readonly trace: DmaBufTracepoints
  readonly counters: DmaBufCounters
  /** The last reference is gone. The buffer leaves the list before anything of it is torn down. */
  unlink(dmabuf: DmaBufObject): void
}

export interface DmaBufObjectInit {
  readonly inode: number
  readonly ops: DmaBufOps
  readonly sizeBytes: number
  readonly exporterName: string
  readonly flags: number
  readonly resv: DmaResv
  readonly ownsResv: boolean
}

export class DmaBufObject implements DmaBuf, BufferListNode<DmaBufObject> {
  readonly inode: number
  readonly sizeBytes: number
  readonly exporterName: string
  readonly resv: DmaResv
  readonly file: File
  listPrev: DmaBufObject | null
  listNext: DmaBufObject | null
  readonly #owner: DmaBufOwner
  readonly #ops: DmaBufOps
  readonly #ownsResv: boolean
  readonly #attachments: Set<Attachment>
  #name: string
  #view: BufferView | null
  #vmaps: number

  constructor(owner: DmaBufOwner, init: DmaBufObjectInit) {
    this.inode = init.inode
    this.sizeBytes = init.sizeBytes
    this.exporterName = init.exporterName
    this.resv = init.resv
    this.listPrev = null
    this.listNext = null
    this.#owner = owner
    this.#ops = init.ops
    this.#ownsResv = init.ownsResv
    this.#attachments = new Set()
    this.#name = ''
    this.#view = null
    this.#vmaps = 0
    const fileOps = new DmaBufFileOps(this, () => this.#release())
    this.file = new File(owner.kernel, fileOps, { name: 'dmabuf', flags: init.flags })
  }

  get name(): string {
    return this.#name
  }

  get references(): number {
    return this.file.references
  }

  get attachments(): number {
    return this.#attachments.size
  }

  setName(name: string): void {
    if (name.length > DMA_BUF_NAME_MAX) {
      throw new KernelError('EINVAL', `the name of a dma-buf has ${name.length} characters`, {
        accepted: `at most ${DMA_BUF_NAME_MAX}`,
      })
    }
    this.#name = name
  }

  get(): void {
    this.file.get()
  }

  tryGet(): boolean {
    return this.file.tryGet()
  }

  put(): void {
    // Traced first: after the put the buffer may be gone.
    const { put } = this.#owner.trace
    if (put.enabled) put.emit(this.inode, this.sizeBytes, this.#name, this.exporterName)
    this.file.put()
  }

  attach(device: Device): DmaBufAttachment {
    return this.#attach(device, null)
  }

  dynamicAttach(device: Device, importer: DmaBufImporterOps): DmaBufAttachment {
    return this.#attach(device, importer)
  }

  detach(attachment: DmaBufAttachment): void {
    const own = this.#own(attachment)
    assert(own.tables.size === 0, 'a dma-buf attachment was detached while it was mapped')
    this.#attachments.delete(own)
    this.#ops.detach?.(this, own)
    const { detach } = this.#owner.trace
    if (detach.enabled) detach.emit(this.inode, own.device.name)
  }

  *mapAttachment(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    const own = this.#own(attachment)
    this.resv.assertHeld()
    if (!validDmaDirection(direction)) {
      throw new KernelError('EINVAL', 'direction of a dma-buf mapping', {
        value: direction,
        accepted: 'BIDIRECTIONAL, TO_DEVICE or FROM_DEVICE',
      })
    }
    // A static importer cannot be told to let go, so the buffer has to stay where it is.
    if (own.importer === null) yield* this.#ops.pin?.(own) ?? nothing()
    let table: SgTable | null = null
    try {
      table = yield* this.#ops.mapDmaBuf(own, direction)
      assert(!own.tables.has(table), 'an exporter gave out a table that is mapped already')
      checkMappedTable(table, this.sizeBytes, this.exporterName)
      if (own.importer === null) yield* this.#waitFences(DmaResvUsage.KERNEL)
    } catch (error) {
      if (table !== null) this.#ops.unmapDmaBuf(own, table, direction)
      if (own.importer === null) this.#ops.unpin?.(own)
      throw error
    }
    own.tables.set(table, direction)
    this.#owner.counters.mapped++
    const { map } = this.#owner.trace
    if (map.enabled) map.emit(this.inode, own.device.name, table.nents, direction)
    return table
  }

  unmapAttachment(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void {
    const own = this.#own(attachment)
    this.resv.assertHeld()
    const mapped = own.tables.get(table)
    assert(mapped !== undefined, 'a dma-buf table was unmapped that its attachment has not mapped')
    assert(mapped === direction, 'a dma-buf table was unmapped in another direction')
    own.tables.delete(table)
    this.#ops.unmapDmaBuf(own, table, direction)
    if (own.importer === null) this.#ops.unpin?.(own)
    this.#owner.counters.unmapped++
    const { unmap } = this.#owner.trace
    if (unmap.enabled) unmap.emit(this.inode, own.device.name)
  }

  *invalidateMappings(): Op<void> {
    this.resv.assertHeld()
    this.#owner.counters.invalidations++
    const { invalidate } = this.#owner.trace
    if (invalidate.enabled) invalidate.emit(this.inode, this.#attachments.size)
    // The set may lose members while an importer waits; it does not visit those.
    for (const attachment of this.#attachments) {
      yield* attachment.importer?.invalidateMappings(attachment) ?? nothing()
    }
  }

  *beginCpuAccess(direction: DmaDirection): Op<void> {
    yield* this.#ops.beginCpuAccess?.(this, direction) ?? nothing()
    // Also when the exporter did its part: the fences of other devices are not its to wait for.
    yield* this.#waitFences(dmaResvUsageRw(direction !== DmaDirection.FROM_DEVICE))
  }

  *endCpuAccess(direction: DmaDirection): Op<void> {
    yield* this.#ops.endCpuAccess?.(this, direction) ?? nothing()
  }

  *vmap(): Op<BufferView> {
    if (this.#ops.vmap === undefined) {
      throw new KernelError(
        'EINVAL',
        `exporter ${this.exporterName} has no CPU view of its buffers`,
      )
    }
    yield* this.resv.lock(null)
    try {
      this.#view ??= yield* this.#ops.vmap(this)
      this.#vmaps++
      return this.#view
    } finally {
      this.resv.unlock()
    }
  }

  vunmap(): void {
    const view = this.#view
    assert(view !== null, 'a dma-buf was vunmapped more often than vmapped')
    this.#vmaps--
    if (this.#vmaps > 0) return
    this.#view = null
    this.#ops.vunmap?.(this, view)
  }

  #attach(device: Device, importer: DmaBufImporterOps | null): Attachment {
    const attachment = new Attachment(this, device, importer)
    this.#ops.attach?.(this, attachment)
    this.#attachments.add(attachment)
    const { attach } = this.#owner.trace
    if (attach.enabled) attach.emit(this.inode, device.name, importer === null ? 0 : 1)
    return attachment
  }

  #own(attachment: DmaBufAttachment): Attachment {
    assert(
      attachment instanceof Attachment && this.#attachments.has(attachment),
      'an attachment of another dma-buf, or one that was detached',
    )
    return attachment
  }

  *#waitFences(usage: DmaResvUsage): Op<void> {
    const left = yield* this.resv.waitTimeout(usage, true, MAX_SCHEDULE_TIMEOUT)
    if (left > 0) return
    throw new KernelError(
      'ERESTARTSYS',
      `interrupted while waiting for the fences of dma-buf ${this.inode}`,
    )
  }

  /** @see dma_buf_file_release, dma_buf_release */
  #release(): void {
    const { scheduler } = this.#owner.kernel
    if (scheduler.exploring)
      scheduler.choicePoint('dma_buf: last reference gone, still on the list')
    this.#owner.unlink(this)
    assert(this.#attachments.size === 0, 'a dma-buf was released with devices attached')
    assert(this.#vmaps === 0, 'a dma-buf was released with a CPU view')
    this.#ops.release(this)
    if (this.#ownsResv) this.resv.fini()
  }
}

function* nothing(): Op<void> {}
