// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What importers do with a buffer: attach, pin, map, and be told that their mappings are void. The exporter is a peer that may throw or lie anywhere:
// the state here is right before each of its functions is called, and stays right when that one fails.

import { type Device, type DmaDirection, SgTable, validDmaDirection } from '@iolayers/dma-mapping'
import { assert, assertOnce, assertRef, KernelError, type Op, WaitQueue } from '@iolayers/kernel'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import { Attachment } from './attachment.ts'
import { checkMappedTable } from './check-table.ts'
import type { DmaBufAttachment, DmaBufImporterOps } from './contracts.ts'
import { DmaBufBase, type DmaBufObjectInit, type DmaBufShared } from './dma-buf-base.ts'

export abstract class AttachedDmaBuf extends DmaBufBase {
  readonly #attachments: Set<Attachment>
  readonly #unmapped: WaitQueue
  readonly #isUnmapped: () => boolean
  #mappings: number

  constructor(shared: DmaBufShared, init: DmaBufObjectInit) {
    super(shared, init)
    this.#attachments = new Set()
    this.#unmapped = new WaitQueue(shared.kernel.scheduler, 'importers to unmap a dma-buf')
    this.#isUnmapped = () => this.#mappings === 0
    this.#mappings = 0
  }

  get attachments(): number {
    return this.#attachments.size
  }

  get mappings(): number {
    return this.#mappings
  }

