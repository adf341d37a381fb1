// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Device, DmaDirection, SgTable } from '@iolayers/dma-mapping'
import type { DmaBuf, DmaBufAttachment, DmaBufImporterOps } from './contracts.ts'

/** The core's side of an attachment: it also knows which tables are mapped, and how. */
export class Attachment implements DmaBufAttachment {
  readonly dmabuf: DmaBuf
  readonly device: Device
  readonly importer: DmaBufImporterOps | null
  readonly peer2peer: boolean
  readonly tables: Map<SgTable, DmaDirection>
  pins: number
  /** The exporter is being asked for a table. */
  mapping: boolean
  /** What the device had mapped in all when its mappings were last declared void. */
  mapsWhenTold: number

  constructor(dmabuf: DmaBuf, device: Device, importer: DmaBufImporterOps | null) {
    this.dmabuf = dmabuf
    this.device = device
    this.importer = importer
    this.peer2peer = importer?.allowPeer2peer ?? false
    this.tables = new Map()
    this.pins = 0
    this.mapping = false
    this.mapsWhenTold = -1
  }

  get mappings(): number {
    return this.tables.size
  }
}
