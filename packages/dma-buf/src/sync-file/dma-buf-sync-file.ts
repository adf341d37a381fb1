// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Between implicit and explicit synchronisation: the fences of a buffer as a sync file, and a sync file as fences of a buffer.

import { type FdTable, KernelError, type Op } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import type { DmaBufCore } from '../buf/core-contract.ts'
import { DmaBufSync } from '../buf/sync-ioctl.ts'
import type { DmaFence } from '../fence/dma-fence.ts'
import { dmaFencePrivateStub } from '../fence/dma-fence-stub.ts'
import { dmaFenceUnwrapForEach } from '../fence/dma-fence-unwrap.ts'
import { DmaResvUsage, dmaResvUsageRw } from '../resv/dma-resv-usage.ts'
import { createSyncFile } from './sync-file.ts'
import { syncFileFd, syncFileGetFence, type TellFd } from './sync-file-fd.ts'

/**
 * A descriptor for the fences that an access has to wait for, as they are now: READ those that a reader waits for, WRITE (or both) those that a writer
 * waits for. With none it has signalled. Throws EINVAL for other flags or none, EMFILE, and what `tell` throws.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_export_sync_file
 */
export function dmaBufExportSyncFile(
  core: DmaBufCore,
  dmabuf: DmaBuf,
  init: { readonly fdTable: FdTable; readonly flags: number },
  tell?: TellFd,
): number {
  checkFlags(init.flags)
  const usage = dmaResvUsageRw((init.flags & DmaBufSync.WRITE) !== 0)
  const { kernel } = dmabuf.file
  const make = () => {
    const fence =
      dmabuf.resv.getSingleton(usage, core) ?? dmaFencePrivateStub(kernel, kernel.scheduler.nowNs())
    try {
      return createSyncFile({ kernel, contexts: core }, fence)
    } finally {
      fence.put()
    }
  }
  return syncFileFd(init.fdTable, make, tell)
}

/**
 * Adds every fence of a sync file to the buffer: READ as that of a reader, WRITE (or both) as that of a writer. All of them or none. Throws EINVAL for other flags
 * or none and for a descriptor that is no sync file, and ENOMEM.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_import_sync_file
 */
export function* dmaBufImportSyncFile(
  dmabuf: DmaBuf,
  init: { readonly fdTable: FdTable; readonly flags: number; readonly fd: number },
): Op<void> {
  checkFlags(init.flags)
  const fence = syncFileGetFence(init.fdTable, init.fd)
  if (fence === null) throw new KernelError('EINVAL', `descriptor ${init.fd} is no sync file`)
  const write = (init.flags & DmaBufSync.WRITE) !== 0
  try {
    yield* addAll(dmabuf, fence, write ? DmaResvUsage.WRITE : DmaResvUsage.READ)
  } finally {
    fence.put()
  }
}

/** The leaves one by one: a container in a reservation object would hide how each of them ends. */
function* addAll(dmabuf: DmaBuf, fence: DmaFence, usage: DmaResvUsage): Op<void> {
  let count = 0
  dmaFenceUnwrapForEach(fence, () => {
    count++
  })
  if (count === 0) return
  const { resv } = dmabuf
  yield* resv.lock(null)
  try {
    resv.reserveFences(count)
    dmaFenceUnwrapForEach(fence, (leaf) => resv.addFence(leaf, usage))
  } finally {
    resv.unlock()
  }
}

function checkFlags(flags: number): void {
  if ((flags & ~DmaBufSync.RW) === 0 && (flags & DmaBufSync.RW) !== 0) return
  throw new KernelError('EINVAL', 'flags of a sync file of a dma-buf', {
    value: flags,
    accepted: 'READ, WRITE or both',
  })
}