  get attachedDevices(): string[] {
    return [...this.#attachments].map(({ device }) => device.name)
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
    assert(!own.mapping, 'a dma-buf attachment was detached while it was being mapped')
    assert(own.pins === 0, 'a dma-buf attachment was detached while it pinned the buffer')
    this.#attachments.delete(own)
    try {
      this.ops.detach?.(this.self, own)
    } finally {
      const { detach } = this.shared.trace
      if (detach.enabled) detach.emit(this.inode, own.device.name)
    }
  }

  *pin(attachment: DmaBufAttachment): Op<void> {
    const own = this.#own(attachment)
    assert(own.importer !== null, 'only a dynamic importer pins by itself')
    this.resv.assertHeld()
    yield* this.#pinOps(own)
    own.pins++
  }

  unpin(attachment: DmaBufAttachment): void {
    const own = this.#own(attachment)
    assert(own.importer !== null, 'only a dynamic importer unpins by itself')
    this.resv.assertHeld()
    assertRef(own.pins > 0, 'a dma-buf was unpinned more often than its attachment pinned it')
    own.pins--
    this.#unpinOps(own)
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
    this.#checkPinned(own)
    let table: SgTable
    own.mapping = true
    try {
      table = yield* this.#mapPinned(own, direction)
    } finally {
      own.mapping = false
    }
    own.tables.set(table, direction)
    this.#mappings++
    this.shared.counters.mapped++
    const { map } = this.shared.trace
    if (map.enabled) map.emit(this.inode, own.device.name, table.nents, direction)
    return table
  }

  *mapAttachmentUnlocked(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    yield* this.resv.lock(null)
    try {
      return yield* this.mapAttachment(attachment, direction)
    } finally {
      this.unlockResv()
    }
  }

  unmapAttachment(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void {
    const own = this.#own(attachment)
    this.resv.assertHeld()
    const mapped = own.tables.get(table)
    assertOnce(
      mapped !== undefined,
      'a dma-buf table was unmapped that its attachment has not mapped',
    )
    assert(mapped === direction, 'a dma-buf table was unmapped in another direction')
    own.tables.delete(table)
    this.shared.tables.delete(table)
    this.#mappings--
    this.shared.counters.unmapped++
    try {
      this.#unmapTable(own, table, direction)
    } finally {
      const { unmap } = this.shared.trace
      if (unmap.enabled) unmap.emit(this.inode, own.device.name)
      if (this.#mappings === 0) this.#unmapped.wakeUpAll()
    }
  }

  *unmapAttachmentUnlocked(
    attachment: DmaBufAttachment,
    table: SgTable,
    direction: DmaDirection,
  ): Op<void> {
    yield* this.resv.lock(null)
    try {
      this.unmapAttachment(attachment, table, direction)
    } finally {
      this.unlockResv()
    }
  }

  *waitUnmapped(timeoutNs: number): Op<boolean> {
    assert(!this.resv.held, 'a wait for unmaps holds the lock that they take')
    if (timeoutNs !== Number.POSITIVE_INFINITY) {
      return (yield* this.#unmapped.waitEventTimeout(this.#isUnmapped, timeoutNs)) > 0
    }
    yield* this.#unmapped.waitEvent(this.#isUnmapped)
    return true
  }

  *invalidateMappings(): Op<void> {
    this.resv.assertHeld()
    this.shared.counters.invalidations++
    const { invalidate } = this.shared.trace
    if (invalidate.enabled) invalidate.emit(this.inode, this.#attachments.size)
    const failures: unknown[] = []
    // The set may lose members while an importer waits; it does not visit those.
    for (const attachment of this.#attachments) {
      attachment.mapsWhenTold = attachment.device.dma.stats.mapsSgtable
      try {
        yield* attachment.importer?.invalidateMappings?.(attachment) ?? nothing()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  #attach(device: Device, importer: DmaBufImporterOps | null): Attachment {
    this.assertLive()
    const attachment = new Attachment(this.self, device, importer)
    this.ops.attach?.(this.self, attachment)
    this.#attachments.add(attachment)
    const { attach } = this.shared.trace
    if (attach.enabled) attach.emit(this.inode, device.name, importer === null ? 0 : 1)
    return attachment
  }

  #own(attachment: DmaBufAttachment): Attachment {
    this.assertLive()
    assert(
      attachment instanceof Attachment && this.#attachments.has(attachment),
      'an attachment of another dma-buf, or one that was detached',
    )
    return attachment
  }

  /** Whoever cannot be told that the buffer moves has to keep it from moving. @see include/linux/dma-buf.h struct dma_buf_attach_ops */
  #checkPinned({ importer, pins, device }: Attachment): void {
    if (importer === null || importer.invalidateMappings !== undefined || pins > 0) return
    if (this.ops.pin === undefined || !this.shared.kernel.checked) return
    this.shared.kernel.report({
      check: 'dma-buf',
      message: `${device.name} maps dma-buf ${this.inode}, which may move, without invalidateMappings and without a pin`,
    })
  }

  /** A static importer cannot be told to let go, so the buffer has to stay where it is. */
  *#mapPinned(own: Attachment, direction: DmaDirection): Op<SgTable> {
    if (own.importer !== null) return yield* this.#mapTable(own, direction)
    yield* this.#pinOps(own)
    try {
      return yield* this.#mapTable(own, direction)
    } catch (error) {
      this.undo('unpin', () => this.ops.unpin?.(own))
      throw error
    }
  }

  *#pinOps(own: Attachment): Op<void> {
    if (this.ops.pin === undefined) return
    yield* this.ops.pin(own)
    try {
      this.checkLock(true, 'pin')
    } catch (error) {
      this.undo('unpin', () => this.ops.unpin?.(own))
      throw error
    }
  }

  #unpinOps(own: Attachment): void {
    if (this.ops.unpin === undefined) return
    const { held } = this.resv
    this.ops.unpin(own)
    this.checkLock(held, 'unpin')
  }

  *#mapTable(own: Attachment, direction: DmaDirection): Op<SgTable> {
    own.mapsWhenTold = -1
    const table: unknown = yield* this.ops.mapDmaBuf(own, direction)
    if (!(table instanceof SgTable)) {
      throw new KernelError('ENOMEM', `exporter ${this.exporterName} gave no table`)
    }
    const { tables } = this.shared
    if (tables.has(table)) {
      // Not unmapped again: that would end the mapping that somebody uses.
      throw new KernelError(
        'EINVAL',
        `exporter ${this.exporterName} gave a table that is mapped already`,
      )
    }
    tables.add(table)
    try {
      this.checkLock(true, 'mapDmaBuf')
      this.#checkNotVoid(own, table)
      checkMappedTable(table, { direction, dmabuf: this, device: own.device })
      if (own.importer === null) yield* this.waitFences(DmaResvUsage.KERNEL)
      return table
    } catch (error) {
      tables.delete(table)
      this.undo('unmapDmaBuf', () => this.ops.unmapDmaBuf(own, table, direction))
      throw error
    }
  }

  /** An exporter that moves the buffer does so before it makes the table. One that does it afterwards gives out a table of the old place. */
  #checkNotVoid({ mapsWhenTold, device }: Attachment, { mapping }: SgTable): void {
    if (mapsWhenTold < 0 || mapping === null) return
    if (device.dma.stats.mapsSgtable > mapsWhenTold) return
    throw new KernelError(
      'ESTALE',
      `exporter ${this.exporterName} moved the buffer after it had made its table`,
    )
  }

  #unmapTable(own: Attachment, table: SgTable, direction: DmaDirection): void {
    try {
      this.ops.unmapDmaBuf(own, table, direction)
      this.checkLock(true, 'unmapDmaBuf')
    } finally {
      if (own.importer === null) this.#unpinOps(own)
    }
  }
}

function* nothing(): Op<void> {}
