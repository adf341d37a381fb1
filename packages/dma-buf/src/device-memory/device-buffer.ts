// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One buffer of a device's memory. A move, with the reservation lock held:
//
//   1. room in the new place
//   2. tell the importers, and wait for the last DMA, as any exporter that moves
//   3. the new pages are the buffer's; the copy engine fills them, and its fence is KERNEL: whoever maps them waits for it under the lock
//   4. when the copy is over and the last importer has unmapped them, the old pages are free

import { DmaDirection, type SgTable } from '@iolayers/dma-mapping'
import { KernelError, type Op } from '@iolayers/kernel'
import type {
  BufferView,
  DmaBuf,
  DmaBufAttachment,
  DmaBufVma,
  DmaBufVmOps,
} from '../buf/contracts.ts'
import { drainMappings } from '../buf/revocation.ts'
import { MAX_SCHEDULE_TIMEOUT } from '../fence/dma-fence.ts'
import { allocPageBacking } from '../heap/heap-pages.ts'
import { MovableBuffer } from '../heap/movable-buffer.ts'
import { type PageBacking, pagesOf } from '../heap/page-backing.ts'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import type { DeviceBufferHost } from './device-buffer-host.ts'
import type { DeviceBufferInfo, Placement, SystemFallbacks } from './device-memory-contract.ts'

export class DeviceBuffer extends MovableBuffer {
  readonly pages: number
  readonly #host: DeviceBufferHost
  readonly #attachments: Set<DmaBufAttachment>
  #placement: Placement
  #moving: boolean
  #released: boolean
  #mappingsP2p: number
  #mappingsSystem: number

  constructor(host: DeviceBufferHost, backing: PageBacking, placement: Placement) {
    super(host.kernel.scheduler, backing, () => undefined)
    this.pages = pagesOf(backing.blocks)
    this.#host = host
    this.#attachments = new Set()
    this.#placement = placement
    this.#moving = false
    this.#released = false
    this.#mappingsP2p = 0
    this.#mappingsSystem = 0
  }

  get placement(): Placement {
    return this.#placement
  }

  get info(): DeviceBufferInfo {
    return {
      placement: this.#placement,
      segments: this.backing.blocks.length,
      visible: this.#visible,
      pinned: this.pinned,
      moving: this.#moving,
      mappingsP2p: this.#mappingsP2p,
      mappingsSystem: this.#mappingsSystem,
    }
  }

  /** For the device itself, with the lock held and no move under way. */
  bytes(): readonly Uint8Array[] {
    return this.backing.views()
  }

  attach(_dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.#attachments.add(attachment)
  }

  detach(_dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.#attachments.delete(attachment)
  }

