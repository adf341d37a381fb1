// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import { KernelError, type Op } from '@iolayers/kernel'
import {
  type BufferView,
  type DmaBuf,
  type DmaBufAttachment,
  type DmaBufImporterOps,
  type DmaBufVma,
  type DmaBufVmOps,
  DmaFence,
  type DmaFenceOps,
  type DmaResvUsage,
} from '../src/index.ts'
import { createRig, fenceOps, PinningExporter, type Rig, withLock } from './support.ts'

export interface BufferRig<E> {
  readonly rig: Rig
  readonly ops: E
  readonly dmabuf: DmaBuf
}

export function exportBuffer<E extends PinningExporter>(ops: E, pages = 1): BufferRig<E> {
  const rig = createRig()
  const sizeBytes = pages * PAGE_SIZE
  ops.ranges = [[0x1000, sizeBytes]]
  return { rig, ops, dmabuf: rig.core.export({ ops, sizeBytes, exporterName: 'test' }) }
}

/** Fails or lies in the functions named. */
export class FaultyExporter extends PinningExporter {
  readonly broken: Set<string> = new Set()
  bytes: Uint8Array = new Uint8Array(0)
  table: SgTable | null = null

  override attach(dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.#fail('attach')
    super.attach(dmabuf, attachment)
  }

  override detach(dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    super.detach(dmabuf, attachment)
    this.#fail('detach')
  }

  override *pin(): Op<void> {
    this.#fail('pin')
    yield* super.pin()
  }

  override unpin(): void {
    super.unpin()
    this.#fail('unpin')
  }

  override *mapDmaBuf(...args: Parameters<PinningExporter['mapDmaBuf']>): Op<SgTable> {
    const fresh = yield* super.mapDmaBuf(...args)
    // What the types forbid: the exporter may be written in plain JavaScript.
    if (this.broken.has('no table')) return undefined as unknown as SgTable
    if (!this.broken.has('same table')) this.table = fresh
    return this.table ?? fresh
  }

  override unmapDmaBuf(): void {
    super.unmapDmaBuf()
    this.#fail('unmap')
  }

  override release(dmabuf: DmaBuf): void {
    super.release(dmabuf)
    this.#fail('release')
  }

  *vmap(): Op<BufferView> {
    this.calls.push('vmap')
    this.#fail('vmap')
    return { segments: [this.bytes] }
  }

  vunmap(): void {
    this.calls.push('vunmap')
    this.#fail('vunmap')
  }

  mmap(_dmabuf: DmaBuf, { offsetBytes, lengthBytes, write }: DmaBufVma): DmaBufVmOps {
    this.calls.push(`mmap ${offsetBytes} ${lengthBytes} ${write ? 'w' : 'r'}`)
    this.#fail('mmap')
    return {
      fault: () => {
        this.#fail('fault')
        return { segments: [this.bytes.subarray(offsetBytes, offsetBytes + lengthBytes)] }
      },
      close: () => {
        this.calls.push('close')
        this.#fail('close')
      },
    }
  }

  #fail(where: string): void {
    if (this.broken.has(where)) throw new KernelError('EIO', `the exporter fails in ${where}`)
  }
}

export function importer(
  onInvalidate: (attachment: DmaBufAttachment) => void = () => {},
): DmaBufImporterOps {
  return {
    allowPeer2peer: true,
    *invalidateMappings(attachment): Op<void> {
      onInvalidate(attachment)
    },
  }
}

/** A fence of a context of its own, with one reference. */
export function createFence(rig: Rig, ops: Partial<DmaFenceOps> = {}): DmaFence {
  const fence = new DmaFence(rig.kernel, { ...fenceOps, ...ops })
  fence.init(rig.core.fenceContextAlloc(1), 1)
  return fence
}

export function addFence(rig: Rig, dmabuf: DmaBuf, fence: DmaFence, usage: DmaResvUsage): void {
  rig.run(
    withLock(dmabuf, function* () {
      dmabuf.resv.reserveFences(1)
      dmabuf.resv.addFence(fence, usage)
    }),
  )
}
