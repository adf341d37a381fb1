// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  BlkStatus,
  blkRqActivateDmabuf,
  blkRqDeactivateDmabuf,
  opIsWrite,
  type Request,
} from '@iolayers/block-core'
import { type Device, DmaDirection, type DmaSegmentTable } from '@iolayers/dma-mapping'
import { assert, assertOnce } from '@iolayers/kernel'
import { SglType } from '../../spec/index.ts'
import type { HostCounters } from '../stats.ts'
import { AllocResult, IodPayload, iodFreeDescriptors, type NvmeIod } from './iod.ts'
import { type SglList, setCommandSgl } from './sgl-list.ts'

/**
 * The data of dmabuf requests: nothing is mapped here and nothing unmapped, the segments are the token's.
 *
 * Every segment that a request touches is synchronised for the device before the doorbell and for the CPU after the
 * completion, whatever the direction, and only in the request's own bytes: a neighbour's DMA may be going on in the same segment, in the
 * same page even.
 */
export class DmabufData {
  protected readonly device: Device
  protected readonly sgl: SglList
  protected readonly counters: HostCounters

  constructor(device: Device, sgl: SglList, counters: HostCounters) {
    this.device = device
    this.sgl = sgl
    this.counters = counters
  }

  /**
   * Makes the SGL. OK: the request holds `active` of its map until `end`. STALE: the generation is dead. RESOURCE: no
   * descriptors now. IOERR: more segments than a command can have. In all of these nothing is held.
   */
  prepare(rq: Request<NvmeIod>): BlkStatus {
    const status = this.activate(rq)
    if (status !== BlkStatus.OK) {
      this.counters.staleRefusals++
      return status
    }
    const table = rq.dmaSegments
    assert(table !== null, 'nvme: an active request without segments')
    const result = this.describe(rq, table)
    if (result !== AllocResult.OK) return this.rollBack(rq, result)
    rq.pdu.payload = IodPayload.DMABUF
    this.counters.dmabufRequests++
    this.sync(rq, table, true)
    return BlkStatus.OK
  }

  /** After the command's own completion, or when the controller is proven unable to do DMA. */
  end(rq: Request<NvmeIod>): void {
    const table = rq.dmaSegments
    assertOnce(table !== null, 'nvme: a dmabuf request ended that is not active')
    this.sync(rq, table, false)
    iodFreeDescriptors(rq.pdu)
    rq.pdu.payload = IodPayload.NONE
    this.deactivate(rq)
  }

  /** Takes `active`, before the first look at the device addresses (H6). STALE: the generation is dead. */
  protected activate(rq: Request<NvmeIod>): BlkStatus {
    return blkRqActivateDmabuf(rq)
  }

  /** Drops `active`, once for each `activate` that succeeded (H1, R4). */
  protected deactivate(rq: Request<NvmeIod>): void {
    blkRqDeactivateDmabuf(rq)
  }

  /** Makes the descriptors of an active request. Anything but OK: none were taken. */
  protected describe(rq: Request<NvmeIod>, table: DmaSegmentTable): AllocResult {
    const { dmabufOffsetBytes, dataBytes } = rq
    assert(
      dmabufOffsetBytes + dataBytes <= table.totalBytes,
      'nvme: a request past the end of its buffer',
    )
    const first = table.find(dmabufOffsetBytes)
    const skip = dmabufOffsetBytes - table.startAt(first)
    if (skip + dataBytes > table.lengthAt(first)) {
      return this.list(rq.pdu, table, first, skip, dataBytes)
    }
    setCommandSgl(rq.pdu, table.addressAt(first) + skip, dataBytes, SglType.DATA_BLOCK)
    this.counters.sglDescriptors++
    return AllocResult.OK
  }

  /** The preparation failed: what was taken goes back, so that the next try takes it anew (R4). Returns what `queueRq` says (R3, R5). */
  protected rollBack(rq: Request<NvmeIod>, result: AllocResult): BlkStatus {
    this.deactivate(rq)
    if (result === AllocResult.TOO_MANY) return BlkStatus.IOERR
    this.counters.resourceRefusals++
    return BlkStatus.RESOURCE
  }

  /** Describes more than one segment; takes what descriptors that needs. */
  protected list(
    iod: NvmeIod,
    table: DmaSegmentTable,
    first: number,
    skip: number,
    size: number,
  ): AllocResult {
    const last = table.find(table.startAt(first) + skip + size - 1)
    const entries = last - first + 1
    const result = this.sgl.begin(iod, entries)
    if (result !== AllocResult.OK) return result
    let left = size
    for (let i = first; i <= last; i++) {
      const from = i === first ? skip : 0
      const length = Math.min(table.lengthAt(i) - from, left)
      this.sgl.add(table.addressAt(i) + from, length)
      left -= length
    }
    this.counters.sglDescriptors += entries
    this.counters.descriptorBlocks += iod.nrDescriptors
    return result
  }

  /** Only the bytes of the request, whatever the direction (S5, S6). */
  protected sync(rq: Request<NvmeIod>, table: DmaSegmentTable, forDevice: boolean): void {
    const dma = this.device.dma
    const direction = opIsWrite(rq.cmdFlags) ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE
    let i = table.find(rq.dmabufOffsetBytes)
    let from = rq.dmabufOffsetBytes - table.startAt(i)
    let left = rq.dataBytes
    while (left > 0) {
      const length = Math.min(table.lengthAt(i) - from, left)
      const addr = table.addressAt(i) + from
      if (forDevice) {
        dma.syncSingleForDevice(addr, length, direction)
        this.counters.syncsForDevice++
      } else {
        dma.syncSingleForCpu(addr, length, direction)
        this.counters.syncsForCpu++
      }
      left -= length
      from = 0
      i++
    }
  }
}
