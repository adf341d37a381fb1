// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Taking a buffer away from its importers, in the order that keeps memory safe:
//
//   1. lock; mark the buffer revoked, so that nobody maps it anew
//   2. tell the importers: none starts DMA that has an effect from here on
//   3. wait, under the lock, for the BOOKKEEP fences: the last DMA is over; a device may still read, and throw away what it read
//   4. unlock; the importers need the lock to unmap
//   5. wait until each has unmapped: the memory is the exporter's
//
// An exporter that moves a buffer does 2 and 3 (`drainMappings`) and lets the importers unmap in their own time.

import { KernelError, type Op } from '@iolayers/kernel'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import type { DmaBuf, DmaBufAttachment } from './contracts.ts'

/**
 * Whether the importer unmaps in bounded time when it is told that its mappings are void. An exporter that revokes asks in its `attach`.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_attach_revocable
 */
export function dmaBufAttachRevocable({ importer }: DmaBufAttachment): boolean {
  return importer !== null && importer.invalidateMappings !== undefined
}

/**
 * For an exporter, with the reservation lock held: tells every importer that its mappings are void, and waits for the last DMA. Nobody can map in
 * between. Tables stay mapped. Throws ETIME when DMA is still running after `timeoutNs`, which does not count the time that an importer takes in its
 * `invalidateMappings`, and what an importer throws: the memory is then not the exporter's to reuse.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_invalidate_mappings
 */
export function* drainMappings(dmabuf: DmaBuf, timeoutNs: number): Op<void> {
  yield* dmabuf.invalidateMappings()
  if ((yield* dmabuf.resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, timeoutNs)) > 0) return
  throw timedOut(dmabuf, 'to end their DMA', timeoutNs)
}

/**
 * The revocation of one buffer, for its exporter to embed: `checkAttach` in its `attach`, `checkMap` in its `mapDmaBuf`.
 *
 * @see drivers/vfio/pci/vfio_pci_dmabuf.c vfio_pci_dma_buf_move
 */
export class DmaBufRevocation {
  #revoked = false

  get revoked(): boolean {
    return this.#revoked
  }

  /** Throws ENODEV for a buffer that was revoked, EOPNOTSUPP for an importer that cannot be made to unmap in bounded time. */
  checkAttach(attachment: DmaBufAttachment): void {
    this.checkMap(attachment)
    if (dmaBufAttachRevocable(attachment)) return
    throw new KernelError('EOPNOTSUPP', `${attachment.device.name} cannot be made to unmap`, {
      accepted: 'an importer with invalidateMappings',
    })
  }

  /** With the reservation lock held. Throws ENODEV for a buffer that was revoked. */
  checkMap({ dmabuf }: DmaBufAttachment): void {
    if (!this.#revoked) return
    throw new KernelError('ENODEV', `dma-buf ${dmabuf.inode} was revoked`)
  }

  /**
   * Revokes the buffer; afterwards nothing of it is mapped. Waits at most `timeoutNs` for the last DMA and the last unmap together. Throws ETIME, and what
   * an importer throws: the buffer is then revoked all the same, its memory is not yet free, and the call may be made again. The caller has no lock.
   */
  *revoke(dmabuf: DmaBuf, timeoutNs: number): Op<void> {
    const { scheduler } = dmabuf.file.kernel
    dmabuf.get()
    try {
      yield* dmabuf.resv.lock(null)
      const deadlineNs = scheduler.nowNs() + timeoutNs
      try {
        this.#revoked = true
        yield* drainMappings(dmabuf, timeoutNs)
      } finally {
        dmabuf.resv.unlock()
      }
      const leftNs = Math.max(0, deadlineNs - scheduler.nowNs())
      if (!(yield* dmabuf.waitUnmapped(leftNs))) throw timedOut(dmabuf, 'to unmap it', timeoutNs)
    } finally {
      dmabuf.put()
    }
  }

  /** The buffer may be mapped again. Importers are told, as their mappings from before are void. Throws what an importer throws, and the buffer stays revoked. */
  *restore(dmabuf: DmaBuf): Op<void> {
    dmabuf.get()
    try {
      yield* dmabuf.resv.lock(null)
      try {
        if (!this.#revoked) return
        yield* dmabuf.invalidateMappings()
        this.#revoked = false
      } finally {
        dmabuf.resv.unlock()
      }
    } finally {
      dmabuf.put()
    }
  }
}

function timedOut(dmabuf: DmaBuf, what: string, timeoutNs: number): KernelError {
  return new KernelError(
    'ETIME',
    `the importers of dma-buf ${dmabuf.inode} took too long ${what}`,
    { accepted: `${timeoutNs} ns` },
  )
}
