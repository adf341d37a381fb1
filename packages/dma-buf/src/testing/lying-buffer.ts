// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Device, DmaDirection, type PhysicalMemory, type SgTable } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { BufferView, DmaBuf, DmaBufAttachment } from '../buf/contracts.ts'
import type { CopyEngine } from '../device-memory/copy-engine.ts'
import { DmaFence } from '../fence/dma-fence.ts'
import { allocPageBacking } from '../heap/heap-pages.ts'
import { MovableBuffer } from '../heap/movable-buffer.ts'
import { type PageBacking, pagesOf } from '../heap/page-backing.ts'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import { Lie } from './lies.ts'
import { forgedTable } from './lying-tables.ts'

/** What a lying buffer needs besides its pages. */
export interface LyingHost {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly engine: CopyEngine
  readonly lie: Lie
  /** For which tables are mapped in place of the importer's device. */
  readonly otherDevice: Device | null
}

interface GivenTable {
  readonly honest: SgTable
  readonly device: Device
  readonly direction: DmaDirection
  /** The pages that it leads to; null when they are the exporter's own affair. */
  readonly scratch: PageBacking | null
}

/** An exporter that moves its buffer, honest but for one lie. */
export class LyingBuffer extends MovableBuffer {
  told: number
  readonly #host: LyingHost
  readonly #given: Map<SgTable, GivenTable>
  readonly #late: GivenTable[]
  #neverSignaled: DmaFence | null
  #first: SgTable | null
  #freed: boolean

  constructor(host: LyingHost, backing: PageBacking) {
    super(host.kernel.scheduler, backing, () => undefined)
    this.told = 0
    this.#host = host
    this.#given = new Map()
    this.#late = []
    this.#neverSignaled = null
    this.#first = null
    this.#freed = false
  }

  attach(): void {
    this.#throwIf(Lie.THROW_IN_ATTACH)
  }

  detach(): void {
    this.#throwIf(Lie.THROW_IN_DETACH)
  }

  override *pin(attachment: DmaBufAttachment): Op<void> {
    this.#throwIf(Lie.THROW_IN_PIN)
    yield* super.pin(attachment)
  }

  override unpin(attachment: DmaBufAttachment): void {
    super.unpin(attachment)
    this.#throwIf(Lie.THROW_IN_UNPIN)
  }

