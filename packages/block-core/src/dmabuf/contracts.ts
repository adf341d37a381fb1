// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import type { Device, DmaDirection, DmaSegmentTable } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import type { DmabufMap } from '@iolayers/uio'

/**
 * One generation of device addresses of a registered buffer, as requests see it.
 *
 * Two references. `refs` (get, put): software holds a pointer; whoever imported the map holds it once for a whole I/O,
 * and the bios and requests of that I/O do not count. `active` (tryGetActive, putActive): the hardware may be doing
 * DMA. The device addresses can be reached in no other way than through `active`.
 */
export interface DmabufIoMap extends DmabufMap {
  get(): void
  put(): void
  /** Unpublished: tryGetActive fails for ever. */
  readonly dead: boolean
  /** Null when the generation is dead. Does not sleep. */
  tryGetActive(): DmaSegmentTable | null
  putActive(): void
}

/** The registration of one buffer with one block device. It holds the attachment, and makes maps when they are needed. */
export interface DmabufToken {
  readonly sizeBytes: number
  readonly direction: DmaDirection
  /** The live map with a reference on `refs` for the caller, or null where none is there. Does not sleep. */
  tryGetMap(): DmabufIoMap | null
  /**
   * The live map, made where none is there, with a reference on `refs` for the caller. Throws KernelError: ETIME when
   * the exporter's fences took too long, ERESTARTSYS when a signal came, ENOENT after release, ENOMEM, or what the exporter
   * or the driver said.
   */
  getMap(): Op<DmabufIoMap>
  /** Idempotent. Returns when the last DMA is over and the buffer is unmapped and detached. */
  release(): Op<void>
}

/** Makes tokens. Drivers are given one by whoever wires the stack. */
export interface DmabufTokenFactory {
  create(device: Device, dmabuf: DmaBuf, direction: DmaDirection): Op<DmabufToken>
}

/** What a disk needs of its driver for registrations. */
export interface DmabufRegistrar {
  /** Throws KernelError EOPNOTSUPP where the device cannot do dmabuf I/O. */
  createDmabufToken(dmabuf: DmaBuf, direction: DmaDirection): Op<DmabufToken>
}
