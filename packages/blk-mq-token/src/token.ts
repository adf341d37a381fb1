// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The token: one registration of one buffer with one block device. It finds the current map, makes one when there is none, and
// takes part in the exporter's invalidations. It knows nothing of requests.

import type { DmabufIoMap, DmabufToken, DmabufTokenParent } from '@iolayers/block-core'
import { type DmaBuf, type DmaBufAttachment, DmaResvUsage } from '@iolayers/dma-buf'
import {
  buildDmaSegmentTable,
  type DmaDirection,
  type DmaSegmentTable,
  dmaDirectionName,
  type SgTable,
} from '@iolayers/dma-mapping'
import { assert, Completion, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { InvalidationContext } from './invalidation.ts'
import type { FencePoint, GenerationOwner, MapGeneration } from './map-generation.ts'
import type { DmabufTokenStats } from './stats.ts'
import {
  interrupted,
  refusal,
  type TokenComponents,
  type TokenInit,
  timedOut,
} from './token-contract.ts'
import type { ListableToken, ListedTokenFields, TokenState } from './token-source.ts'

/**
 * A registration. Its protected methods are the steps that the hazards of the published designs name, each to be replaced by itself.
 */
export class Token implements DmabufToken, GenerationOwner, ListableToken {
  readonly kernel: Kernel
  readonly dmabuf: DmaBuf
  readonly attachment: DmaBufAttachment
  readonly direction: DmaDirection
  readonly stats: DmabufTokenStats
  readonly id: number
  protected readonly components: TokenComponents
  protected readonly init: TokenInit
  protected readonly released: Completion
  protected readonly detached: Completion
  /** Killed generations that may still have DMA in flight. */
  protected readonly undrained: Set<MapGeneration>
  /** Generations that are still mapped, oldest first. Each pins the token. */
  protected readonly mapped: Set<MapGeneration>
  protected published: MapGeneration | null
  protected generations: number
  protected parent: DmabufTokenParent | null
  /** Its owner has released it, or is about to. */
  protected closing: boolean
  /** Its device is gone, or is about to be. */
  protected removed: boolean
  protected detaching: boolean

  constructor(components: TokenComponents, init: TokenInit) {
    this.kernel = components.kernel
    this.dmabuf = components.dmabuf
    this.direction = init.direction
    this.stats = components.stats
    this.id = components.list.nextId()
    this.components = components
    this.init = init
    this.released = new Completion(this.kernel.scheduler, 'dmabuf token release')
    this.detached = new Completion(this.kernel.scheduler, 'dmabuf token detach')
    this.undrained = new Set()
    this.mapped = new Set()
    this.published = null
    this.generations = 0
    this.parent = null
    this.closing = false
    this.removed = false
    this.detaching = false
    this.attachment = this.attachBuffer()
    this.stats.tokens++
    this.stats.tokensLive++
    components.list.add(this)
  }

  setParent(parent: DmabufTokenParent): void {
    assert(this.parent === null, 'a token is part of one other at most')
    this.parent = parent
  }

  get sizeBytes(): number {
    return this.dmabuf.sizeBytes
  }

  tryGetMap(): DmabufIoMap | null {
    const { rcu, scheduler } = this.kernel
    rcu.readLock()
    try {
      const map = this.lookUp()
      if (map === null) return null
      if (scheduler.exploring) scheduler.choicePoint('dmabuf map: looked up, not yet referenced')
      return map.tryGet() ? map : null
    } finally {
      rcu.readUnlock()
    }
  }

  /** The map is made here, by the first I/O that needs it, and not when the buffer is registered. */
  *getMap(): Op<DmabufIoMap> {
    const present = this.tryGetMap()
    if (present !== null) return present
    const map = yield* this.makeMap()
    try {
      yield* this.waitForOlder(map)
    } catch (error) {
      map.put()
      throw error
    }
    return map
  }

  deviceRemoved(): void {
    this.removed = true
  }

  *detachDevice(): Op<void> {
    this.deviceRemoved()
    yield* this.endDma()
  }

  /** The order is the point: no new map, no map, no DMA, no mapping, no attachment, no buffer (H11, H12, H14). */
  *release(): Op<void> {
    if (this.closing) {
      yield* this.released.wait()
      return
    }
    this.closing = true
    try {
      yield* this.endDma()
    } finally {
      this.dmabuf.put()
      this.stats.tokensLive--
      this.components.list.remove(this)
      this.init.holder?.tokenReleased(this)
      this.released.completeAll()
    }
  }

  /** Attaches before anything is taken that a refusal would leave behind (H13). Dynamic: the exporter may move the buffer at any time. */
  protected attachBuffer(): DmaBufAttachment {
    const { dmabuf, device } = this.components
    const attachment = dmabuf.dynamicAttach(device, {
      allowPeer2peer: true,
      // Drivers sync the bytes of every request themselves, before and after it.
      skipCpuSync: true,
      invalidateMappings: () => this.invalidate(),
    })
    dmabuf.get()
    return attachment
  }

  /** In an RCU section: what is found may be gone from here on, but not freed (H5). */
  protected lookUp(): MapGeneration | null {
    return this.removed ? null : this.published
  }

  /** One map for any number of callers. The lock is let go on every way out (H4), and after the map was published (H2). */
  protected *makeMap(): Op<MapGeneration> {
    const { resv } = this.dmabuf
    this.refuseIfClosing()
    if ((yield* resv.lockInterruptible(null)) !== 0) throw interrupted('the reservation lock')
    try {
      const raced = this.takeRaced()
      if (raced !== null) return raced
      yield* this.waitForExporter()
      const map = yield* this.mapBuffer()
      const { scheduler } = this.kernel
      if (scheduler.exploring) scheduler.choicePoint('dmabuf map: mapped, not yet published')
      map.get()
      this.publish(map)
      return map
    } finally {
      resv.unlock()
    }
  }

  /** Lock held. What somebody else published while this one waited for the lock (R6). */
  protected takeRaced(): MapGeneration | null {
    this.refuseIfClosing()
    return this.published?.tryGet() ? this.published : null
  }

  /**
   * Lock held. The exporter's own moves carry KERNEL fences; mapping before they are done would name pages that are still being filled. No other class:
   * who must signal those may want this lock (F5). A wait that ran out is an error, not a success (F8).
   */
  protected *waitForExporter(): Op<void> {
    const { timeoutNs } = this.init
    const left = yield* this.dmabuf.resv.waitTimeout(DmaResvUsage.KERNEL, true, timeoutNs)
    if (left > 0) return
    if (left < 0) throw interrupted("the exporter's fences")
    throw timedOut(`the exporter of dma-buf ${this.dmabuf.inode} did not finish`, timeoutNs)
  }

  /** Lock held. Every failure after the mapping takes it back (H3). */
  protected *mapBuffer(): Op<MapGeneration> {
    this.refuseIfClosing()
    const table = yield* this.dmabuf.mapAttachment(this.attachment, this.direction)
    try {
      yield* this.waitForMove()
      // The exporter may have slept, and the device have gone meanwhile.
      this.refuseIfClosing()
      const segments = buildDmaSegmentTable(table, this.components.device.maxSegmentSizeBytes)
      this.checkSegments(segments)
      return this.makeGeneration(table, segments)
    } catch (error) {
      this.undoMap(table)
      throw error
    }
  }

  /**
   * Lock held, mapped. An exporter may have moved the buffer for this very mapping, to where the device reaches it: what it copies is still on its way. A
   * dynamic importer is not waited for. @see drivers/dma-buf/dma-buf.c dma_buf_map_attachment
   */
  protected *waitForMove(): Op<void> {
    if (!this.dmabuf.resv.testSignaled(DmaResvUsage.KERNEL)) yield* this.waitForExporter()
  }

  protected undoMap(table: SgTable): void {
    this.dmabuf.unmapAttachment(this.attachment, table, this.direction)
  }

  /** Whoever indexes by the buffer's size would read beyond a shorter table (H7). */
  protected checkSegments({ totalBytes }: DmaSegmentTable): void {
    const { sizeBytes } = this.dmabuf
    if (totalBytes === sizeBytes) return
    throw new KernelError(
      'EINVAL',
      `the exporter mapped ${totalBytes} bytes of a dma-buf of ${sizeBytes}`,
      { value: totalBytes, accepted: `exactly ${sizeBytes}` },
    )
  }

  protected makeGeneration(table: SgTable, segments: DmaSegmentTable): MapGeneration {
    const { Generation, trace } = this.components
    const generation = ++this.generations
    const map = new Generation(this, table, segments, {
      generation,
      fencePoint: this.fencePointFor(generation),
    })
    if (trace.mapCreate.enabled) {
      trace.mapCreate.emit(this.dmabuf.inode, map.generation, segments.count, map.granuleShift)
    }
    return map
  }

  /** A context of its own: two generations may have DMA in flight, and a reservation object keeps one fence per context (F9). */
  protected fencePointFor(_generation: number): FencePoint {
    return { context: this.components.allocFenceContext(), seqno: 1 }
  }

  /** Lock held: an exporter that takes it next finds the map, counted, and can kill it (H2). */
  protected publish(map: MapGeneration): void {
    assert(this.published === null, 'a token has one published map at most')
    this.mapped.add(map)
    this.published = map
    this.stats.mapsMade++
    this.stats.mapsLive++
  }

  /**
   * With no lock and no `active` held, so that neither an exporter nor a release has to wait for this (D4). Bounds the number of generations that are
   * mapped at once.
   */
  protected *waitForOlder(map: MapGeneration): Op<void> {
    const { timeoutNs } = this.init
    for (const older of [...this.mapped]) {
      if (older.generation >= map.generation) continue
      const left = yield* older.unmapped.waitInterruptibleTimeout(timeoutNs)
      if (left > 0) continue
      if (left < 0) throw interrupted('the end of an older map')
      throw timedOut(`an older map of dma-buf ${this.dmabuf.inode} did not end`, timeoutNs)
    }
  }

  /** What the exporter calls, with the reservation lock held. */
  protected *invalidate(): Op<void> {
    const lost = this.published !== null
    yield* this.killPublished()
    if (lost) this.stats.mapsLost++
  }

  /** Lock held. Unpublish, then kill: a lookup finds a map that can be used, or none. */
  protected *killPublished(): Op<void> {
    const map = this.published
    if (map === null) return
    this.published = null
    this.undrained.add(map)
    const { mapInvalidate } = this.components.trace
    if (mapInvalidate.enabled) mapInvalidate.emit(this.dmabuf.inode, map.generation)
    const { scheduler } = this.kernel
    if (scheduler.exploring) scheduler.choicePoint('dmabuf map: unpublished, not yet killed')
    const context: InvalidationContext = { undrained: this.undrained, stats: this.stats }
    yield* this.init.policy.invalidate(map, context)
  }

  /** Once, whoever asks first: the device's DMA, its mappings and its attachment end here. */
  protected *endDma(): Op<void> {
    if (this.detaching) {
      yield* this.detached.wait()
      return
    }
    this.detaching = true
    try {
      yield* this.killUnderLock()
      yield* this.waitForMaps()
      this.detach()
    } finally {
      this.detached.completeAll()
    }
  }

  /** With the lock, so that a map that is being made is published before, and killed here, or refused after. */
  protected *killUnderLock(): Op<void> {
    const { resv } = this.dmabuf
    yield* resv.lock(null)
    try {
      yield* this.killPublished()
    } finally {
      resv.unlock()
    }
  }

  /** Until they are unmapped, not only drained: the work that unmaps them uses the token (H9). */
  protected *waitForMaps(): Op<void> {
    for (const map of [...this.mapped]) yield* map.unmapped.wait()
    assert(this.mapped.size === 0, 'a map was published after its token was released')
  }

  protected detach(): void {
    this.dmabuf.detach(this.attachment)
  }

  /** A map made after this would outlive the registration, or name a device that is gone (H14, H15). */
  protected refuseIfClosing(): void {
    if (this.closing) throw refusal(this.dmabuf, 'released')
    if (this.removed) throw refusal(this.dmabuf, 'removed')
  }

  generationKilled(): void {
    this.parent?.childMapLost()
  }

  generationDrained(map: MapGeneration): void {
    this.undrained.delete(map)
    const { mapDrained } = this.components.trace
    if (mapDrained.enabled) mapDrained.emit(this.dmabuf.inode, map.generation)
  }

  generationUnmapped(map: MapGeneration): void {
    this.mapped.delete(map)
    this.stats.mapsLive--
    const { mapUnmap } = this.components.trace
    if (mapUnmap.enabled) mapUnmap.emit(this.dmabuf.inode, map.generation)
  }

  describe(): ListedTokenFields {
    const map = this.published
    return {
      id: this.id,
      parent: this.parent?.id ?? null,
      device: this.components.device.name,
      inode: this.dmabuf.inode,
      sizeBytes: this.sizeBytes,
      direction: dmaDirectionName(this.direction),
      policy: this.init.policyName,
      state: this.state,
      generations: this.generations,
      mapsLive: this.mapped.size,
      map: map === null ? null : describeMap(map),
    }
  }

  protected get state(): TokenState {
    if (this.closing) return 'releasing'
    if (this.published !== null) return 'mapped'
    if (this.undrained.size > 0) return 'draining'
    return this.mapped.size > 0 ? 'unmapping' : 'unmapped'
  }
}

function describeMap(map: MapGeneration): NonNullable<ListedTokenFields['map']> {
  return {
    generation: map.generation,
    refs: map.refs,
    active: map.active,
    segments: map.segmentCount,
    granuleBytes: 2 ** map.granuleShift,
  }
}
