// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { exportBacking } from './export-backing.ts'
import { HeapBuffer } from './heap-buffer.ts'
import type { DmaHeap, DmaHeapComponents } from './heap-contract.ts'
import { allocPageBacking, heapPages } from './heap-pages.ts'

/**
 * Buffers of ordinary pages, in blocks of 1 MiB, 64 KiB and 4 KiB. They never move.
 *
 * @see drivers/dma-buf/heaps/system_heap.c
 */
export function createSystemHeap(components: DmaHeapComponents): DmaHeap {
  const { memory, core } = components
  const name = 'system'
  return {
    name,
    allocate: (sizeBytes, init = {}) => {
      const backing = allocPageBacking(memory, heapPages(memory, sizeBytes))
      return exportBacking(core, backing, new HeapBuffer(backing), name, init)
    },
  }
}
