// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MemoryRegion, PAGE_SIZE } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import { exportBacking } from './export-backing.ts'
import { FrameArea } from './frame-area.ts'
import { HeapBuffer } from './heap-buffer.ts'
import type { DmaHeap, DmaHeapComponents } from './heap-contract.ts'
import { heapPages } from './heap-pages.ts'
import { PageBacking } from './page-backing.ts'

/** Buffers lie at multiples of their size rounded up to a power of two, but of no more than 1 MiB. @see mm/Kconfig CONFIG_CMA_ALIGNMENT */
const ALIGN_ORDER_MAX = 8

export interface ContiguousHeapInit {
  /** What is set aside for the heap, in whole pages. */
  readonly areaBytes: number
  /** Where; RAM by default. */
  readonly region?: MemoryRegion
  /** `default_cma_region` by default. @see drivers/dma-buf/heaps/cma_heap.c DEFAULT_CMA_NAME */
  readonly name?: string
}

/** A heap of buffers that are one piece each. */
export interface ContiguousHeap extends DmaHeap {
  readonly freeBytes: number
  /** The largest buffer for which there is room, when its alignment is no obstacle. */
  readonly largestFreeBytes: number
  /** Gives the area up; no buffer of it may be left. */
  destroy(): void
}

/**
 * A heap over an area that it sets aside: each buffer is one run of neighbouring pages, for devices that cannot scatter. Unlike the kernel's area, nobody else uses it in
 * between. `allocate` throws ENOMEM when no run is long enough, also when there are enough pages in pieces. Throws EINVAL, and ENOMEM when there is no such run of memory to set aside.
 *
 * @see drivers/dma-buf/heaps/cma_heap.c
 */
export function createContiguousHeap(
  components: DmaHeapComponents,
  init: ContiguousHeapInit,
): ContiguousHeap {
  const { memory, core } = components
  const { areaBytes, name = 'default_cma_region' } = init
  if (!(Number.isSafeInteger(areaBytes) && areaBytes > 0 && areaBytes % PAGE_SIZE === 0)) {
    throw new KernelError('EINVAL', 'area of a contiguous heap', {
      value: areaBytes,
      accepted: `a positive multiple of ${PAGE_SIZE}`,
    })
  }
  const area = new FrameArea(memory, areaBytes / PAGE_SIZE, init.region)
  return {
    name,
    get freeBytes() {
      return area.freeFrames * PAGE_SIZE
    },
    get largestFreeBytes() {
      return area.largestFree * PAGE_SIZE
    },
    allocate: (sizeBytes, allocation = {}) => {
      const pages = heapPages(memory, sizeBytes)
      const frame = area.alloc(pages, Math.min(ALIGN_ORDER_MAX, Math.ceil(Math.log2(pages))))
      if (frame < 0) {
        throw new KernelError('ENOMEM', `no run of ${pages} pages in ${name}`, {
          value: pages,
          accepted: `at most ${area.largestFree}, of ${area.freeFrames} that are free`,
        })
      }
      const giveBack = (): void => area.free(frame, pages)
      const backing = new PageBacking(memory, [{ frame, pages }], giveBack)
      return exportBacking(core, backing, new HeapBuffer(backing), name, allocation)
    },
    destroy: () => area.destroy(),
  }
}
