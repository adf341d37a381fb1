// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { type FdTable, KernelError, OpenFlags } from '@iolayers/kernel'
import type { DmaBufCore } from '../buf/core-contract.ts'
import type { DmaHeap } from './heap-contract.ts'

/** @see drivers/dma-buf/dma-heap.c NUM_HEAP_MINORS */
const HEAPS_MAX = 128
/** @see include/uapi/linux/dma-heap.h DMA_HEAP_VALID_FD_FLAGS */
const VALID_FD_FLAGS = OpenFlags.O_CLOEXEC | OpenFlags.O_ACCMODE

/** What a program asks a heap for. @see include/uapi/linux/dma-heap.h struct dma_heap_allocation_data */
export interface DmaHeapAllocationData {
  /** Rounded up to whole pages. */
  readonly len: number
  /** Must be 0. */
  readonly fd?: number
  /** An access mode, of the buffer too, and O_CLOEXEC. 0, which is O_RDONLY, by default. */
  readonly fdFlags?: number
  /** Must be 0. */
  readonly heapFlags?: number
}

/** The heaps of one stack, by name, and what a program can do with them: `/dev/dma_heap`. @see drivers/dma-buf/dma-heap.c */
export interface DmaHeaps {
  /** In the order in which they were added. */
  readonly names: readonly string[]
  /** Throws EINVAL for a heap without a name or with one that is taken, EBUSY when there are 128. @see dma_heap_add */
  add(heap: DmaHeap): void
  /** The heap of that name, or null. @see dma_heap_open */
  find(name: string): DmaHeap | null
  /**
   * A new buffer of the heap as a descriptor, which has the only reference. Throws ENODEV for an unknown name, EINVAL for flags or a descriptor in `data` and for no length, and what
   * the heap and the table throw; nothing is left then.
   *
   * @see dma_heap_ioctl_allocate
   */
  ioctlAlloc(name: string, fdTable: FdTable, data: DmaHeapAllocationData): number
}

class Heaps implements DmaHeaps {
  readonly #core: DmaBufCore
  readonly #heaps: Map<string, DmaHeap> = new Map()

  constructor(core: DmaBufCore) {
    this.#core = core
  }

  get names(): readonly string[] {
    return [...this.#heaps.keys()]
  }

  add(heap: DmaHeap): void {
    if (heap.name === '') throw new KernelError('EINVAL', 'a heap without a name')
    if (this.#heaps.has(heap.name)) {
      throw new KernelError('EINVAL', `there is a heap named ${heap.name} already`)
    }
    if (this.#heaps.size === HEAPS_MAX) {
      throw new KernelError('EBUSY', 'heaps of one stack', { accepted: `at most ${HEAPS_MAX}` })
    }
    this.#heaps.set(heap.name, heap)
  }

  find(name: string): DmaHeap | null {
    return this.#heaps.get(name) ?? null
  }

  ioctlAlloc(name: string, fdTable: FdTable, data: DmaHeapAllocationData): number {
    const heap = this.find(name)
    if (heap === null) throw new KernelError('ENODEV', `no heap named ${name}`)
    const { len, fd = 0, fdFlags = 0, heapFlags = 0 } = data
    check(fd === 0, 'descriptor in a heap allocation', fd, '0')
    check((fdFlags & ~VALID_FD_FLAGS) === 0, 'fdFlags', fdFlags, 'an access mode and O_CLOEXEC')
    check(heapFlags === 0, 'heapFlags', heapFlags, '0')
    const size = Math.ceil(len / PAGE_SIZE) * PAGE_SIZE
    check(Number.isSafeInteger(size) && size > 0, 'length of a heap allocation', len, '1 and more')
    const dmabuf = heap.allocate(size, { flags: fdFlags & OpenFlags.O_ACCMODE })
    try {
      return this.#core.fd(dmabuf, fdTable, fdFlags)
    } catch (error) {
      dmabuf.put()
      throw error
    }
  }
}

function check(condition: boolean, what: string, value: number, accepted: string): void {
  if (!condition) throw new KernelError('EINVAL', what, { value, accepted })
}

/** A registry of heaps, empty. */
export function createDmaHeaps(components: { readonly core: DmaBufCore }): DmaHeaps {
  return new Heaps(components.core)
}
