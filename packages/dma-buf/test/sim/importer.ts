// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  BusAccess,
  BusRange,
  type Device,
  DmaDirection,
  PAGE_SIZE,
  type SgTable,
} from '@iolayers/dma-mapping'
import { assert, KernelError, type Op, WaitQueue, WorkItem, yieldNow } from '@iolayers/kernel'
import { type DmaBuf, type DmaBufAttachment, DmaFence, DmaResvUsage } from '../../src/index.ts'
import { fenceOps, type Rig } from '../support.ts'
import type { PageGuard } from './page-guard.ts'

const DIRECTION = DmaDirection.BIDIRECTIONAL

export interface SimImporterInit {
  /** Tells about accesses to pages that are not the buffer's any more. */
  readonly guard?: PageGuard
  /** Syncs each word before and after its DMA, and nothing else. */
  readonly skipCpuSync?: boolean
  /** When it is told to let go: waits there for the last DMA, instead of leaving a fence. */
  readonly drain?: boolean
  readonly makeFence?: () => DmaFence
  /** Told of the fence that it leaves. */
  readonly onFence?: (fence: DmaFence) => void
}

/** Device addresses of a buffer, and whose pages they were when they were made. */
export class DeviceView {
  readonly device: Device
  readonly table: SgTable
  readonly #guard: PageGuard | null
  readonly #frames: readonly number[]
  readonly #numbers: readonly number[]
  readonly #range: BusRange

  constructor(device: Device, table: SgTable, guard: PageGuard | null) {
    this.device = device
    this.table = table
    this.#guard = guard
    this.#range = new BusRange()
    this.#frames = guard === null ? [] : framesOf(table)
    this.#numbers = this.#frames.map((frame) => guard?.numberOf(frame) ?? 0)
    for (const frame of this.#frames) guard?.mapped(frame, 1)
  }

  /** Right before the table is unmapped. */
  close(): void {
    for (const frame of this.#frames) this.#guard?.mapped(frame, -1)
  }

  /** Adds 1 to the word at `offset` by DMA, in two accesses with time in between. Gives the word before. */
  *increment(offset: number, sync: boolean, between: () => Op<void>): Op<number> {
    const address = this.#addressOf(offset)
    if (sync) this.device.dma.syncSingleForDevice(address, 4, DIRECTION)
    const value = this.#access(offset, address, BusAccess.READ).getInt32(0, true)
    yield* between()
    this.#access(offset, address, BusAccess.WRITE).setInt32(0, value + 1, true)
    if (sync) this.device.dma.syncSingleForCpu(address, 4, DIRECTION)
    return value
  }

  #addressOf(offset: number): number {
    const { table } = this
    let [i, start] = [0, 0]
    while (offset >= start + table.dmaLengthAt(i)) {
      start += table.dmaLengthAt(i)
      i++
    }
    return table.dmaAddressAt(i) + offset - start
  }

  #access(offset: number, address: number, access: BusAccess): DataView {
    const range = this.#range
    assert(this.device.bus.translate(address, 4, access, range) === 4, 'an IOMMU fault')
    const number = this.#numbers[Math.floor(offset / PAGE_SIZE)]
    assert(this.#guard === null || number !== undefined, 'an access beyond the buffer')
    this.#guard?.assertSame(range.region.baseAddr + range.offset, number ?? 0)
    return new DataView(range.bytes.buffer, range.bytes.byteOffset + range.offset, 4)
  }
}

function framesOf(table: SgTable): number[] {
  const frames: number[] = []
  for (let i = 0; i < table.origNents; i++) {
    for (let done = 0; done < table.lengthAt(i); done += PAGE_SIZE) {
      frames.push(table.frameAt(i) + done / PAGE_SIZE)
    }
  }
  return frames
}

/** One generation of addresses. */
interface Generation {
  readonly view: DeviceView
  readonly fence: DmaFence
  readonly unmap: WorkItem
  active: number
  dead: boolean
  /** Whether the fence tells of the last DMA; otherwise `invalidate` waits for it. */
  fenced: boolean
}

/**
 * The smallest importer that follows the rules: it maps on demand, counts the DMA under way, leaves a fence when it is told to let go (or
 * waits, when there is no room for one), and unmaps from the reclaim work queue.
 */
export class SimImporter {
  readonly attachment: DmaBufAttachment
  readonly device: Device
  maps = 0
  readonly #rig: Rig
  readonly #dmabuf: DmaBuf
  readonly #init: SimImporterInit
  readonly #changed: WaitQueue
  #current: Generation | null = null
  #mapped = 0

