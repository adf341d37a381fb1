// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Device, DmaDirection, SgTable } from '@iolayers/dma-mapping'
import type { File, Op } from '@iolayers/kernel'
import type { DmaResv } from '../resv/dma-resv.ts'

/** The bytes of a buffer for the CPU, in order. Good until the `vunmap` that belongs to the `vmap`. @see struct iosys_map */
export interface BufferView {
  readonly segments: readonly Uint8Array[]
}

/**
 * The exporter of one buffer. `pin` and `unpin` come together and make it an exporter that moves its buffers.
 *
 * @see include/linux/dma-buf.h struct dma_buf_ops
 */
export interface DmaBufOps {
  /** May refuse a device by throwing. */
  attach?(dmabuf: DmaBuf, attachment: DmaBufAttachment): void
  detach?(dmabuf: DmaBuf, attachment: DmaBufAttachment): void
  /** The buffer may not move until `unpin`. With the reservation lock held. */
  pin?(attachment: DmaBufAttachment): Op<void>
  unpin?(attachment: DmaBufAttachment): void
  /** The buffer's pages, mapped for the attached device. With the reservation lock held. */
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
}

/**
 * An importer that can do without its mappings: the exporter may move the buffer at any time.
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
   * here), and unmap in bounded time. Called with the reservation lock held; may not take it.
   */
  invalidateMappings(attachment: DmaBufAttachment): Op<void>
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
}

/**
 * A buffer that devices share. It lives as long as its file does.
 *
 * @see drivers/dma-buf/dma-buf.c
 */
export interface DmaBuf {
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
  /** Devices attached now. */
  readonly attachments: number
  /** Throws EINVAL for more than 31 characters. @see DMA_BUF_SET_NAME */
  setName(name: string): void
  get(): void
  /** Whoever drops the last reference releases the buffer, and may not look at it again. */
  put(): void
  /** For an importer that cannot be interrupted: mapping pins the buffer. @see dma_buf_attach */
  attach(device: Device): DmaBufAttachment
  /** @see dma_buf_dynamic_attach */
  dynamicAttach(device: Device, importer: DmaBufImporterOps): DmaBufAttachment
  /** Nothing may be mapped through it any more. @see dma_buf_detach */
  detach(attachment: DmaBufAttachment): void
  /**
   * A table of device addresses that covers the buffer exactly, mapped for the attachment's device. The caller holds the reservation lock, and for a
   * dynamic attachment waits for the KERNEL fences under it. Throws what the exporter throws, and EINVAL for a table that lies: another total than
   * the buffer's size, or a range that is not whole pages; such a table has been unmapped again.
   *
   * @see dma_buf_map_attachment
   */
  mapAttachment(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable>
  /** With the reservation lock held and the direction of the mapping. @see dma_buf_unmap_attachment */
  unmapAttachment(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void
  /**
   * For the exporter, with the reservation lock held: tells every importer that its mappings are void. DMA may still be running when it returns, until
   * the BOOKKEEP fences have signalled; tables stay mapped until each importer unmaps. Formerly `move_notify`.
   *
   * @see dma_buf_invalidate_mappings
   */
  invalidateMappings(): Op<void>
  /** Waits for the devices' fences that the access has to wait for. Throws ERESTARTSYS. @see dma_buf_begin_cpu_access */
  beginCpuAccess(direction: DmaDirection): Op<void>
  endCpuAccess(direction: DmaDirection): Op<void>
  /** Takes the reservation lock by itself. Throws EINVAL when the exporter has no CPU view. @see dma_buf_vmap_unlocked */
  vmap(): Op<BufferView>
  vunmap(): void
}
