// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, BusRange, type Device, DmaDirection, type SgTable } from '@iolayers/dma-mapping'
import { assert, type Op, WaitQueue, WorkItem, yieldNow } from '@iolayers/kernel'
import { type DmaBuf, type DmaBufAttachment, DmaFence, DmaResvUsage } from '../../src/index.ts'
import { fenceOps, type Rig } from '../support.ts'

const DIRECTION = DmaDirection.BIDIRECTIONAL

/** One generation of addresses. */
interface Generation {
  readonly table: SgTable
  readonly fence: DmaFence
  readonly unmap: WorkItem
  active: number
  dead: boolean
}

/**
 * The smallest importer that follows the rules: it maps on demand, counts the DMA under way, leaves a fence when it is told to let go, and
 * unmaps from the reclaim work queue.
 */
export class SimImporter {
  readonly attachment: DmaBufAttachment
  readonly device: Device
  maps = 0
  readonly #rig: Rig
  readonly #dmabuf: DmaBuf
  readonly #range: BusRange
  readonly #allUnmapped: WaitQueue
  #current: Generation | null = null
  #mapped = 0

  constructor(rig: Rig, dmabuf: DmaBuf, device: Device) {
    this.#rig = rig
    this.#dmabuf = dmabuf
    this.device = device
    this.#range = new BusRange()
    this.#allUnmapped = new WaitQueue(rig.scheduler, 'importer: all unmapped')
    dmabuf.get()
    this.attachment = dmabuf.dynamicAttach(device, {
      allowPeer2peer: false,
      invalidateMappings: () => this.#invalidate(),
    })
  }

  /** Adds 1 to the word at `offset`, in two DMA accesses with time in between. */
  *increment(offset: number): Op<void> {
    const generation = yield* this.#activate()
    const { scheduler } = this.#rig
    const value = this.#access(generation, offset, BusAccess.READ).getInt32(0, true)
    yield* yieldNow(scheduler)
    this.#access(generation, offset, BusAccess.WRITE).setInt32(0, value + 1, true)
    yield* yieldNow(scheduler)
    generation.active--
    if (generation.dead && generation.active === 0) this.#drained(generation)
  }

  *close(): Op<void> {
    const { resv } = this.#dmabuf
    yield* resv.lock(null)
    yield* this.#invalidate()
    resv.unlock()
    yield* this.#allUnmapped.waitEvent(() => this.#mapped === 0)
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
      const fence = new DmaFence(this.#rig.kernel, fenceOps)
      const unmap = new WorkItem('unmap', () => this.#unmap(generation))
      const generation: Generation = { table, fence, unmap, active: 0, dead: false }
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
    const { resv } = this.#dmabuf
    this.#current = null
    resv.reserveFences(1)
    generation.fence.init(this.#rig.core.fenceContextAlloc(1), 1)
    resv.addFence(generation.fence, DmaResvUsage.BOOKKEEP)
    generation.dead = true
    if (generation.active === 0) this.#drained(generation)
  }

  #drained(generation: Generation): void {
    generation.fence.signal()
    this.#rig.kernel.reclaimWq.queue(generation.unmap)
  }

  *#unmap(generation: Generation): Op<void> {
    const { resv } = this.#dmabuf
    yield* resv.lock(null)
    this.#dmabuf.unmapAttachment(this.attachment, generation.table, DIRECTION)
    resv.unlock()
    this.#mapped--
    this.#allUnmapped.wakeUpAll()
  }

  #access(generation: Generation, offset: number, access: BusAccess): DataView {
    let [i, start] = [0, 0]
    while (offset >= start + generation.table.dmaLengthAt(i)) {
      start += generation.table.dmaLengthAt(i)
      i++
    }
    const address = generation.table.dmaAddressAt(i) + offset - start
    const range = this.#range
    assert(this.device.bus.translate(address, 4, access, range) === 4, 'an IOMMU fault')
    return new DataView(range.bytes.buffer, range.bytes.byteOffset + range.offset, 4)
  }
}
