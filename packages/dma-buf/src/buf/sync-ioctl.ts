// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection } from '@iolayers/dma-mapping'
import { KernelError, type Op } from '@iolayers/kernel'
import type { DmaBuf } from './contracts.ts'

/** @see include/uapi/linux/dma-buf.h DMA_BUF_SYNC_READ and following */
export const DmaBufSync = {
  READ: 1,
  WRITE: 2,
  RW: 3,
  START: 0,
  END: 4,
} as const

const VALID_FLAGS = DmaBufSync.RW | DmaBufSync.END

/**
 * Begins or ends an access through a mapping: READ, WRITE or both, with START or END. Throws EINVAL for other flags or none of READ and WRITE, and what
 * `beginCpuAccess` and `endCpuAccess` throw.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_ioctl, DMA_BUF_IOCTL_SYNC
 */
export function* dmaBufSync(dmabuf: DmaBuf, flags: number): Op<void> {
  if ((flags & ~VALID_FLAGS) !== 0) {
    throw new KernelError('EINVAL', 'flags of DMA_BUF_IOCTL_SYNC', {
      value: flags,
      accepted: 'READ, WRITE and END',
    })
  }
  const direction = directionOf(flags)
  if ((flags & DmaBufSync.END) !== 0) yield* dmabuf.endCpuAccess(direction)
  else yield* dmabuf.beginCpuAccess(direction)
}

/** What the CPU reads, a device has written. */
function directionOf(flags: number): DmaDirection {
  switch (flags & DmaBufSync.RW) {
    case DmaBufSync.READ:
      return DmaDirection.FROM_DEVICE
    case DmaBufSync.WRITE:
      return DmaDirection.TO_DEVICE
    case DmaBufSync.RW:
      return DmaDirection.BIDIRECTIONAL
    default:
      throw new KernelError('EINVAL', 'DMA_BUF_IOCTL_SYNC to neither read nor write', {
        value: flags,
        accepted: 'READ, WRITE or both',
      })
  }
}
