// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  type Device,
  type MemoryRegion,
  PAGE_SIZE,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Op, Timer, type Tracepoint } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import type { DmaBufCore } from '../buf/core-contract.ts'
import { DmaFence, type DmaFenceOps, MAX_SCHEDULE_TIMEOUT } from '../fence/dma-fence.ts'
import { exportBacking } from '../heap/export-backing.ts'
import type { DmaHeapComponents } from '../heap/heap-contract.ts'
import { allocPageBacking, heapPages } from '../heap/heap-pages.ts'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import { CopyEngine, type CopyEngineInit } from './copy-engine.ts'
import { DeviceBuffer } from './device-buffer.ts'
import type { DeviceBufferHost } from './device-buffer-host.ts'
import type {
  DeviceBufferInfo,
  DeviceJob,
  DeviceMemory,
  DeviceMemoryAllocation,
  DeviceMemoryStats,
  Placement,
  SystemFallbacks,
} from './device-memory-contract.ts'
import { BLOCK_PAGES_MAX, Vram } from './vram.ts'

const TIMEOUT_NS = 30e9
/** How often a buffer is brought back that others drive out meanwhile, before the device works on it where it is. */
const ATTEMPTS_MAX = 8

export interface DeviceMemoryComponents extends DmaHeapComponents {
  /** Whose memory it is. */
  readonly device: Device
}

export interface DeviceMemoryInit {
  /** Of kind `device`, all of it. Its aperture is what peers and the CPU see. */
  readonly region: MemoryRegion
  /** The exporter name of the buffers; the name of the device by default. */
  readonly name?: string
  readonly copyEngine?: CopyEngineInit
  /** How long a move waits for the importers' DMA to end, and a search for room for their unmaps; 30 s by default. */
  readonly timeoutNs?: number
  /** The largest piece of a buffer; 512 pages by default. Less makes buffers of more segments. */
  readonly blockPagesMax?: number
}

class Memory implements DeviceMemory, DeviceBufferHost {
  readonly name: string
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly vram: Vram
  readonly engine: CopyEngine
  readonly timeoutNs: number
  readonly stats: { -readonly [K in keyof DeviceMemoryStats]: DeviceMemoryStats[K] }
  readonly #core: DmaBufCore
  readonly #fallbacks: SystemFallbacks
  readonly #buffers: Map<DmaBuf, DeviceBuffer>
  /** The one used last at the end. */
  readonly #lru: Map<DeviceBuffer, DmaBuf>
  readonly #jobOps: DmaFenceOps
  readonly #context: number
  readonly #traceMove: Tracepoint
  #seqno: number

