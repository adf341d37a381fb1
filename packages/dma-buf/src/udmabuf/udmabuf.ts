// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MemfdPin, MemfdSeals, memfdFile, PAGE_SIZE } from '@iolayers/dma-mapping'
import { type FdTable, KernelError, type Op, OpenFlags } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import { HeapBuffer } from '../heap/heap-buffer.ts'
import type { DmaHeapComponents } from '../heap/heap-contract.ts'
import { PageBacking, type PageBlock } from '../heap/page-backing.ts'

/** @see include/uapi/linux/udmabuf.h UDMABUF_FLAGS_CLOEXEC */
export const UDMABUF_FLAGS_CLOEXEC = 0x01

/** @see drivers/dma-buf/udmabuf.c list_limit, size_limit_mb */
const LIST_LIMIT = 1024
const SIZE_LIMIT_MB = 64

/** The pages must stay in the file… @see drivers/dma-buf/udmabuf.c SEALS_WANTED */
const SEALS_WANTED = MemfdSeals.F_SEAL_SHRINK
/** …and devices write to them, whatever the program may. @see drivers/dma-buf/udmabuf.c SEALS_DENIED */
const SEALS_DENIED = MemfdSeals.F_SEAL_WRITE | MemfdSeals.F_SEAL_FUTURE_WRITE

export interface UdmabufInit {
  /** Items of one list; 1024 by default. */
  readonly listLimit?: number
  /** MiB of one buffer; 64 by default. */
  readonly sizeLimitMb?: number
}

/** A range of a memory file, in whole pages. @see include/uapi/linux/udmabuf.h struct udmabuf_create_item */
export interface UdmabufItem {
  /** The file's descriptor. */
  readonly memfd: number
  readonly offset: number
  readonly size: number
}

/** Makes buffers of the pages of memory files: `/dev/udmabuf`. @see drivers/dma-buf/udmabuf.c */
export interface Udmabuf {
  /**
   * A descriptor for a buffer over one range. As `createList` with one item.
   *
   * @see udmabuf_ioctl_create
   */
  create(fdTable: FdTable, item: UdmabufItem, flags?: number): Op<number>
  /**
   * A descriptor for a buffer over several ranges, in that order, of one or several files; the same page may occur more than once. The pages are the files' own, and pinned while the buffer
   * lives, also when a file is closed. Throws EINVAL for too many items, an offset or size that is not whole pages, no bytes at all or more than the limit, a range beyond the file's end, and a
   * file without F_SEAL_SHRINK or with F_SEAL_WRITE or F_SEAL_FUTURE_WRITE; EBADFD for what is no open descriptor or no memory file; ENOMEM, EMFILE. Nothing is pinned then.
   *
   * Of `flags` only UDMABUF_FLAGS_CLOEXEC is looked at.
   *
   * @see udmabuf_ioctl_create_list, udmabuf_create
   */
  createList(fdTable: FdTable, items: readonly UdmabufItem[], flags?: number): Op<number>
}

class UdmabufDevice implements Udmabuf {
  readonly #components: DmaHeapComponents
  readonly #listLimit: number
  readonly #sizeLimitMb: number

  constructor(components: DmaHeapComponents, init: UdmabufInit) {
    this.#components = components
    this.#listLimit = init.listLimit ?? LIST_LIMIT
    this.#sizeLimitMb = init.sizeLimitMb ?? SIZE_LIMIT_MB
  }

  *create(fdTable: FdTable, item: UdmabufItem, flags = 0): Op<number> {
    return yield* this.#create(fdTable, [item], flags)
  }

  *createList(fdTable: FdTable, items: readonly UdmabufItem[], flags = 0): Op<number> {
    if (items.length > this.#listLimit) {
      throw refusal('items of a udmabuf', items.length, `at most ${this.#listLimit}`)
    }
    return yield* this.#create(fdTable, items, flags)
  }

