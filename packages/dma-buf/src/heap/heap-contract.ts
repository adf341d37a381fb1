// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { PhysicalMemory } from '@iolayers/dma-mapping'
import type { Kernel, Op } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import type { DmaBufCore } from '../buf/core-contract.ts'

export interface DmaHeapComponents {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly core: DmaBufCore
}

export interface DmaHeapAllocation {
  readonly name?: string
  /** Of the buffer's file; O_RDWR by default. */
  readonly flags?: number
}

/** A place to get buffers from. @see drivers/dma-buf/dma-heap.c */
export interface DmaHeap {
  readonly name: string
  /** A zeroed buffer of at least `sizeBytes`, rounded up to whole pages. Throws EINVAL, ENOMEM. */
  allocate(sizeBytes: number, init?: DmaHeapAllocation): DmaBuf
}

export interface MovableHeapStats {
  readonly moves: number
  readonly movedBytes: number
  /** Moves that were not made because the buffer was pinned. */
  readonly pinned: number
  /** Backings that were moved away from and that some importer has still mapped. */
  readonly retired: number
}

/** A heap whose buffers can be moved to other pages at any time, as a GPU driver moves its own under memory pressure. */
export interface MovableHeap extends DmaHeap {
  readonly stats: MovableHeapStats
  /**
   * Moves the buffer to new pages, with its bytes. True when it moved; false when it is pinned by a static importer or a CPU view. The old
   * pages are freed when the last importer has unmapped them, which may be after the return; the next move of the buffer waits for that. Throws
   * ENOMEM, EINVAL for a buffer of another heap, and ETIME when an importer takes longer than the bound; the buffer is then where it was.
   */
  move(dmabuf: DmaBuf): Op<boolean>
}
