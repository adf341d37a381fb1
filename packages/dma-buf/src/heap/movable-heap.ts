// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Moving a buffer, in the order that keeps memory safe:
//
//   1. without the lock: wait until the pages of the move before are free, so that one buffer never holds more than two sets
//   2. lock; new pages, while failing is still free of consequences
//   3. tell the importers: from here on none starts DMA
//   4. wait, under the lock, for the BOOKKEEP fences: the last DMA is over, and nobody can map in between
//   5. copy, publish the new pages, unlock
//   6. the importers unmap the old pages when they get to it; the last one frees them

import type { PhysicalMemory } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Op, type Tracepoint } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import type { DmaBufCore } from '../buf/core-contract.ts'
import { drainMappings } from '../buf/revocation.ts'
import { exportBacking } from './export-backing.ts'
import type {
  DmaHeapAllocation,
  DmaHeapComponents,
  MovableHeap,
  MovableHeapStats,
} from './heap-contract.ts'
import { allocPageBacking, heapPages } from './heap-pages.ts'
import { MovableBuffer } from './movable-buffer.ts'

const TIMEOUT_NS = 30e9

export interface MovableHeapInit {
  /** The exporter name of the buffers; `movable` by default. */
  readonly name?: string
  /** How long a move waits for importers, in each of its two waits; 30 s by default. */
  readonly timeoutNs?: number
}

class Heap implements MovableHeap {
  readonly name: string
  readonly stats: { -readonly [K in keyof MovableHeapStats]: MovableHeapStats[K] }
  readonly #kernel: Kernel
  readonly #memory: PhysicalMemory
  readonly #core: DmaBufCore
  readonly #timeoutNs: number
  readonly #buffers: WeakMap<DmaBuf, MovableBuffer>
  readonly #traceMove: Tracepoint

  constructor(components: DmaHeapComponents, init: MovableHeapInit) {
    this.name = init.name ?? 'movable'
    this.stats = { moves: 0, movedBytes: 0, pinned: 0, retired: 0 }
    this.#kernel = components.kernel
    this.#memory = components.memory
    this.#core = components.core
    this.#timeoutNs = init.timeoutNs ?? TIMEOUT_NS
    this.#buffers = new WeakMap()
    this.#traceMove = components.kernel.tracer.point('dma_heap_move', ['inode', 'size', 'unmapped'])
  }

  allocate(sizeBytes: number, init: DmaHeapAllocation = {}): DmaBuf {
    const backing = allocPageBacking(this.#memory, heapPages(this.#memory, sizeBytes))
    const ops = new MovableBuffer(this.#kernel.scheduler, backing, () => {
      this.stats.retired--
    })
    const dmabuf = exportBacking(this.#core, backing, ops, this.name, init)
    this.#buffers.set(dmabuf, ops)
    return dmabuf
  }

  *move(dmabuf: DmaBuf): Op<boolean> {
    const buffer = this.#buffers.get(dmabuf)
    if (buffer === undefined) {
      throw new KernelError('EINVAL', `dma-buf ${dmabuf.inode} is not of heap ${this.name}`)
    }
    dmabuf.get()
    try {
      yield* this.#lockSettled(dmabuf, buffer)
      try {
        return yield* this.#moveLocked(dmabuf, buffer)
      } finally {
        dmabuf.resv.unlock()
      }
    } finally {
      dmabuf.put()
    }
  }

  /** Takes the lock at a moment when no old pages of the buffer are mapped. */
  *#lockSettled(dmabuf: DmaBuf, buffer: MovableBuffer): Op<void> {
    const { scheduler } = this.#kernel
    const deadlineNs = scheduler.nowNs() + this.#timeoutNs
    for (;;) {
      const left = Math.max(0, deadlineNs - scheduler.nowNs())
      if ((yield* buffer.settled.waitEventTimeout(buffer.isSettled, left)) === 0) {
        throw this.#timedOut(dmabuf)
      }
      yield* dmabuf.resv.lock(null)
      if (buffer.isSettled()) return
      dmabuf.resv.unlock()
    }
  }

  *#moveLocked(dmabuf: DmaBuf, buffer: MovableBuffer): Op<boolean> {
    if (buffer.pinned) {
      this.stats.pinned++
      return false
    }
    const fresh = allocPageBacking(this.#memory, heapPages(this.#memory, dmabuf.sizeBytes))
    try {
      yield* drainMappings(dmabuf, this.#timeoutNs)
    } catch (error) {
      fresh.free()
      throw error
    }
    const unmapped = buffer.moveTo(fresh)
    if (!unmapped) this.stats.retired++
    this.stats.moves++
    this.stats.movedBytes += dmabuf.sizeBytes
    if (this.#traceMove.enabled) {
      this.#traceMove.emit(dmabuf.inode, dmabuf.sizeBytes, unmapped ? 1 : 0)
    }
    return true
  }

  #timedOut(dmabuf: DmaBuf): KernelError {
    const what = `the importers of dma-buf ${dmabuf.inode} took too long to unmap its old pages`
    return new KernelError('ETIME', what, { accepted: `${this.#timeoutNs} ns` })
  }
}

/** A heap of ordinary pages whose buffers move on demand. Every byte of a move is copied by the CPU, and counted by the memory. */
export function createMovableHeap(
  components: DmaHeapComponents,
  init: MovableHeapInit = {},
): MovableHeap {
  return new Heap(components, init)
}