  *#create(fdTable: FdTable, items: readonly UdmabufItem[], flags: number): Op<number> {
    this.#checkItems(items)
    const pins: MemfdPin[] = []
    let dmabuf: DmaBuf
    try {
      for (const item of items) pins.push(yield* pinItem(fdTable, item))
      dmabuf = this.#export(pins)
    } catch (error) {
      unpinAll(pins)
      throw error
    }
    const cloexec = (flags & UDMABUF_FLAGS_CLOEXEC) === 0 ? 0 : OpenFlags.O_CLOEXEC
    try {
      return this.#components.core.fd(dmabuf, fdTable, cloexec)
    } catch (error) {
      dmabuf.put()
      throw error
    }
  }

  #checkItems(items: readonly UdmabufItem[]): void {
    const limit = Math.floor((this.#sizeLimitMb * 1024 * 1024) / PAGE_SIZE)
    let pages = 0
    for (const { offset, size } of items) {
      if (!wholePages(offset)) throw refusal('offset of a udmabuf', offset, 'whole pages')
      if (!wholePages(size)) throw refusal('size of a udmabuf', size, 'whole pages')
      pages += size / PAGE_SIZE
      if (pages > limit) throw refusal('pages of a udmabuf', pages, `at most ${limit}`)
    }
    if (pages === 0) throw refusal('pages of a udmabuf', 0, '1 and more')
  }

  #export(pins: readonly MemfdPin[]): DmaBuf {
    const blocks: PageBlock[] = []
    for (const { frames } of pins) for (const frame of frames) appendPage(blocks, frame)
    const { memory, core } = this.#components
    const backing = new PageBacking(memory, blocks, () => unpinAll(pins))
    const { sizeBytes } = backing
    return core.export({ ops: new HeapBuffer(backing), sizeBytes, exporterName: 'udmabuf' })
  }
}

function* pinItem(fdTable: FdTable, { memfd, offset, size }: UdmabufItem): Op<MemfdPin> {
  const file = openFile(fdTable, memfd)
  try {
    const memory = file.query(memfdFile)
    if (memory === undefined) throw new KernelError('EBADFD', `descriptor ${memfd} is ${file.name}`)
    return yield* memory.pin(offset, size, checkSeals)
  } finally {
    file.put()
  }
}

/** The errors of the table are the device's own: it says EBADFD where others say EBADF. */
function openFile(fdTable: FdTable, fd: number): ReturnType<FdTable['get']> {
  try {
    return fdTable.get(fd)
  } catch (cause) {
    throw new KernelError('EBADFD', `descriptor ${fd} of a udmabuf is not open`, { cause })
  }
}

/** @see drivers/dma-buf/udmabuf.c check_memfd_seals */
function checkSeals(seals: number): void {
  if ((seals & SEALS_WANTED) === SEALS_WANTED && (seals & SEALS_DENIED) === 0) return
  const accepted = 'with F_SEAL_SHRINK, without F_SEAL_WRITE and F_SEAL_FUTURE_WRITE'
  throw new KernelError('EINVAL', 'seals of a memory file for a udmabuf', {
    value: seals,
    accepted,
  })
}

/** Neighbouring pages become one block. @see lib/scatterlist.c sg_alloc_table_from_pages */
function appendPage(blocks: PageBlock[], frame: number): void {
  const last = blocks.at(-1)
  if (last === undefined || last.frame + last.pages !== frame) {
    blocks.push({ frame, pages: 1 })
    return
  }
  blocks[blocks.length - 1] = { frame: last.frame, pages: last.pages + 1 }
}

function unpinAll(pins: readonly MemfdPin[]): void {
  for (const pin of pins) pin.unpin()
}

function wholePages(bytes: number): boolean {
  return Number.isSafeInteger(bytes) && bytes >= 0 && bytes % PAGE_SIZE === 0
}

function refusal(what: string, value: number, accepted: string): KernelError {
  return new KernelError('EINVAL', what, { value, accepted })
}

/**
 * The device that makes buffers of memory files. Each attachment has a mapping of its own.
 *
 * @see drivers/dma-buf/udmabuf.c
 */
export function createUdmabuf(components: DmaHeapComponents, init: UdmabufInit = {}): Udmabuf {
  return new UdmabufDevice(components, init)
}
