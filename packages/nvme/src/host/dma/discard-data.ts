// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, type Request, SECTOR_SIZE } from '@iolayers/block-core'
import { SglType, setUint64 } from '../../spec/index.ts'
import { type DescriptorPools, SMALL_DESCRIPTOR_SIZE } from './descriptor-pools.ts'
import {
  AllocResult,
  IodPayload,
  iodAllocDescriptors,
  iodFreeDescriptors,
  type NvmeIod,
} from './iod.ts'
import { setCommandSgl } from './sgl-list.ts'

/** Ranges of one Dataset Management command. @see include/linux/nvme.h NVME_DSM_MAX_RANGES */
export const DSM_MAX_RANGES = 256
const RANGE_SIZE = 16
const RANGE_BLOCKS = 4
const RANGE_FIRST = 8
const UINT_MAX = 0xffff_ffff

/**
 * The ranges of discards: a bio is a range. They lie in one descriptor block, so that a discard needs no memory of its own and cannot fail for want of it
 * for ever; the kernel keeps a page in reserve. @see drivers/nvme/host/core.c nvme_setup_discard
 */
export class DiscardData {
  readonly #pools: DescriptorPools
  readonly #sglOnly: boolean

  constructor(pools: DescriptorPools, sglOnly: boolean) {
    this.#pools = pools
    this.#sglOnly = sglOnly
  }

  /** Anything but OK: nothing is held. `sectorsPerLba`: of the namespace. */
  prepare(rq: Request<NvmeIod>, sectorsPerLba: number): BlkStatus {
    const iod = rq.pdu
    let count = 0
    for (let bio = rq.bio; bio !== null; bio = bio.biNext) count++
    if (count === 0 || count > DSM_MAX_RANGES) return BlkStatus.IOERR
    const { small, page } = this.#pools
    const pool = count * RANGE_SIZE <= SMALL_DESCRIPTOR_SIZE ? small : page
    if (iodAllocDescriptors(iod, pool, 1) !== AllocResult.OK) return BlkStatus.RESOURCE
    const index = iod.descriptors[0] ?? -1
    const view = pool.viewOf(index)
    let at = pool.offsetOf(index)
    for (let bio = rq.bio; bio !== null; bio = bio.biNext) {
      const blocks = bio.biIter.biSize / (sectorsPerLba * SECTOR_SIZE)
      if (blocks > UINT_MAX) {
        iodFreeDescriptors(iod)
        return BlkStatus.IOERR
      }
      view.setUint32(at, 0, true)
      view.setUint32(at + RANGE_BLOCKS, blocks, true)
      setUint64(view, at + RANGE_FIRST, bio.biIter.biSector / sectorsPerLba)
      at += RANGE_SIZE
    }
    const dmaAddr = pool.dmaAddrOf(index)
    if (this.#sglOnly) setCommandSgl(iod, dmaAddr, count * RANGE_SIZE, SglType.DATA_BLOCK)
    else setCommandPrp(iod, dmaAddr)
    iod.nrRanges = count
    iod.payload = IodPayload.DESCRIPTORS
    return BlkStatus.OK
  }
}

/** The data lies within one page. */
function setCommandPrp(iod: NvmeIod, dmaAddr: number): void {
  iod.sgl = false
  iod.dptr[0] = dmaAddr
  iod.dptr[1] = Math.floor(dmaAddr / 0x1_0000_0000)
  iod.dptr[2] = 0
  iod.dptr[3] = 0
}
