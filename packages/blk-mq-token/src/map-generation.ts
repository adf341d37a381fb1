// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One generation of device addresses of a registered buffer. What kills it stands in invalidation.ts; this file holds the
// references, the addresses, and the way from "no DMA left" to "unmapped" to "freed".

import type { DmabufIoMap } from '@iolayers/block-core'
import { type DmaBuf, type DmaBufAttachment, DmaFence, type DmaResv } from '@iolayers/dma-buf'
import type { DmaDirection, DmaSegmentTable, SgTable } from '@iolayers/dma-mapping'
import {
  assert,
  Completion,
  type Kernel,
  type Op,
  PercpuRef,
  RcuHead,
  RefCount,
  WorkItem,
} from '@iolayers/kernel'
import type { DmabufTokenStats } from './stats.ts'

/** The token, as its generations need it. They pin it from the moment they are made until they are freed. */
export interface GenerationOwner {
  readonly kernel: Kernel
  readonly dmabuf: DmaBuf
  readonly attachment: DmaBufAttachment
  readonly direction: DmaDirection
  readonly stats: DmabufTokenStats
  /** The map is dead; DMA may be in flight. */
  generationKilled(): void
  generationDrained(map: MapGeneration): void
  generationUnmapped(map: MapGeneration): void
}

/**
 * A map: one generation.
 *
 * `refs` starts at two: one for being published, one for being mapped. Each import adds one. The last put frees the generation
 * after an RCU grace period, because a lookup may still be looking at it.
 */
export class MapGeneration implements DmabufIoMap {
  readonly sizeBytes: number
  readonly granuleShift: number
  readonly generation: number
  readonly fence: DmaFence
  /** No DMA is left, and none can start. */
  readonly drained: Completion
  /** The device addresses are gone. */
  readonly unmapped: Completion
  dead: boolean
  readonly #owner: GenerationOwner
  readonly #refs: RefCount
  readonly #active: PercpuRef
  readonly #segments: DmaSegmentTable
  readonly #unmapWork: WorkItem
  readonly #freeHead: RcuHead
  readonly #fenceContext: number
  #table: SgTable | null
  #fenceVisible: boolean
  #freed: boolean

  constructor(
    owner: GenerationOwner,
    table: SgTable,
    segments: DmaSegmentTable,
    init: { generation: number; fenceContext: number },
  ) {
    const { kernel } = owner
    this.sizeBytes = segments.totalBytes
    this.granuleShift = segments.granuleShift
    this.generation = init.generation
    this.fence = new DmaFence(kernel, drainFenceOps)
    this.drained = new Completion(kernel.scheduler, 'dmabuf map drained')
    this.unmapped = new Completion(kernel.scheduler, 'dmabuf map unmapped')
    this.dead = false
    this.#owner = owner
    this.#refs = new RefCount(2)
    this.#active = new PercpuRef(kernel, 'dmabuf map active', () => this.#onDrained())
    this.#segments = segments
    this.#unmapWork = new WorkItem('dmabuf map unmap', () => this.#unmap())
    this.#freeHead = new RcuHead(() => this.#free())
    this.#fenceContext = init.fenceContext
    this.#table = table
    this.#fenceVisible = false
    this.#freed = false
  }

  get resv(): DmaResv {
    return this.#owner.dmabuf.resv
  }

  /** Software references, to be shown. */
  get refs(): number {
    return this.#refs.read()
  }

  /** Requests that may be doing DMA, to be shown. */
  get active(): number {
    return this.#active.count - (this.#active.isDying ? 0 : 1)
  }

  get segmentCount(): number {
    return this.#segments.count
  }

  /** For a lookup inside an RCU section: false when the last reference is already gone. */
  tryGet(): boolean {
    return this.#refs.incNotZero()
  }

  get(): void {
    this.#refs.inc()
  }

  put(): void {
    if (this.#refs.decAndTest()) this.#owner.kernel.rcu.call(this.#freeHead)
  }

  tryGetActive(): DmaSegmentTable | null {
    assert(!this.#freed, 'a freed map was asked for its addresses')
    if (this.#active.tryGetLive()) return this.#segments
    this.#owner.stats.staleRefusals++
    return null
  }

  putActive(): void {
    this.#active.put()
  }

  /** Whether a drain fence in the reservation object speaks for this generation. */
  get hasFence(): boolean {
    return this.#fenceVisible
  }

  /** Binds the preallocated fence to its own context. Allocates nothing. The slot must have been reserved. */
  initFence(): void {
    this.fence.init(this.#fenceContext, 1)
    this.#fenceVisible = true
  }

  /** No later `tryGetActive` succeeds. The caller holds the reservation lock and has unpublished the map. */
  killActive(): void {
    this.dead = true
    this.#owner.generationKilled()
    this.#active.kill()
    this.put()
  }

  /** Runs in whoever dropped the last `active`: often the completion path, so it may neither sleep nor allocate. */
  #onDrained(): void {
    this.#owner.generationDrained(this)
    if (this.#fenceVisible) this.fence.signal()
    this.drained.completeAll()
    this.#owner.kernel.reclaimWq.queue(this.#unmapWork)
  }

  *#unmap(): Op<void> {
    const { dmabuf, attachment, direction } = this.#owner
    const table = this.#table
    assert(table !== null, 'a map was unmapped twice')
    yield* dmabuf.resv.lock(null)
    try {
      dmabuf.unmapAttachment(attachment, table, direction)
    } finally {
      dmabuf.resv.unlock()
    }
    this.#table = null
    this.#owner.generationUnmapped(this)
    this.unmapped.completeAll()
    this.put()
  }

  #free(): void {
    this.#freed = true
    this.#active.exit()
    this.fence.put()
  }
}

const drainFenceOps = {
  getDriverName: (): string => 'iolayers',
  getTimelineName: (): string => 'dmabuf map drain',
  // Initialised in the invalidation, when its slot is there: checked mode reports any other order.
  reserveBeforeInit: true,
}