  /** A pinned buffer serves every importer, so it stays in the device only when all of them reach it there. @see amdgpu_dma_buf_pin */
  override *pin(attachment: DmaBufAttachment): Op<void> {
    for (const other of this.#attachments) yield* this.#makeReachable(other)
    yield* super.pin(attachment)
  }

  /** @see amdgpu_dma_buf_map */
  override *mapDmaBuf(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    yield* this.#makeReachable(attachment)
    // Mapping for a device that does not snoop writes back what the CPU has of the bytes: it has to be the copy's result.
    if (!attachment.device.coherent) yield* this.#waitMove(attachment.dmabuf)
    const table = yield* super.mapDmaBuf(attachment, direction)
    const p2p = this.#placement === 'vram'
    this.#host.countMapping(p2p, this.backing.sizeBytes)
    if (p2p) this.#mappingsP2p++
    else this.#mappingsSystem++
    return table
  }

  override unmapDmaBuf(
    attachment: DmaBufAttachment,
    table: SgTable,
    direction: DmaDirection,
  ): void {
    const { region } = this.#host.vram
    const p2p = table.frameAt(0) >= region.baseFrame
    super.unmapDmaBuf(attachment, table, direction)
    if (p2p) this.#mappingsP2p--
    else this.#mappingsSystem--
  }

  /** Reads by the CPU go to system memory: across the bus they are slow. @see amdgpu_dma_buf_begin_cpu_access */
  override *beginCpuAccess(dmabuf: DmaBuf, direction: DmaDirection): Op<void> {
    if (direction !== DmaDirection.TO_DEVICE) {
      yield* dmabuf.resv.lock(null)
      try {
        if (!this.pinned) yield* this.moveToSystem(dmabuf)
      } finally {
        dmabuf.resv.unlock()
      }
    }
    yield* super.beginCpuAccess(dmabuf, direction)
  }

  override *vmap(dmabuf: DmaBuf): Op<BufferView> {
    if (!this.#visible) {
      this.#checkUnpinned('the CPU')
      this.#host.countFallback('window')
      yield* this.moveToSystem(dmabuf)
    }
    yield* this.#waitMove(dmabuf)
    return yield* super.vmap(dmabuf)
  }

  /** A fault cannot wait: EAGAIN while a move is being copied, EFAULT outside the window that the CPU sees. */
  override mmap(_dmabuf: DmaBuf, area: DmaBufVma): DmaBufVmOps {
    return {
      fault: () => {
        if (this.#moving) throw new KernelError('EAGAIN', 'the buffer is being moved')
        if (!this.#visible) {
          throw new KernelError('EFAULT', 'the buffer lies outside the window of its device')
        }
        return { segments: this.backing.views(area.offsetBytes, area.lengthBytes) }
      },
    }
  }

  override release(dmabuf: DmaBuf): void {
    this.#host.forget(this)
    // The engine is still at it: the pages are freed when it is done.
    if (this.#moving) this.#released = true
    else super.release(dmabuf)
  }

  /** With the lock held. Throws ENOMEM, ETIME; the buffer is then where it was. */
  *moveToSystem(dmabuf: DmaBuf): Op<void> {
    if (this.#placement === 'system') return
    yield* this.moveInto(dmabuf, allocPageBacking(this.#host.memory, this.pages), 'system')
  }

  /** With the lock held and the buffer unpinned; owns `fresh`, also when it throws. */
  *moveInto(dmabuf: DmaBuf, fresh: PageBacking, placement: Placement): Op<void> {
    try {
      yield* drainMappings(dmabuf, this.#host.timeoutNs)
      dmabuf.resv.reserveFences(1)
    } catch (error) {
      fresh.free()
      throw error
    }
    const old = this.swapTo(fresh)
    this.#placement = placement
    this.#moving = true
    const fence = this.#host.engine.copy(fresh, old, () => this.#copied(old))
    dmabuf.resv.addFence(fence, DmaResvUsage.KERNEL)
    this.#host.countMove(dmabuf, placement)
  }

  get #visible(): boolean {
    return this.#placement === 'system' || this.#host.vram.isVisible(this.backing)
  }

  #copied(old: PageBacking): void {
    this.#moving = false
    this.letGo(old)
    if (this.#released) this.backing.free()
  }

  *#waitMove(dmabuf: DmaBuf): Op<void> {
    yield* dmabuf.resv.waitTimeout(DmaResvUsage.KERNEL, false, MAX_SCHEDULE_TIMEOUT)
  }

  /** Puts the buffer where the importer reaches it. @see amdgpu_dma_buf_attach, amdgpu_dma_buf_map */
  *#makeReachable(attachment: DmaBufAttachment): Op<void> {
    if (this.#placement === 'system') return
    const obstacle = this.#obstacle(attachment)
    if (obstacle === null) return
    this.#checkUnpinned(attachment.device.name)
    if (obstacle === 'window') {
      const { vram } = this.#host
      const inside = vram.alloc(this.pages, vram.windowPages)
      if (inside !== null) {
        yield* this.moveInto(attachment.dmabuf, inside, 'vram')
        return
      }
    }
    this.#host.countFallback(obstacle)
    yield* this.moveToSystem(attachment.dmabuf)
  }

  /** What keeps an importer from the device's memory. */
  #obstacle({ importer, peer2peer, device }: DmaBufAttachment): keyof SystemFallbacks | null {
    if (importer === null) return 'static'
    if (!peer2peer) return 'notAllowed'
    if (!device.peerToPeer) return 'unreachable'
    return this.#visible ? null : 'window'
  }

  #checkUnpinned(who: string): void {
    if (!this.pinned) return
    throw new KernelError('EBUSY', `the buffer is pinned where ${who} does not reach it`)
  }
}
