// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { formatDmabuf } from '@iolayers/bpf-iter/dmabuf'
import { PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import {
  assert,
  type FdTable,
  type Kernel,
  KernelError,
  OpenFlags,
  WwClass,
} from '@iolayers/kernel'
import { DmaResv, type DmaResvInit } from '../resv/dma-resv.ts'
import { BufferList } from './buffer-list.ts'
import type { DmaBuf } from './contracts.ts'
import type { DmaBufCore, DmaBufExportInfo, DmaBufStats } from './core-contract.ts'
import { DmaBufObject, type DmaBufOwner } from './dma-buf.ts'
import type { DmaBufCounters } from './dma-buf-base.ts'
import { dmaBufFile } from './dma-buf-file.ts'
import { createTracepoints, type DmaBufTracepoints } from './tracepoints.ts'

/** @see include/uapi/linux/dma-heap.h DMA_HEAP_VALID_FD_FLAGS */
const FD_FLAGS = OpenFlags.O_CLOEXEC | OpenFlags.O_ACCMODE

/** @see drivers/dma-buf/dma-buf.c dma_buf_export */
const REQUIRED_OPS = ['mapDmaBuf', 'unmapDmaBuf', 'release'] as const

/** What a core is made of, where it is not to be ours. See the entry `parts`. */
export interface DmaBufParts {
  readonly core?: typeof Core
  readonly buffer?: typeof DmaBufObject
}

/** `failReserveFences` goes to the reservation object of every buffer. */
export type DmaBufCoreInit = DmaResvInit

export class Core implements DmaBufCore, DmaBufOwner {
  readonly kernel: Kernel
  readonly trace: DmaBufTracepoints
  readonly counters: DmaBufCounters
  readonly tables: Set<SgTable>
  readonly reservationWwClass: WwClass
  readonly #resvInit: DmaResvInit
  readonly #Buffer: typeof DmaBufObject
  readonly #list: BufferList<DmaBufObject>
  #lastInode: number
  #nextContext: number

  constructor(kernel: Kernel, init: DmaBufCoreInit, parts: DmaBufParts = {}) {
    this.kernel = kernel
    this.trace = createTracepoints(kernel.tracer)
    this.counters = { exported: 0, live: 0, liveBytes: 0, mapped: 0, unmapped: 0, invalidations: 0 }
    this.tables = new Set()
    this.reservationWwClass = new WwClass('reservation_ww_class')
    this.#resvInit = init
    this.#Buffer = parts.buffer ?? DmaBufObject
    this.#list = new BufferList()
    this.#lastInode = 0
    // Context 0 is that of the stub fence, which has always signalled.
    this.#nextContext = 1
  }

  get stats(): DmaBufStats {
    return this.counters
  }

  export(info: DmaBufExportInfo): DmaBuf {
    checkExport(info)
    const dmabuf = new this.#Buffer(this, {
      inode: this.#lastInode + 1,
      ops: info.ops,
      sizeBytes: info.sizeBytes,
      exporterName: info.exporterName,
      flags: info.flags ?? OpenFlags.O_RDWR,
      resv: info.resv ?? this.createResv(),
      ownsResv: info.resv === undefined,
    })
    dmabuf.setName(info.name ?? '')
    this.#lastInode++
    this.counters.exported++
    this.counters.live++
    this.counters.liveBytes += dmabuf.sizeBytes
    const { trace } = this
    if (trace.export.enabled) {
      trace.export.emit(dmabuf.inode, dmabuf.sizeBytes, dmabuf.name, dmabuf.exporterName)
    }
    this.#list.addHead(dmabuf)
    return dmabuf
  }

  fd(dmabuf: DmaBuf, fdTable: FdTable, flags: number, tell?: (fd: number) => void): number {
    if ((flags & ~FD_FLAGS) !== 0) {
      throw new KernelError('EINVAL', 'flags of a dma-buf descriptor', {
        value: flags,
        accepted: 'an access mode and O_CLOEXEC',
      })
    }
    const fd = fdTable.reserve()
    this.handOver(dmabuf, fdTable, fd, tell)
    return fd
  }

  /**
   * Whoever asked is told the number before anybody can use it (T4), and the buffer is looked at last before it is installed: whoever closes the number then
   * may drop the only reference (T2).
   */
  protected handOver(
    dmabuf: DmaBuf,
    fdTable: FdTable,
    fd: number,
    tell: ((fd: number) => void) | undefined,
  ): void {
    try {
      tell?.(fd)
    } catch (error) {
      fdTable.putUnused(fd)
      throw error
    }
    this.traceFd(dmabuf, fd)
    fdTable.install(fd, dmabuf.file)
  }

  protected traceFd(dmabuf: DmaBuf, fd: number): void {
    const { trace } = this
    if (!trace.fd.enabled) return
    trace.fd.emit(dmabuf.inode, dmabuf.sizeBytes, dmabuf.name, dmabuf.exporterName, fd)
  }

  fromFd(fdTable: FdTable, fd: number): DmaBuf {
    const file = fdTable.get(fd)
    const dmabuf = file.query(dmaBufFile)
    if (dmabuf === undefined) {
      const { name } = file
      file.put()
      throw new KernelError('EINVAL', `descriptor ${fd} is ${name}, not a dma-buf`)
    }
    const { trace } = this
    if (trace.get.enabled) {
      trace.get.emit(dmabuf.inode, dmabuf.sizeBytes, dmabuf.name, dmabuf.exporterName, fd)
    }
    return dmabuf
  }

  createResv(): DmaResv {
    return new DmaResv(this.kernel, this.reservationWwClass, this.#resvInit)
  }

  fenceContextAlloc(count: number): number {
    assert(
      Number.isInteger(count) && count > 0,
      'fence contexts are allocated one or more at a time',
    )
    const first = this.#nextContext
    this.#nextContext += count
    return first
  }

  begin(): DmaBuf | null {
    return this.#list.firstLive()
  }

  next(current: DmaBuf): DmaBuf | null {
    assert(current instanceof DmaBufObject, 'a dma-buf of another core')
    // The new one first: with its last reference the current one leaves the list.
    const following = this.#list.nextLive(current)
    current.put()
    return following
  }

  put(item: DmaBuf): void {
    item.put()
  }

  show(item: DmaBuf): string {
    return formatDmabuf(item)
  }

  unlink(dmabuf: DmaBufObject): void {
    this.#list.remove(dmabuf)
    this.counters.live--
    this.counters.liveBytes -= dmabuf.sizeBytes
  }
}

function checkExport(info: DmaBufExportInfo): void {
  const { ops, sizeBytes } = info
  for (const name of REQUIRED_OPS) {
    if (typeof ops[name] === 'function') continue
    throw new KernelError('EINVAL', `exporter ${info.exporterName} has no ${name}`)
  }
  if ((ops.pin === undefined) !== (ops.unpin === undefined)) {
    throw new KernelError('EINVAL', `exporter ${info.exporterName} has only one of pin and unpin`)
  }
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % PAGE_SIZE === 0) return
  throw new KernelError('EINVAL', 'size of a dma-buf', {
    value: sizeBytes,
    accepted: `a positive multiple of ${PAGE_SIZE}`,
  })
}

/** The buffers of one stack: exports, descriptors, and the list of all. */
export function createDmaBufCore(
  components: { readonly kernel: Kernel; readonly parts?: DmaBufParts },
  init: DmaBufCoreInit = {},
): DmaBufCore {
  const { kernel, parts = {} } = components
  return new (parts.core ?? Core)(kernel, init, parts)
}
