// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Bio, BlkStatus, opIsWrite, type Request } from '@iolayers/block-core'
import { type Device, DmaDirection, PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'
import { SglType } from '../../spec/index.ts'
import type { HostCounters } from '../stats.ts'
import { AllocResult, IodPayload, iodFreeDescriptors, type NvmeIod } from './iod.ts'
import { type PrpList, prpEntries, prpHasGaps } from './prp-list.ts'
import { type SglList, setCommandSgl } from './sgl-list.ts'

/** How the data of ordinary requests is described. */
export interface DataPolicy {
  readonly sglSupported: boolean
  /** Average bytes of a segment from which on an SGL is taken rather than PRP entries; 0: never. */
  readonly sglThresholdBytes: number
  /** No PRP entries at all. */
  readonly sglOnly: boolean
  /** Segments are cut as the queue limits say. */
  readonly maxSegmentSizeBytes: number
  readonly segBoundaryMask: number
}

/**
 * The data of ordinary requests: each segment is mapped for the one I/O and unmapped at its end, which also does what syncing there
 * is to do.
 * @see drivers/nvme/host/pci.c nvme_map_data, nvme_unmap_data
 */
export class MappedData {
  readonly #device: Device
  readonly #sgl: SglList
  readonly #prp: PrpList
  readonly #policy: DataPolicy
  readonly #counters: HostCounters

  constructor(
    device: Device,
    lists: { readonly sgl: SglList; readonly prp: PrpList },
    policy: DataPolicy,
    counters: HostCounters,
  ) {
    this.#device = device
    this.#sgl = lists.sgl
    this.#prp = lists.prp
    this.#policy = policy
    this.#counters = counters
  }

  /** Maps, and makes the SGL or the PRP entries. Anything but OK: nothing is held. */
  prepare(rq: Request<NvmeIod>): BlkStatus {
    const iod = rq.pdu
    const direction = dmaDirectionOf(rq)
    let status = this.#mapBios(rq, direction)
    if (status === BlkStatus.OK) status = this.#describe(iod, rq.dataBytes)
    if (status !== BlkStatus.OK) {
      this.#unmap(iod, direction)
      if (status === BlkStatus.RESOURCE) this.#counters.resourceRefusals++
      return status
    }
    iod.payload = IodPayload.MAPPED
    this.#counters.mappedRequests++
    this.#counters.mappings += iod.nrMapped
    this.#counters.descriptorBlocks += iod.nrDescriptors
    return BlkStatus.OK
  }

  /** After the command's own completion. */
  end(rq: Request<NvmeIod>): void {
    this.#unmap(rq.pdu, dmaDirectionOf(rq))
    iodFreeDescriptors(rq.pdu)
    rq.pdu.payload = IodPayload.NONE
  }

  #mapBios(rq: Request<NvmeIod>, direction: DmaDirection): BlkStatus {
    assert(rq.pdu.nrMapped === 0, 'nvme: a request that is mapped already')
    for (let bio = rq.bio; bio !== null; bio = bio.biNext) {
      const status = this.#mapBio(rq.pdu, bio, direction)
      if (status !== BlkStatus.OK) return status
    }
    return BlkStatus.OK
  }

  #mapBio(iod: NvmeIod, bio: Bio, direction: DmaDirection): BlkStatus {
    let left = bio.biIter.biSize
    let done = bio.biIter.biBvecDone
    for (let idx = bio.biIter.biIdx; left > 0; idx++) {
      const vec = bio.biIoVec[idx]
      assert(vec !== undefined, 'nvme: a bio with more bytes than its vector')
      const length = Math.min(vec.lengthBytes - done, left)
      const addr = vec.frame * PAGE_SIZE + vec.offsetBytes + done
      const status = this.#mapRun(iod, addr, length, direction)
      if (status !== BlkStatus.OK) return status
      left -= length
      done = 0
    }
    return BlkStatus.OK
  }

  /** One physically contiguous run, cut into segments. */
  #mapRun(iod: NvmeIod, addr: number, length: number, direction: DmaDirection): BlkStatus {
    const boundary = this.#policy.segBoundaryMask + 1
    const end = addr + length
    let at = addr
    while (at < end) {
      const room = Math.min(this.#policy.maxSegmentSizeBytes, boundary - (at % boundary))
      const bytes = Math.min(end - at, room)
      if (iod.nrMapped === iod.mappedAddrs.length) return BlkStatus.IOERR
      const dmaAddr = this.#device.dma.mapSingle(at, bytes, direction)
      if (dmaAddr < 0) return BlkStatus.RESOURCE
      iod.mappedAddrs[iod.nrMapped] = dmaAddr
      iod.mappedLengths[iod.nrMapped] = bytes
      iod.nrMapped++
      at += bytes
    }
    return BlkStatus.OK
  }

  #describe(iod: NvmeIod, size: number): BlkStatus {
    const useSgl = this.#useSgl(iod, size)
    if (useSgl === null) return BlkStatus.IOERR
    const result = useSgl ? this.#makeSgl(iod) : this.#makePrp(iod)
    if (result === AllocResult.OK) return BlkStatus.OK
    return result === AllocResult.EMPTY ? BlkStatus.RESOURCE : BlkStatus.IOERR
  }

  /** Null: neither can describe it. @see drivers/nvme/host/pci.c nvme_pci_use_sgls, nvme_pci_avg_seg_size */
  #useSgl(iod: NvmeIod, size: number): boolean | null {
    if (this.#policy.sglOnly) return true
    if (prpHasGaps(iod)) return this.#policy.sglSupported ? true : null
    if (!this.#policy.sglSupported || this.#policy.sglThresholdBytes === 0) return false
    return Math.ceil(size / iod.nrMapped) >= this.#policy.sglThresholdBytes
  }

  #makeSgl(iod: NvmeIod): AllocResult {
    const entries = iod.nrMapped
    if (entries === 1) {
      setCommandSgl(iod, iod.mappedAddrs[0] ?? 0, iod.mappedLengths[0] ?? 0, SglType.DATA_BLOCK)
    } else {
      const result = this.#sgl.begin(iod, entries)
      if (result !== AllocResult.OK) return result
      for (let i = 0; i < entries; i++) {
        this.#sgl.add(iod.mappedAddrs[i] ?? 0, iod.mappedLengths[i] ?? 0)
      }
    }
    this.#counters.sglDescriptors += entries
    return AllocResult.OK
  }

  #makePrp(iod: NvmeIod): AllocResult {
    const entries = prpEntries(iod)
    const result = this.#prp.build(iod, entries)
    if (result === AllocResult.OK) this.#counters.prpEntries += entries
    return result
  }

  #unmap(iod: NvmeIod, direction: DmaDirection): void {
    const dma = this.#device.dma
    for (let i = 0; i < iod.nrMapped; i++) {
      dma.unmapSingle(iod.mappedAddrs[i] ?? 0, iod.mappedLengths[i] ?? 0, direction)
    }
    iod.nrMapped = 0
  }
}

function dmaDirectionOf(rq: Request<NvmeIod>): DmaDirection {
  return opIsWrite(rq.cmdFlags) ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE
}