  constructor(rig: Rig, dmabuf: DmaBuf, device: Device, init: SimImporterInit = {}) {
    this.#rig = rig
    this.#dmabuf = dmabuf
    this.#init = init
    this.device = device
    this.#changed = new WaitQueue(rig.scheduler, 'importer: DMA to end or tables to be unmapped')
    dmabuf.get()
    this.attachment = dmabuf.dynamicAttach(device, {
      allowPeer2peer: false,
      skipCpuSync: init.skipCpuSync ?? false,
      invalidateMappings: () => this.#invalidate(),
    })
  }

  /** Adds 1 to the word at `offset` by DMA. Gives the word before. */
  *increment(offset: number): Op<number> {
    const { scheduler } = this.#rig
    const generation = yield* this.#activate()
    const sync = this.#init.skipCpuSync === true
    const value = yield* generation.view.increment(offset, sync, () => yieldNow(scheduler))
    yield* yieldNow(scheduler)
    generation.active--
    if (generation.dead && generation.active === 0) this.#drained(generation)
    return value
  }

  *close(): Op<void> {
    const { resv } = this.#dmabuf
    yield* resv.lock(null)
    yield* this.#invalidate()
    resv.unlock()
    yield* this.#changed.waitEvent(() => this.#mapped === 0)
    this.#dmabuf.detach(this.attachment)
    this.#dmabuf.put()
  }

  *#activate(): Op<Generation> {
    for (;;) {
      const generation = this.#current ?? (yield* this.#map())
      if (generation.dead) continue
      generation.active++
      return generation
    }
  }

  *#map(): Op<Generation> {
    const { resv } = this.#dmabuf
    yield* resv.lock(null)
    try {
      if (this.#current !== null) return this.#current
      const left = yield* resv.waitTimeout(DmaResvUsage.KERNEL, false, 1e9)
      assert(left > 0, 'an exporter fence did not signal')
      const table = yield* this.#dmabuf.mapAttachment(this.attachment, DIRECTION)
      const view = new DeviceView(this.device, table, this.#init.guard ?? null)
      const fence = this.#init.makeFence?.() ?? new DmaFence(this.#rig.kernel, fenceOps)
      const unmap = new WorkItem('unmap', () => this.#unmap(generation))
      const generation: Generation = { view, fence, unmap, active: 0, dead: false, fenced: false }
      this.#current = generation
      this.#mapped++
      this.maps++
      return generation
    } finally {
      resv.unlock()
    }
  }

  *#invalidate(): Op<void> {
    const generation = this.#current
    if (generation === null) return
    this.#current = null
    generation.dead = true
    generation.fenced = this.#init.drain !== true && this.#addFence(generation)
    if (generation.active === 0) this.#drained(generation)
    if (generation.fenced) return
    yield* this.#changed.waitEvent(() => generation.active === 0)
  }

  /** False when there is no room for it. */
  #addFence({ fence }: Generation): boolean {
    const { resv } = this.#dmabuf
    try {
      resv.reserveFences(1)
    } catch (error) {
      assert(error instanceof KernelError && error.code === 'ENOMEM', 'slots cannot be reserved')
      return false
    }
    fence.init(this.#rig.core.fenceContextAlloc(1), 1)
    resv.addFence(fence, DmaResvUsage.BOOKKEEP)
    this.#init.onFence?.(fence)
    return true
  }

  #drained(generation: Generation): void {
    if (generation.fenced) generation.fence.signal()
    generation.fence.put()
    this.#changed.wakeUpAll()
    this.#rig.kernel.reclaimWq.queue(generation.unmap)
  }

  *#unmap({ view }: Generation): Op<void> {
    const { resv } = this.#dmabuf
    yield* resv.lock(null)
    view.close()
    this.#dmabuf.unmapAttachment(this.attachment, view.table, DIRECTION)
    resv.unlock()
    this.#mapped--
    this.#changed.wakeUpAll()
  }
}
