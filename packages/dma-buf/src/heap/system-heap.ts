// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { PhysicalMemory } from '@iolayers/dma-mapping'
import type { Kernel } from '@iolayers/kernel'
import type { DmaBufCore } from '../buf/core-contract.ts'
import { HeapBuffer } from './heap-buffer.ts'
import type { DmaHeap } from './heap-contract.ts'
import { heapPages, PageBacking } from './page-backing.ts'

export interface DmaHeapComponents {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly core: DmaBufCore
}

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
      const backing = new PageBacking(memory, heapPages(memory, sizeBytes))
      try {
        backing.zero()
        const ops = new HeapBuffer(backing)
        return core.export({ ops, sizeBytes: backing.sizeBytes, exporterName: name, ...init })
      } catch (error) {
        backing.free()
        throw error
      }
    },
  }
}
