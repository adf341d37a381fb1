// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { assertOnce, KernelError, OpenFlags } from '@iolayers/kernel'
import type { DmaBuf, DmaBufMapping, DmaBufVma, DmaBufVmOps } from './contracts.ts'

/** A range of a buffer in an address space: it holds a reference on the file, as a vma does. */
export class Mapping implements DmaBufMapping {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly write: boolean
  readonly #dmabuf: DmaBuf
  #vmOps: DmaBufVmOps | null

  constructor(dmabuf: DmaBuf, area: DmaBufVma, vmOps: DmaBufVmOps) {
    this.offsetBytes = area.offsetBytes
    this.lengthBytes = area.lengthBytes
    this.write = area.write
    this.#dmabuf = dmabuf
    this.#vmOps = vmOps
    dmabuf.get()
  }

  segments(): readonly Uint8Array[] {
    if (this.#vmOps === null) {
      throw new KernelError('EFAULT', `an access to a range of dma-buf that was unmapped`)
    }
    const { segments } = this.#vmOps.fault()
    let total = 0
    for (const segment of segments) total += segment.length
    if (total === this.lengthBytes) return segments
    throw new KernelError('EFAULT', `exporter ${this.#dmabuf.exporterName} has other bytes here`, {
      value: total,
      accepted: `exactly ${this.lengthBytes} bytes`,
    })
  }

  munmap(): void {
    const vmOps = this.#vmOps
    assertOnce(vmOps !== null, 'a range of a dma-buf was unmapped twice')
    this.#vmOps = null
    try {
      vmOps.close?.()
    } finally {
      this.#dmabuf.put()
    }
  }
}

/** The range that a mapping is asked for, in whole pages. @see mm/mmap.c do_mmap, drivers/dma-buf/dma-buf.c dma_buf_mmap */
export function checkArea(
  dmabuf: DmaBuf,
  offsetBytes: number,
  lengthBytes: number,
  access: 'read' | 'write',
): DmaBufVma {
  if (!(Number.isInteger(offsetBytes) && offsetBytes >= 0 && offsetBytes % PAGE_SIZE === 0)) {
    throw new KernelError('EINVAL', 'offset of a dma-buf mapping', {
      value: offsetBytes,
      accepted: `a multiple of ${PAGE_SIZE}`,
    })
  }
  if (!(Number.isInteger(lengthBytes) && lengthBytes > 0)) {
    throw new KernelError('EINVAL', 'length of a dma-buf mapping', {
      value: lengthBytes,
      accepted: 'at least 1',
    })
  }
  const length = Math.ceil(lengthBytes / PAGE_SIZE) * PAGE_SIZE
  if (!Number.isSafeInteger(offsetBytes + length)) {
    throw new KernelError('EOVERFLOW', 'end of a dma-buf mapping', {
      value: offsetBytes + length,
      accepted: `at most ${Number.MAX_SAFE_INTEGER}`,
    })
  }
  checkMode(dmabuf.file.flags, access)
  if (offsetBytes + length > dmabuf.sizeBytes) {
    throw new KernelError('EINVAL', 'end of a dma-buf mapping', {
      value: offsetBytes + length,
      accepted: `at most ${dmabuf.sizeBytes}`,
    })
  }
  return { offsetBytes, lengthBytes: length, write: access === 'write' }
}

/** A shared mapping reads, so the file has to be open for that whatever the mapping is for. */
function checkMode(flags: number, access: 'read' | 'write'): void {
  const mode = flags & OpenFlags.O_ACCMODE
  if (mode === OpenFlags.O_RDWR) return
  if (mode === OpenFlags.O_RDONLY && access === 'read') return
  throw new KernelError('EACCES', `a mapping to ${access} of a file opened otherwise`, {
    value: mode,
    accepted: access === 'read' ? 'O_RDONLY or O_RDWR' : 'O_RDWR',
  })
}
