// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One generation of device addresses of a registered buffer. What kills it stands in invalidation.ts; this file holds the
// references, the addresses, and the way from "no DMA left" to "unmapped" to "freed".

import type { DmabufIoMap } from '@iolayers/block-core'
import { type DmaBuf, type DmaBufAttachment, DmaFence, type DmaResv } from '@iolayers/dma-buf'
import type { DmaDirection, DmaSegmentTable, SgTable } from '@iolayers/dma-mapping'
import {
  assertLive,
  assertOnce,
  Completion,
  type Kernel,
  type Op,
  PercpuRef,
  RcuHead,
  RefCount,
  WorkItem,
} from '@iolayers/kernel'
import type { DmabufTokenStats } from './stats.ts'

/** The token, as its generations need it. They pin it from the moment they are made until they are unmapped. */
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

/** Where a fence stands among others: its context, and its place there. */
export interface FencePoint {
  readonly context: number
  readonly seqno: number
}

/** Which generation of its token, and where its drain fence stands. */
export interface MapGenerationInit {
  readonly generation: number
  readonly fencePoint: FencePoint
}

/**
 * A map: one generation.
 *
 * `refs` starts at two: one for being published, one for being mapped. Each import adds one. The last put frees the generation
 * after an RCU grace period, because a lookup may still be looking at it.
 *
 * Its protected methods are the steps that the hazards of the published designs name, each to be replaced by itself.
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
  protected readonly owner: GenerationOwner
  protected readonly refCount: RefCount
  protected readonly activeRef: PercpuRef
  protected readonly segments: DmaSegmentTable
  protected readonly unmapWork: WorkItem
  protected readonly freeHead: RcuHead
  protected readonly fencePoint: FencePoint
  protected table: SgTable | null
  protected fenceVisible: boolean
  protected freed: boolean

  constructor(
    owner: GenerationOwner,
    table: SgTable,
    segments: DmaSegmentTable,
    init: MapGenerationInit,
  ) {
    const { kernel } = owner
    this.sizeBytes = segments.totalBytes
    this.granuleShift = segments.granuleShift
    this.generation = init.generation
    this.fence = new DmaFence(kernel, drainFenceOps)
    this.drained = new Completion(kernel.scheduler, 'dmabuf map drained')
    this.unmapped = new Completion(kernel.scheduler, 'dmabuf map unmapped')
    this.dead = false
    this.owner = owner
    this.refCount = new RefCount(2)
    this.activeRef = new PercpuRef(kernel, 'dmabuf map active', () => this.onDrained())
    this.segments = segments
    this.unmapWork = new WorkItem('dmabuf map unmap', () => this.unmap())
    this.freeHead = new RcuHead(() => this.free())
    this.fencePoint = init.fencePoint
    this.table = table
    this.fenceVisible = false
    this.freed = false
  }

  get resv(): DmaResv {
    return this.owner.dmabuf.resv
  }

  /** Software references, to be shown. */
  get refs(): number {
    return this.refCount.read()
  }

  /** Requests that may be doing DMA, to be shown. */
  get active(): number {
    return this.activeRef.count - (this.activeRef.isDying ? 0 : 1)
  }

  get segmentCount(): number {
    return this.segments.count
  }

  /** For a lookup inside an RCU section: false when the last reference is already gone. The look and the increment are one step (H8). */
  tryGet(): boolean {
    assertLive(!this.freed, 'a freed map was looked up')
    return this.refCount.incNotZero()
  }

  get(): void {
    assertLive(!this.freed, 'a reference was taken on a freed map')
    this.refCount.inc()
  }

  put(): void {
    if (!this.refCount.decAndTest()) return
    const { scheduler } = this.owner.kernel
    if (scheduler.exploring) scheduler.choicePoint('dmabuf map: last reference put, not yet freed')
    this.freeAfterGrace()
  }

  /** Null when the generation is dead: by the count itself, not by a look at a flag before it. */
  tryGetActive(): DmaSegmentTable | null {
    assertLive(!this.freed, 'a freed map was asked for its addresses')
    if (this.activeRef.tryGetLive()) return this.segments
    this.owner.stats.staleRefusals++
    return null
  }

  putActive(): void {
    this.activeRef.put()
  }

  /** Binds the preallocated fence to its place. Allocates nothing. The slot must have been reserved (F1). */
  initFence(): void {
    this.fence.init(this.fencePoint.context, this.fencePoint.seqno)
    this.fenceVisible = true
  }

  /** The fence stands in the reservation object: whoever comes now waits for it. */
  fenceAdded(): void {
    const { scheduler } = this.owner.kernel
    if (scheduler.exploring) scheduler.choicePoint('dmabuf map: fence added, not yet killed')
  }

  /** No later `tryGetActive` succeeds. The caller holds the reservation lock and has unpublished the map. */
  killActive(): void {
    this.dead = true
    this.owner.generationKilled()
    this.activeRef.kill()
    const { scheduler } = this.owner.kernel
    if (scheduler.exploring) scheduler.choicePoint('dmabuf map: killed, not yet waited for')
    this.put()
  }

  /**
   * The last `active` is gone. Runs in whoever dropped it: often the completion path, so it may neither sleep nor allocate, and what it signals it signals
   * itself (F3, F4). The token stays: this generation pins it until it is unmapped (H9).
   */
  protected onDrained(): void {
    this.owner.generationDrained(this)
    this.signalDrained()
    this.queueUnmap()
  }

  /** To the exporter, and to who waits in place. */
  protected signalDrained(): void {
    if (this.fenceVisible) this.fence.signal()
    this.drained.completeAll()
  }

  /** Each generation has a work item of its own (H10), on a queue that always has a worker for it (F3). */
  protected queueUnmap(): void {
    this.owner.kernel.reclaimWq.queue(this.unmapWork)
  }

  /** Takes the reservation lock, so nothing that an exporter waits for under it may come after this (F6, F7). */
  protected *unmap(): Op<void> {
    const { dmabuf, attachment, direction } = this.owner
    const { table } = this
    assertOnce(table !== null, 'a map was unmapped twice')
    yield* dmabuf.resv.lock(null)
    try {
      dmabuf.unmapAttachment(attachment, table, direction)
    } finally {
      dmabuf.resv.unlock()
      this.unmapDone()
    }
  }

  /** Also when the exporter threw: its table is not the token's any more (H12). */
  protected unmapDone(): void {
    this.table = null
    this.owner.generationUnmapped(this)
    this.unmapped.completeAll()
    this.put()
  }

  /** A lookup may have found the map and not yet tried for its reference (H5). */
  protected freeAfterGrace(): void {
    this.owner.kernel.rcu.call(this.freeHead)
  }

  /** The count of `active` ends here and no earlier: who has a reference may still ask for it, and be refused (H6). */
  protected free(): void {
    assertLive(!this.freed, 'a map was freed twice')
    this.freed = true
    this.activeRef.exit()
    this.fence.put()
  }
}

const drainFenceOps = {
  getDriverName: (): string => 'iolayers',
  getTimelineName: (): string => 'dmabuf map drain',
  // Initialised in the invalidation, when its slot is there: checked mode reports any other order.
  reserveBeforeInit: true,
}
