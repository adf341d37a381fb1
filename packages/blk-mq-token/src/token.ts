// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The token: one registration of one buffer with one block device. It finds the current map, makes one when there is none, and
// takes part in the exporter's invalidations. It knows nothing of requests.

import type { DmabufIoMap, DmabufToken, DmabufTokenParent } from '@iolayers/block-core'
import { type DmaBuf, type DmaBufAttachment, DmaResvUsage } from '@iolayers/dma-buf'
import {
  buildDmaSegmentTable,
  type Device,
  type DmaDirection,
  dmaDirectionName,
  type SgTable,
} from '@iolayers/dma-mapping'
import {
  assert,
  Completion,
  type Kernel,
  KernelError,
  type Op,
  type Tracepoint,
} from '@iolayers/kernel'
import type { InvalidationPolicy, InvalidationPolicyName } from './invalidation.ts'
import { type GenerationOwner, MapGeneration } from './map-generation.ts'
import type { DmabufTokenStats } from './stats.ts'
import type { TokenList } from './token-list.ts'
import type { ListableToken, ListedTokenFields, TokenState } from './token-source.ts'

export interface TokenTracepoints {
  readonly mapCreate: Tracepoint
  readonly mapInvalidate: Tracepoint
  readonly mapDrained: Tracepoint
  readonly mapUnmap: Tracepoint
}

export interface TokenComponents {
  readonly kernel: Kernel
  readonly device: Device
  readonly dmabuf: DmaBuf
  readonly stats: DmabufTokenStats
  readonly trace: TokenTracepoints
  readonly allocFenceContext: () => number
  /** Where it is to be found until it is released. */
  readonly list: TokenList<ListableToken>
}

export interface TokenInit {
  readonly direction: DmaDirection
  readonly policy: InvalidationPolicy
  readonly policyName: InvalidationPolicyName
  readonly timeoutNs: number
}

export class Token implements DmabufToken, GenerationOwner, ListableToken {
  readonly kernel: Kernel
  readonly dmabuf: DmaBuf
  readonly attachment: DmaBufAttachment
  readonly direction: DmaDirection
  readonly stats: DmabufTokenStats
  readonly id: number
  readonly #components: TokenComponents
  readonly #policy: InvalidationPolicy
  readonly #policyName: InvalidationPolicyName
  readonly #timeoutNs: number
  readonly #released: Completion
  /** Killed generations that may still have DMA in flight. */
  readonly #undrained: Set<MapGeneration>
  /** Generations that are still mapped, oldest first. */
  readonly #mapped: Set<MapGeneration>
  #published: MapGeneration | null
  #generations: number
  #parent: DmabufTokenParent | null
  #closing: boolean

  constructor(components: TokenComponents, init: TokenInit) {
    this.kernel = components.kernel
    this.dmabuf = components.dmabuf
    this.direction = init.direction
    this.stats = components.stats
    this.id = components.list.nextId()
    this.#components = components
    this.#policy = init.policy
    this.#policyName = init.policyName
    this.#timeoutNs = init.timeoutNs
    this.#released = new Completion(this.kernel.scheduler, 'dmabuf token release')
    this.#undrained = new Set()
    this.#mapped = new Set()
    this.#published = null
    this.#generations = 0
    this.#parent = null
    this.#closing = false
    this.attachment = components.dmabuf.dynamicAttach(components.device, {
      allowPeer2peer: true,
      // Drivers sync the bytes of every request themselves, before and after it.
      skipCpuSync: true,
      invalidateMappings: () => this.#invalidate(),
    })
    this.dmabuf.get()
    this.stats.tokens++
    this.stats.tokensLive++
    components.list.add(this)
  }