  constructor(components: DeviceMemoryComponents, init: DeviceMemoryInit) {
    const { kernel, memory, core, device } = components
    this.name = init.name ?? device.name
    this.kernel = kernel
    this.memory = memory
    const blockPages = init.blockPagesMax ?? BLOCK_PAGES_MAX
    this.vram = new Vram(memory, init.region, kernel.scheduler, blockPages)
    this.engine = new CopyEngine(components, this.name, init.copyEngine ?? {})
    this.timeoutNs = init.timeoutNs ?? TIMEOUT_NS
    this.#fallbacks = { static: 0, notAllowed: 0, unreachable: 0, window: 0, full: 0 }
    this.stats = emptyStats(this.#fallbacks)
    this.#core = core
    this.#buffers = new Map()
    this.#lru = new Map()
    this.#jobOps = { getDriverName: () => this.name, getTimelineName: () => 'jobs' }
    this.#context = core.fenceContextAlloc(1)
    this.#seqno = 0
    const fields = ['inode', 'size', 'placement']
    this.#traceMove = kernel.tracer.point('device_memory_move', fields)
  }

  get freeBytes(): number {
    return this.vram.freePages * PAGE_SIZE
  }

  *allocate(sizeBytes: number, init: DeviceMemoryAllocation = {}): Op<DmaBuf> {
    const { placement: wanted = 'vram', ...allocation } = init
    const pages = heapPages(this.memory, sizeBytes)
    let backing = wanted === 'vram' ? this.vram.alloc(pages) : null
    while (wanted === 'vram' && backing === null && (yield* this.#makeRoom(pages, null))) {
      backing = this.vram.alloc(pages)
    }
    if (wanted === 'vram' && backing === null) this.countFallback('full')
    const placement: Placement = backing === null ? 'system' : 'vram'
    const pagesOfIt = backing ?? allocPageBacking(this.memory, pages)
    const buffer = new DeviceBuffer(this, pagesOfIt, placement)
    const dmabuf = exportBacking(this.#core, pagesOfIt, buffer, this.name, allocation)
    this.#buffers.set(dmabuf, buffer)
    this.#lru.set(buffer, dmabuf)
    this.stats.allocations++
    return dmabuf
  }

  *use(dmabuf: DmaBuf, job: DeviceJob = {}): Op<DmaFence> {
    const buffer = this.#bufferOf(dmabuf)
    dmabuf.get()
    try {
      yield* this.#lockInVram(dmabuf, buffer)
      try {
        this.#touch(buffer, dmabuf)
        yield* dmabuf.resv.waitTimeout(DmaResvUsage.KERNEL, false, MAX_SCHEDULE_TIMEOUT)
        dmabuf.resv.reserveFences(1)
        return this.#submit(dmabuf, buffer, job)
      } finally {
        dmabuf.resv.unlock()
      }
    } finally {
      dmabuf.put()
    }
  }

  *evict(dmabuf: DmaBuf): Op<boolean> {
    const buffer = this.#bufferOf(dmabuf)
    dmabuf.get()
    try {
      yield* dmabuf.resv.lock(null)
      try {
        if (buffer.pinned || buffer.placement === 'system') return false
        yield* buffer.moveToSystem(dmabuf)
        return true
      } finally {
        dmabuf.resv.unlock()
      }
    } finally {
      dmabuf.put()
    }
  }

  inspect(dmabuf: DmaBuf): DeviceBufferInfo {
    return this.#bufferOf(dmabuf).info
  }

  destroy(): void {
    this.vram.destroy()
  }

  countMapping(p2p: boolean, bytes: number): void {
    if (p2p) {
      this.stats.mappingsP2p++
      this.stats.bytesP2p += bytes
    } else {
      this.stats.mappingsSystem++
      this.stats.bytesSystem += bytes
    }
  }

  countMove(dmabuf: DmaBuf, placement: Placement): void {
    if (placement === 'vram') this.stats.movesToVram++
    else this.stats.movesToSystem++
    this.stats.movedBytes += dmabuf.sizeBytes
    if (this.#traceMove.enabled) this.#traceMove.emit(dmabuf.inode, dmabuf.sizeBytes, placement)
  }

  countFallback(reason: keyof SystemFallbacks): void {
    this.#fallbacks[reason]++
  }

  forget(buffer: DeviceBuffer): void {
    const dmabuf = this.#lru.get(buffer)
    this.#lru.delete(buffer)
    if (dmabuf !== undefined) this.#buffers.delete(dmabuf)
  }

  /** Takes the lock with the buffer in the device's memory, or after all where it is. */
  *#lockInVram(dmabuf: DmaBuf, buffer: DeviceBuffer): Op<void> {
    for (let attempt = 0; ; attempt++) {
      yield* dmabuf.resv.lock(null)
      if (buffer.placement === 'vram' || buffer.pinned) return
      const room = this.vram.alloc(buffer.pages)
      if (room !== null) {
        yield* this.#unlockOnError(dmabuf, buffer.moveInto(dmabuf, room, 'vram'))
        return
      }
      // Without the lock: those who unmap what is in the way may be waiting for somebody who waits for it.
      dmabuf.resv.unlock()
      const made = attempt < ATTEMPTS_MAX && (yield* this.#makeRoom(buffer.pages, buffer))
      if (made) continue
      this.countFallback('full')
      yield* dmabuf.resv.lock(null)
      return
    }
  }

  *#unlockOnError(dmabuf: DmaBuf, step: Op<void>): Op<void> {
    try {
      yield* step
    } catch (error) {
      dmabuf.resv.unlock()
      throw error
    }
  }

  /**
   * Evicts the buffer that was not used for longest and waits until something is free; false when there is nothing to evict and nothing about to become
   * free. The caller has no lock. @see drivers/gpu/drm/ttm/ttm_bo.c ttm_bo_evict_alloc
   */
  *#makeRoom(pages: number, forWhom: DeviceBuffer | null): Op<boolean> {
    if (pages > this.vram.totalPages) return false
    const before = this.vram.freePages
    const evicted = yield* this.#evictOne(forWhom)
    if (this.vram.freePages > before) return true
    const onTheWay = this.vram.totalPages - before - this.#residentPages()
    if (!evicted && onTheWay === 0) return false
    const more = (): boolean => this.vram.freePages > before
    return (yield* this.vram.space.waitEventTimeout(more, this.timeoutNs)) > 0
  }

  *#evictOne(forWhom: DeviceBuffer | null): Op<boolean> {
    for (const [buffer, dmabuf] of this.#lru) {
      if (buffer === forWhom || buffer.placement !== 'vram' || buffer.pinned) continue
      // Somebody who works on it will not be waited for: that might be for this one. A buffer without references is on its way out.
      if (!dmabuf.file.tryGet()) continue
      try {
        if (dmabuf.resv.tryLock()) return yield* this.#evictLocked(buffer, dmabuf)
      } finally {
        dmabuf.put()
      }
    }
    return false
  }

  *#evictLocked(buffer: DeviceBuffer, dmabuf: DmaBuf): Op<boolean> {
    try {
      yield* buffer.moveToSystem(dmabuf)
      this.stats.evictions++
      return true
    } finally {
      dmabuf.resv.unlock()
    }
  }

