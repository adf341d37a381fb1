// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  type DmaBuf,
  type DmaBufAttachment,
  type DmaBufOps,
  DmaBufRevocation,
  drainMappings,
} from '@iolayers/dma-buf'
import { DmaAttrs, type DmaDirection, PAGE_SIZE, SgTable } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import type { World } from './world.ts'

const ORDER = 1
const TIMEOUT_NS = 1e9

/** One buffer of two pages that its exporter can evict and take away for good. The pages go back as soon as nobody has them mapped. */
export class RevocableExporter implements DmaBufOps {
  readonly sizeBytes: number = PAGE_SIZE << ORDER
  readonly revocation: DmaBufRevocation = new DmaBufRevocation()
  readonly dmabuf: DmaBuf
  readonly #world: World
  #frame: number

  constructor(world: World) {
    this.#world = world
    this.#frame = world.memory.allocPages(ORDER)
    const { sizeBytes } = this
    this.dmabuf = world.core.export({ ops: this, sizeBytes, exporterName: 'revocable' })
  }

  attach(_dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.revocation.checkAttach(attachment)
  }

  *mapDmaBuf(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    this.revocation.checkMap(attachment)
    const table = new SgTable(1)
    table.append(this.#frame, 0, this.sizeBytes)
    attachment.device.dma.mapSgtable(table, direction, DmaAttrs.SKIP_CPU_SYNC)
    return table
  }

  unmapDmaBuf(attachment: DmaBufAttachment, table: SgTable, direction: DmaDirection): void {
    attachment.device.dma.unmapSgtable(table, direction, DmaAttrs.SKIP_CPU_SYNC)
  }

  release(): void {
    this.#free()
  }

  /** `drained` runs when the last DMA is over, and nobody can map. */
  *evict(drained: () => void): Op<void> {
    const { resv } = this.dmabuf
    yield* resv.lock(null)
    try {
      yield* drainMappings(this.dmabuf, TIMEOUT_NS)
      drained()
    } finally {
      resv.unlock()
    }
  }

  /** Takes the memory away. */
  *revoke(): Op<void> {
    yield* this.revocation.revoke(this.dmabuf, TIMEOUT_NS)
    this.#free()
  }

  #free(): void {
    if (this.#frame !== -1) this.#world.memory.freePages(this.#frame, ORDER)
    this.#frame = -1
  }
}