  setParent(parent: DmabufTokenParent): void {
    assert(this.#parent === null, 'a token is part of one other at most')
    this.#parent = parent
  }

  describe(): ListedTokenFields {
    const map = this.#published
    return {
      id: this.id,
      parent: this.#parent?.id ?? null,
      device: this.#components.device.name,
      inode: this.dmabuf.inode,
      sizeBytes: this.sizeBytes,
      direction: dmaDirectionName(this.direction),
      policy: this.#policyName,
      state: this.#state,
      generations: this.#generations,
      mapsLive: this.#mapped.size,
      map:
        map === null
          ? null
          : {
              generation: map.generation,
              refs: map.refs,
              active: map.active,
              segments: map.segmentCount,
              granuleBytes: 2 ** map.granuleShift,
            },
    }
  }

  get #state(): TokenState {
    if (this.#closing) return 'releasing'
    if (this.#published !== null) return 'mapped'
    if (this.#undrained.size > 0) return 'draining'
    return this.#mapped.size > 0 ? 'unmapping' : 'unmapped'
  }

  get sizeBytes(): number {
    return this.dmabuf.sizeBytes
  }

  tryGetMap(): DmabufIoMap | null {
    const { rcu, scheduler } = this.kernel
    rcu.readLock()
    try {
      const map = this.#published
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
    const map = yield* this.#makeMap()
    yield* this.#waitForOlder(map)
    return map
  }

  *#makeMap(): Op<MapGeneration> {
    const { resv } = this.dmabuf
    if ((yield* resv.lockInterruptible(null)) !== 0) throw interrupted('the reservation lock')
    try {
      this.#refuseIfClosing()
      const raced = this.#published
      if (raced?.tryGet()) return raced
      yield* this.#waitForExporter()
      this.#refuseIfClosing()
      const map = yield* this.#mapBuffer()
      // Counted and published before the lock is let go: an exporter that takes it next finds the map and can kill it.
      map.get()
      this.#mapped.add(map)
      this.#published = map
      this.stats.mapsMade++
      this.stats.mapsLive++
      return map
    } finally {
      resv.unlock()
    }
  }

  /** The exporter's own moves carry KERNEL fences; mapping before they are done would name pages that are still being filled. */
  *#waitForExporter(): Op<void> {
    const left = yield* this.dmabuf.resv.waitTimeout(DmaResvUsage.KERNEL, true, this.#timeoutNs)
    if (left > 0) return
    if (left < 0) throw interrupted("the exporter's fences")
    throw new KernelError(
      'ETIME',
      `the exporter of dma-buf ${this.dmabuf.inode} did not finish within ${this.#timeoutNs} ns`,
      { value: this.#timeoutNs },
    )
  }

  *#mapBuffer(): Op<MapGeneration> {
    const { device, allocFenceContext, trace } = this.#components
    const table = yield* this.dmabuf.mapAttachment(this.attachment, this.direction)
    try {
      const segments = this.#segmentsOf(table, device)
      const map = new MapGeneration(this, table, segments, {
        generation: ++this.#generations,
        fenceContext: allocFenceContext(),
      })
      if (trace.mapCreate.enabled) {
        trace.mapCreate.emit(this.dmabuf.inode, map.generation, segments.count, map.granuleShift)
      }
      return map
    } catch (error) {
      this.dmabuf.unmapAttachment(this.attachment, table, this.direction)
      throw error
    }
  }

  #segmentsOf(table: SgTable, device: Device): ReturnType<typeof buildDmaSegmentTable> {
    const segments = buildDmaSegmentTable(table, device.maxSegmentSizeBytes)
    if (segments.totalBytes === this.dmabuf.sizeBytes) return segments
    throw new KernelError(
      'EINVAL',
      `the exporter mapped ${segments.totalBytes} bytes of a dma-buf of ${this.dmabuf.sizeBytes}`,
      { value: segments.totalBytes, accepted: `exactly ${this.dmabuf.sizeBytes}` },
    )
  }

  /** With no lock and no `active` held. Bounds the number of generations that are mapped at once. */
  *#waitForOlder(map: MapGeneration): Op<void> {
    for (const older of [...this.#mapped]) {
      if (older.generation < map.generation) yield* older.unmapped.wait()
    }
  }

  /** The exporter holds the reservation lock. */
  *#invalidate(): Op<void> {
    const lost = this.#published !== null
    yield* this.#killPublished()
    if (lost) this.stats.mapsLost++
  }

  *#killPublished(): Op<void> {
    const map = this.#published
    const context = { undrained: this.#undrained, stats: this.stats }
    if (map === null) {
      // A release may have killed the last map under `drain`, with DMA still in flight and no fence to say so.
      for (const generation of [...this.#undrained]) {
        if (!generation.hasFence) yield* generation.drained.wait()
      }
      return
    }
    this.#published = null
    this.#undrained.add(map)
    const { mapInvalidate } = this.#components.trace
    if (mapInvalidate.enabled) mapInvalidate.emit(this.dmabuf.inode, map.generation)
    yield* this.#policy(map, context)
  }

  *release(): Op<void> {
    if (this.#closing) {
      yield* this.#released.wait()
      return
    }
    this.#closing = true
    const { resv } = this.dmabuf
    yield* resv.lock(null)
    try {
      yield* this.#killPublished()
    } finally {
      resv.unlock()
    }
    for (const map of [...this.#mapped]) yield* map.unmapped.wait()
    assert(this.#mapped.size === 0, 'a map was published after its token was released')
    this.dmabuf.detach(this.attachment)
    this.dmabuf.put()
    this.stats.tokensLive--
    this.#components.list.remove(this)
    this.#released.completeAll()
  }

  #refuseIfClosing(): void {
    if (!this.#closing) return
    throw new KernelError('ENOENT', `the registration of dma-buf ${this.dmabuf.inode} was released`)
  }

  generationKilled(): void {
    this.#parent?.childMapLost()
  }

  generationDrained(map: MapGeneration): void {
    this.#undrained.delete(map)
    const { mapDrained } = this.#components.trace
    if (mapDrained.enabled) mapDrained.emit(this.dmabuf.inode, map.generation)
  }

  generationUnmapped(map: MapGeneration): void {
    this.#mapped.delete(map)
    this.stats.mapsLive--
    const { mapUnmap } = this.#components.trace
    if (mapUnmap.enabled) mapUnmap.emit(this.dmabuf.inode, map.generation)
  }
}

function interrupted(what: string): KernelError {
  return new KernelError('ERESTARTSYS', `interrupted by a signal while waiting for ${what}`)
}
