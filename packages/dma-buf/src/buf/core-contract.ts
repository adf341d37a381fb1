// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterSource } from '@iolayers/bpf-iter'
import type { FdTable, WwClass } from '@iolayers/kernel'
import type { DmaResv } from '../resv/dma-resv.ts'
import type { DmaBuf, DmaBufOps } from './contracts.ts'

/** @see include/linux/dma-buf.h struct dma_buf_export_info */
export interface DmaBufExportInfo {
  readonly ops: DmaBufOps
  /** A positive multiple of the page size. */
  readonly sizeBytes: number
  readonly exporterName: string
  readonly name?: string
  /** Of the file; O_RDWR by default. */
  readonly flags?: number
  /** A reservation object that the exporter shares between buffers; by default the buffer has its own. */
  readonly resv?: DmaResv
}

export interface DmaBufStats {
  /** Ever exported. */
  readonly exported: number
  readonly live: number
  readonly liveBytes: number
  readonly mapped: number
  readonly unmapped: number
  readonly invalidations: number
}

/**
 * The buffers of one stack. As an iterator source it walks them newest first: buffers whose last reference is gone are skipped, and
 * buffers exported during a walk are not seen by it.
 */
export interface DmaBufCore extends IterSource<DmaBuf> {
  readonly stats: DmaBufStats
  /** The class of all reservation locks: what acquire contexts are made for. @see reservation_ww_class */
  readonly reservationWwClass: WwClass
  /** The buffer with one reference, the caller's. Throws EINVAL. @see dma_buf_export */
  export(info: DmaBufExportInfo): DmaBuf
  /**
   * A descriptor for the buffer, which takes over the caller's reference: the buffer may be gone when this returns. `tell` hands the number to whoever
   * asked for it, before anybody can use it; when it throws, nothing has been installed and the reference is still the caller's. Throws EMFILE, and EINVAL for flags other than O_CLOEXEC and an access mode.
   *
   * @see dma_buf_fd
   */
  fd(dmabuf: DmaBuf, fdTable: FdTable, flags: number, tell?: (fd: number) => void): number
  /** The buffer behind a descriptor, with a reference for the caller. Throws EBADF, and EINVAL when it is no dma-buf. @see dma_buf_get */
  fromFd(fdTable: FdTable, fd: number): DmaBuf
  /** A reservation object for an exporter that shares one between buffers. */
  createResv(): DmaResv
  /** The first of `count` context numbers that nobody else has. @see dma_fence_context_alloc */
  fenceContextAlloc(count: number): number
}
