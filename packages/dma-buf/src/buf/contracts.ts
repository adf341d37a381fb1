// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Device, DmaDirection, SgTable } from '@iolayers/dma-mapping'
import type { File, Op } from '@iolayers/kernel'
import type { DmaResv } from '../resv/dma-resv.ts'

/** The bytes of a buffer for the CPU, in order. Good until the `vunmap` that belongs to the `vmap`. @see struct iosys_map */
export interface BufferView {
  readonly segments: readonly Uint8Array[]
}

/** A range of a buffer that somebody maps into an address space, in whole pages. @see include/linux/mm_types.h struct vm_area_struct */
export interface DmaBufVma {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly write: boolean
}

/** The exporter's side of one mapping in an address space. @see include/linux/mm.h struct vm_operations_struct */
export interface DmaBufVmOps {
  /**
   * The bytes of the range where they are now, in order and no others. Asked for anew at every look, as at a page fault, so that the buffer may move in between.
   * Throws for an access that ends in SIGBUS.
   */
  fault(): BufferView
  /** The mapping is gone. */
  close?(): void
}

/**
 * The exporter of one buffer. `mapDmaBuf`, `unmapDmaBuf` and `release` there must be; `pin` and `unpin` come together and make it an exporter that
 * moves its buffers.
 *
 * @see include/linux/dma-buf.h struct dma_buf_ops
 */