  override *mapDmaBuf(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    this.#throwIf(Lie.THROW_IN_MAP)
    if (this.#tells(Lie.SWALLOW_PEER_WRITES)) return this.#mapScratch(attachment, direction)
    if (this.#tells(Lie.FOREIGN_TABLE)) return this.#mapForeign(attachment, direction)
    if (this.#first !== null && this.#tells(Lie.SAME_TABLE_TWICE)) return this.#first
    const wrong = this.#tells(Lie.WRONG_DIRECTION)
    const mapped = wrong ? otherThan(direction) : direction
    const honest = yield* super.mapDmaBuf(attachment, mapped)
    const table = this.#give(honest, attachment, mapped)
    if (this.#host.lie === Lie.INVALIDATE_DURING_MAP) yield* this.#moveAfterMap(attachment.dmabuf)
    if (this.#tells(Lie.DROP_LOCK)) attachment.dmabuf.resv.unlock()
    return table
  }

  override unmapDmaBuf(
    attachment: DmaBufAttachment,
    table: SgTable,
    _direction: DmaDirection,
  ): void {
    const given = this.#given.get(table)
    if (given === undefined) return
    this.#given.delete(table)
    if (this.#first === table) this.#first = null
    if (this.#tells(Lie.LATE_UNMAP)) this.#late.push(given)
    else this.#unmap(attachment, given)
    this.#throwIf(Lie.THROW_IN_UNMAP)
  }

  override *beginCpuAccess(dmabuf: DmaBuf, direction: DmaDirection): Op<void> {
    yield* super.beginCpuAccess(dmabuf, direction)
    if (this.#tells(Lie.LEAVE_LOCKED)) yield* dmabuf.resv.lock(null)
  }

  override *vmap(dmabuf: DmaBuf): Op<BufferView> {
    const view = yield* super.vmap(dmabuf)
    return this.#tells(Lie.SHORT_VIEW) ? { segments: view.segments.slice(1) } : view
  }

  override release(dmabuf: DmaBuf): void {
    if (!this.#freed) {
      // Whoever unmaps late has not counted its mappings back either.
      if (this.#late.length > 0) this.backing.mappings = 0
      super.release(dmabuf)
    }
    this.#throwIf(Lie.THROW_IN_RELEASE)
  }

  /** The lies that no importer asks for. */
  *act(dmabuf: DmaBuf): Op<void> {
    const { lie } = this.#host
    if (lie === Lie.MOVE_WITHOUT_NOTICE) this.#moveWithoutNotice()
    if (lie === Lie.FREE_WHILE_MAPPED) this.#freeWhileMapped()
    if (this.#tells(Lie.INVALIDATE_UNLOCKED)) yield* dmabuf.invalidateMappings()
    if (lie === Lie.FORGET_KERNEL_FENCE || lie === Lie.NEVER_SIGNAL) {
      yield* dmabuf.resv.lock(null)
      try {
        if (lie === Lie.NEVER_SIGNAL) this.#addDeadFence(dmabuf)
        else yield* this.#moveUnfenced(dmabuf)
      } finally {
        dmabuf.resv.unlock()
      }
    }
  }

  cleanUp(): void {
    for (const { honest, device, direction } of this.#late) {
      device.dma.unmapSgtable(honest, direction)
    }
    this.#late.length = 0
    this.#neverSignaled?.signal()
    this.#neverSignaled?.put()
    this.#neverSignaled = null
  }

  /** Whether this is the lie; counts it then. */
  #tells(lie: Lie): boolean {
    if (this.#host.lie !== lie) return false
    this.told++
    return true
  }

  #throwIf(lie: Lie): void {
    if (this.#tells(lie)) throw new KernelError('EIO', `a misbehaving exporter: ${lie}`)
  }

  #give(honest: SgTable, attachment: DmaBufAttachment, direction: DmaDirection): SgTable {
    const { lie } = this.#host
    const forged = forgedTable(honest, lie)
    if (forged !== null) this.told++
    const table = forged ?? honest
    this.#given.set(table, { honest, device: attachment.device, direction, scratch: null })
    this.#first = table
    return table
  }

  #mapScratch(attachment: DmaBufAttachment, direction: DmaDirection): SgTable {
    const scratch = this.#fresh()
    scratch.copyFrom(this.backing)
    return this.#mapAs(attachment.device, direction, scratch.table(), scratch)
  }

  #mapForeign(attachment: DmaBufAttachment, direction: DmaDirection): SgTable {
    const device = this.#host.otherDevice ?? attachment.device
    return this.#mapAs(device, direction, this.backing.table(), null)
  }

  #mapAs(
    device: Device,
    direction: DmaDirection,
    table: SgTable,
    scratch: PageBacking | null,
  ): SgTable {
    device.dma.mapSgtable(table, direction)
    this.#given.set(table, { honest: table, device, direction, scratch })
    return table
  }

  #unmap(attachment: DmaBufAttachment, { honest, device, direction, scratch }: GivenTable): void {
    if (scratch === null && this.#host.lie !== Lie.FOREIGN_TABLE) {
      super.unmapDmaBuf(attachment, honest, direction)
      return
    }
    device.dma.unmapSgtable(honest, direction)
    scratch?.free()
  }

  #fresh(): PageBacking {
    return allocPageBacking(this.#host.memory, pagesOf(this.backing.blocks))
  }

  #moveWithoutNotice(): void {
    this.told++
    const fresh = this.#fresh()
    const old = this.swapTo(fresh)
    fresh.copyFrom(old)
    old.mappings = 0
    old.free()
  }

  #freeWhileMapped(): void {
    this.told++
    this.backing.mappings = 0
    this.#freed = true
    this.backing.free()
  }

  *#moveAfterMap(dmabuf: DmaBuf): Op<void> {
    this.told++
    yield* dmabuf.invalidateMappings()
    this.moveTo(this.#fresh())
  }

  *#moveUnfenced(dmabuf: DmaBuf): Op<void> {
    this.told++
    yield* dmabuf.invalidateMappings()
    const fresh = this.#fresh()
    const old = this.swapTo(fresh)
    this.#host.engine.copy(fresh, old, () => this.letGo(old))
  }

  #addDeadFence(dmabuf: DmaBuf): void {
    this.told++
    const ops = { getDriverName: () => 'misbehaving', getTimelineName: () => 'dead' }
    const fence = new DmaFence(this.#host.kernel, ops)
    fence.init(this.#host.engine.context, Number.MAX_SAFE_INTEGER)
    dmabuf.resv.reserveFences(1)
    dmabuf.resv.addFence(fence, DmaResvUsage.KERNEL)
    this.#neverSignaled = fence
  }
}

function otherThan(direction: DmaDirection): DmaDirection {
  const { TO_DEVICE, FROM_DEVICE } = DmaDirection
  return direction === TO_DEVICE ? FROM_DEVICE : TO_DEVICE
}
