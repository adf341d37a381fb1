// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// An exporter as GPU drivers are: it moves a buffer whenever it likes, and its old pages belong to somebody else as soon as the last DMA
// is over. It does not wait for importers to unmap, as the movable heap of @iolayers/dma-buf does out of caution.

import {
  type DmaBuf,
  type DmaBufAttachment,
  type DmaBufCore,
  DmaFence,
  DmaResvUsage,
} from '@iolayers/dma-buf'
import { DmaAttrs, type DmaDirection, SgTable } from '@iolayers/dma-mapping'
import {
  assert,
  DeferredCall,
  type Kernel,
  KernelError,
  type Op,
  WaitQueue,
  yieldNow,
} from '@iolayers/kernel'
import type { PageLedger } from './page-ledger.ts'

const PAGE_SIZE = 4096
const TIMEOUT_NS = 30e9

export interface MigratingExporterInit {
  readonly pages: number
  /** No two of its pages are neighbours, so that a mapping without IOMMU has a segment a page. False by default. */
  readonly scattered?: boolean
  /** The copy is a job of its own that the buffer's KERNEL fence waits for; else the move returns when it is done. False by default. */
  readonly asyncCopy?: boolean
  /** How long a move waits for the DMA of importers before it gives up with ETIME; 30 s by default. */
  readonly timeoutNs?: number
  /** Mapping lets others run, as one that has to bring pages in. False by default. */
  readonly slowMap?: boolean
  /** No device is taken: EOPNOTSUPP. False by default. */
  readonly refusesDevices?: boolean
}

/** One buffer, and the moves of its pages. */
export class MigratingExporter {
  readonly dmabuf: DmaBuf
  readonly #kernel: Kernel
  readonly #ledger: PageLedger
  readonly #init: MigratingExporterInit
  readonly #fenceContext: number
  #frames: number[]
  #seqno = 0
  moves = 0
  /** Times that a device mapped it. */
  maps = 0
  /** Woken at each. */
  readonly mapped: WaitQueue

  constructor(
    components: {
      readonly kernel: Kernel
      readonly core: DmaBufCore
      readonly ledger: PageLedger
    },
    init: MigratingExporterInit,
  ) {
    const { kernel, core, ledger } = components
    this.#kernel = kernel
    this.#ledger = ledger
    this.#init = init
    this.mapped = new WaitQueue(kernel.scheduler, 'a mapping of the buffer')
    this.#fenceContext = core.fenceContextAlloc(1)
    this.#frames = this.takePages()
    this.dmabuf = core.export({
      ops: {
        attach: () => {
          if (init.refusesDevices !== true) return
          throw new KernelError('EOPNOTSUPP', 'the exporter takes no devices')
        },
        mapDmaBuf: (attachment, direction) => this.map(attachment, direction),
        unmapDmaBuf: unmap,
        release: () => {},
      },
      sizeBytes: init.pages * PAGE_SIZE,
      exporterName: 'migrating',
    })
  }

  /**
   * Moves the buffer: new pages, importers told, the last DMA waited for, the old pages given away. Throws ETIME when DMA goes on for too long: the
   * buffer has not moved then.
   */
  *move(): Op<void> {
    const { resv } = this.dmabuf
    yield* resv.lock(null)
    try {
      yield* this.drain()
      yield* this.replacePages()
    } finally {
      resv.unlock()
    }
  }

  /** With the reservation lock held: importers are told, and the last DMA is over when it returns. */
  *drain(): Op<void> {
    yield* this.dmabuf.invalidateMappings()
    const { resv } = this.dmabuf
    const timeoutNs = this.#init.timeoutNs ?? TIMEOUT_NS
    if ((yield* resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, timeoutNs)) > 0) return
    throw new KernelError('ETIME', `DMA on dma-buf ${this.dmabuf.inode} did not end`)
  }

  /** With the reservation lock held, and no DMA. */
  *replacePages(): Op<void> {
    const old = this.#frames
    const fresh = this.takePages()
    this.moves++
    if (this.#init.asyncCopy !== true) {
      this.#copy(old, fresh)
      this.#frames = fresh
      return
    }
    const { resv } = this.dmabuf
    const fence = new DmaFence(this.#kernel, copyFenceOps)
    resv.reserveFences(1)
    fence.init(this.#fenceContext, ++this.#seqno)
    resv.addFence(fence, DmaResvUsage.KERNEL)
    this.#frames = fresh
    const job = new DeferredCall('gpu copy', () => {
      this.#copy(old, fresh)
      fence.signal()
      fence.put()
    })
    this.#kernel.scheduler.queue(job)
  }

  /** What the CPU sees, once nothing is being moved or written. */
  *read(offsetBytes: number, lengthBytes: number): Op<Uint8Array> {
    yield* this.dmabuf.resv.waitTimeout(DmaResvUsage.WRITE, false, TIMEOUT_NS)
    const out = new Uint8Array(lengthBytes)
    for (let done = 0; done < lengthBytes; ) {
      const at = offsetBytes + done
      const inPage = at % PAGE_SIZE
      const part = Math.min(PAGE_SIZE - inPage, lengthBytes - done)
      out.set(this.page(Math.floor(at / PAGE_SIZE)).subarray(inPage, inPage + part), done)
      done += part
    }
    return out
  }

  /** Before anything runs. `pattern`: at least as long as the buffer. */
  fill(pattern: Uint8Array): void {
    this.#frames.forEach((frame, index) => {
      const start = index * PAGE_SIZE
      this.#ledger.bytesOf(frame).set(pattern.subarray(start, start + PAGE_SIZE))
    })
  }

  protected *map(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    if (this.#init.slowMap === true) yield* yieldNow(this.#kernel.scheduler)
    const table = new SgTable(this.#frames.length)
    for (const frame of this.framesFor(attachment)) table.append(frame, 0, PAGE_SIZE)
    attachment.device.dma.mapSgtable(table, direction, DmaAttrs.SKIP_CPU_SYNC)
    this.maps++
    this.mapped.wakeUpAll()
    return table
  }

  /** The pages that a device is given: those of the buffer. */
  protected framesFor(_attachment: DmaBufAttachment): readonly number[] {
    return this.#frames
  }

  protected takePages(): number[] {
    const frames: number[] = []
    for (let i = 0; i < this.#init.pages; i++) {
      frames.push(this.#ledger.take(this.#init.scattered === true))
    }
    return frames
  }

  #copy(from: readonly number[], to: readonly number[]): void {
    from.forEach((frame, index) => {
      const target = to[index]
      assert(target !== undefined, 'a move to fewer pages')
      this.#ledger.bytesOf(target).set(this.#ledger.bytesOf(frame))
    })
    for (const frame of from) this.#ledger.giveBack(frame)
  }

  /** A page of the buffer, for the CPU and for the GPU that it belongs to. */
  page(index: number): Uint8Array {
    const frame = this.#frames[index]
    assert(frame !== undefined, 'a page outside the buffer')
    return this.#ledger.bytesOf(frame)
  }
}

const copyFenceOps = {
  getDriverName: (): string => 'gpu',
  getTimelineName: (): string => 'gpu copy',
  reserveBeforeInit: true,
}

function unmap(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void {
  attachment.device.dma.unmapSgtable(table, direction, DmaAttrs.SKIP_CPU_SYNC)
}