export interface DmaBufOps {
  /** May refuse a device by throwing; nothing of the attachment is left then. */
  attach?(dmabuf: DmaBuf, attachment: DmaBufAttachment): void
  detach?(dmabuf: DmaBuf, attachment: DmaBufAttachment): void
  /** The buffer may not move until `unpin`. With the reservation lock held. */
  pin?(attachment: DmaBufAttachment): Op<void>
  unpin?(attachment: DmaBufAttachment): void
  /** The buffer's pages, mapped for the attached device: a table that nobody has mapped yet. With the reservation lock held. */
  mapDmaBuf(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable>
  /** With the reservation lock held. */
  unmapDmaBuf(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void
  /** The last reference is gone: frees the backing. No attachment is left. */
  release(dmabuf: DmaBuf): void
  beginCpuAccess?(dmabuf: DmaBuf, direction: DmaDirection): Op<void>
  endCpuAccess?(dmabuf: DmaBuf, direction: DmaDirection): Op<void>
  /** With the reservation lock held. The buffer may not move until `vunmap`. */
  vmap?(dmabuf: DmaBuf): Op<BufferView>
  vunmap?(dmabuf: DmaBuf, view: BufferView): void
  /** Without the reservation lock. The range lies in the buffer. May refuse by throwing. */
  mmap?(dmabuf: DmaBuf, area: DmaBufVma): DmaBufVmOps
}

/**
 * An importer that takes the reservation lock by itself, and that without `pin` the exporter may take the buffer away from at any time.
 *
 * @see include/linux/dma-buf.h struct dma_buf_attach_ops
 */
export interface DmaBufImporterOps {
  /** The importer can take addresses of another device's memory, which have no pages. */
  readonly allowPeer2peer: boolean
  /**
   * The importer syncs each byte range before and after its own DMA, so mapping and unmapping leave the bytes alone. Without it they sync the whole buffer,
   * which on a device that does not snoop reaches into the DMA that others have in flight. False by default.
   *
   * @see include/linux/dma-mapping.h DMA_ATTR_SKIP_CPU_SYNC
   */
  readonly skipCpuSync?: boolean
  /**
   * Every mapping of the attachment is void: start no DMA with it, let a fence in the reservation object tell when the last one ended (or wait
   * here), and unmap in bounded time. Until it unmaps, the device may still read and throw away what it read. Called with the reservation lock held; may
   * not take it. An importer without it pins before it maps, and exporters that revoke refuse it.
   */
  invalidateMappings?(attachment: DmaBufAttachment): Op<void>
}

/** One device on one buffer. @see include/linux/dma-buf.h struct dma_buf_attachment */
export interface DmaBufAttachment {
  readonly dmabuf: DmaBuf
  readonly device: Device
  /** Null for a static attachment: the buffer is pinned while it is mapped. */
  readonly importer: DmaBufImporterOps | null
  readonly peer2peer: boolean
  /** Tables that are mapped now. */
  readonly mappings: number
  /** Calls of `pin` that were not undone. */
  readonly pins: number
}

/** A range of a buffer in somebody's address space. Holds a reference on the buffer. */
export interface DmaBufMapping extends DmaBufVma {
  /**
   * The bytes, where they are now: not to be kept across a wait, in which the exporter may move them. Throws EFAULT after `munmap`, and when the exporter has
   * other bytes than the range; and what the exporter throws.
   */
  segments(): readonly Uint8Array[]
  /** Drops the reference. Once. */
  munmap(): void
}

/** What importers do with a buffer. */
export interface DmaBufImporting {
  /** Devices attached now. */
  readonly attachments: number
  /** Their names, in the order in which they came. */
  readonly attachedDevices: readonly string[]
  /** Tables that are mapped now, by all of them. */
  readonly mappings: number
  /** For an importer that cannot be interrupted: mapping pins the buffer. Throws what the exporter throws. @see dma_buf_attach */
  attach(device: Device): DmaBufAttachment
  /** @see dma_buf_dynamic_attach */
  dynamicAttach(device: Device, importer: DmaBufImporterOps): DmaBufAttachment
  /** Nothing may be mapped through it any more, nor pinned. @see dma_buf_detach */
  detach(attachment: DmaBufAttachment): void
  /** For a dynamic attachment, with the reservation lock held: the exporter may not move the buffer. @see dma_buf_pin */
  pin(attachment: DmaBufAttachment): Op<void>
  /** With the reservation lock held. @see dma_buf_unpin */
  unpin(attachment: DmaBufAttachment): void
  /**
   * A table of device addresses that covers the buffer exactly, mapped for the attachment's device. The caller holds the reservation lock, and for a
   * dynamic attachment waits for the KERNEL fences under it. Throws what the exporter throws, and EINVAL for a table that lies: another total than
   * the buffer's size, a range that is not whole pages or not within the device's reach (such a table has been unmapped again), or a table that is mapped already.
   *
   * @see dma_buf_map_attachment
   */
  mapAttachment(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable>
  /** As `mapAttachment`, and takes the reservation lock by itself. @see dma_buf_map_attachment_unlocked */
  mapAttachmentUnlocked(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable>
  /** With the reservation lock held and the direction of the mapping. @see dma_buf_unmap_attachment */
  unmapAttachment(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void
  /** As `unmapAttachment`, and takes the reservation lock by itself. @see dma_buf_unmap_attachment_unlocked */
  unmapAttachmentUnlocked(
    attachment: DmaBufAttachment,
    table: SgTable,
    direction: DmaDirection,
  ): Op<void>
  /** For the exporter: waits until no table is mapped; false when `timeoutNs` ran out. Without the lock, which unmapping takes. */
  waitUnmapped(timeoutNs: number): Op<boolean>
  /**
   * For the exporter, with the reservation lock held: tells every importer that its mappings are void. DMA may still be running when it returns, until
   * the BOOKKEEP fences have signalled; tables stay mapped until each importer unmaps. All are told even if one of them throws; the first error is thrown
   * at the end, and the memory is then not the exporter's to reuse. Formerly `move_notify`.
   *
   * @see dma_buf_invalidate_mappings
   */
  invalidateMappings(): Op<void>
}

/** The buffer for the CPU. */
export interface DmaBufCpuAccess {
  /** Waits for the devices' fences that the access has to wait for. Throws ERESTARTSYS. @see dma_buf_begin_cpu_access */
  beginCpuAccess(direction: DmaDirection): Op<void>
  endCpuAccess(direction: DmaDirection): Op<void>
  /**
   * All bytes; one view for all who ask. Takes the reservation lock by itself. Throws EINVAL when the exporter has no CPU view, or one of another length
   * than the buffer's. @see dma_buf_vmap_unlocked
   */
  vmap(): Op<BufferView>
  /** As `vmap`, with the reservation lock held. @see dma_buf_vmap */
  vmapLocked(): Op<BufferView>
  /** With the reservation lock or without. @see dma_buf_vunmap, dma_buf_vunmap_unlocked */
  vunmap(): void
  /**
   * Maps a range, `offsetBytes` on a page boundary, `lengthBytes` rounded up to whole pages. Throws EINVAL beyond the buffer or when its exporter has no
   * mmap, EOVERFLOW for a range that ends beyond all numbers, EACCES for what the file was not opened for, and what the exporter throws.
   *
   * @see dma_buf_mmap_internal, dma_buf_mmap
   */
  mmap(offsetBytes: number, lengthBytes: number, access: 'read' | 'write'): DmaBufMapping
}

/**
 * A buffer that devices share. It lives as long as its file does.
 *
 * @see drivers/dma-buf/dma-buf.c
 */
export interface DmaBuf extends DmaBufImporting, DmaBufCpuAccess {
  /** Unique in its core, never used again. */
  readonly inode: number
  /** Whole pages. */
  readonly sizeBytes: number
  readonly name: string
  readonly exporterName: string
  readonly resv: DmaResv
  readonly file: File
  /** References on the file, for listing and tests. */
  readonly references: number
  /** Throws EINVAL for more than 31 bytes. What follows a NUL is cut off. Devices may be attached. @see DMA_BUF_SET_NAME */
  setName(name: string): void
  get(): void
  /** Whoever drops the last reference releases the buffer, and may not look at it again. */
  put(): void
}