  /** Pages of buffers that are in the device's memory; what else is taken there will be free when the last importer has unmapped it. */
  #residentPages(): number {
    let pages = 0
    for (const buffer of this.#lru.keys()) if (buffer.placement === 'vram') pages += buffer.pages
    return pages
  }

  #submit(dmabuf: DmaBuf, buffer: DeviceBuffer, job: DeviceJob): DmaFence {
    const { access = 'write', durationNs = 0, work } = job
    const fence = new DmaFence(this.kernel, this.#jobOps)
    this.#seqno++
    fence.init(this.#context, this.#seqno)
    dmabuf.resv.addFence(fence, access === 'write' ? DmaResvUsage.WRITE : DmaResvUsage.READ)
    // The job's own references: neither the fence nor the buffer goes before its end.
    fence.get()
    dmabuf.get()
    const end = (): void => {
      const section = this.kernel.signalling.begin(`${this.name} job`)
      try {
        work?.(buffer.bytes())
        fence.signal()
      } finally {
        this.kernel.signalling.end(section)
      }
      fence.put()
      dmabuf.put()
    }
    new Timer(this.kernel.scheduler, `${this.name} job`, end).arm(durationNs)
    return fence
  }

  #touch(buffer: DeviceBuffer, dmabuf: DmaBuf): void {
    this.#lru.delete(buffer)
    this.#lru.set(buffer, dmabuf)
  }

  #bufferOf(dmabuf: DmaBuf): DeviceBuffer {
    const buffer = this.#buffers.get(dmabuf)
    if (buffer !== undefined) return buffer
    throw new KernelError('EINVAL', `dma-buf ${dmabuf.inode} is not of ${this.name}`)
  }
}

function emptyStats(fallbacks: SystemFallbacks): {
  -readonly [K in keyof DeviceMemoryStats]: DeviceMemoryStats[K]
} {
  return {
    allocations: 0,
    evictions: 0,
    movesToSystem: 0,
    movesToVram: 0,
    movedBytes: 0,
    mappingsP2p: 0,
    mappingsSystem: 0,
    bytesP2p: 0,
    bytesSystem: 0,
    fallbacks,
  }
}

/**
 * The memory of a device, and buffers in it. Offers it to peers where they allow that and reach it, and moves buffers to system memory where not, which is counted. Throws EINVAL for a region
 * that is not a device's, ENOMEM when something of it is allocated already.
 */
export function createDeviceMemory(
  components: DeviceMemoryComponents,
  init: DeviceMemoryInit,
): DeviceMemory {
  if (init.region.kind !== 'device') {
    throw new KernelError('EINVAL', 'region of a device memory', {
      value: init.region.kind,
      accepted: 'device',
    })
  }
  return new Memory(components, init)
}
