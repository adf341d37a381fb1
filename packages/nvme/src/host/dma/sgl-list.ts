// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { SGL_DESCRIPTOR_BYTES, SglType, writeSglDescriptor } from '../../spec/index.ts'
import { chainBlocks, type DescriptorPools } from './descriptor-pools.ts'
import { AllocResult, iodAllocDescriptors, type NvmeIod } from './iod.ts'

export const SGL_SMALL_ENTRIES = 16
export const SGL_PAGE_ENTRIES = 256
const PAGE_SIZE = 4096
const TWO_32 = 0x1_0000_0000

/** Blocks of the descriptor pools that a list of `entries` data blocks takes; one goes into the command. */
export function sglBlocks(entries: number): number {
  return entries <= 1 ? 0 : chainBlocks(entries, SGL_PAGE_ENTRIES)
}

/** Puts a descriptor into the command itself. */
export function setCommandSgl(iod: NvmeIod, addr: number, length: number, type: number): void {
  iod.sgl = true
  iod.dptr[0] = addr
  iod.dptr[1] = addr / TWO_32
  iod.dptr[2] = length
  // The type is the upper half of the last byte; sub type 0 is an address.
  iod.dptr[3] = type << 28
}

/**
 * Writes the SGL of one command after the other. One data block goes into the command; up to 16 into a small block; more
 * into pages, of which each but the last holds 255 data blocks and, in its 256th place, the link to the next.
 *
 * Between `begin` and the last `add` nothing else may use it.
 * @see drivers/nvme/host/pci.c nvme_pci_setup_data_sgl
 */
export class SglList {
  protected readonly pools: DescriptorPools
  protected iod: NvmeIod | null
  protected left: number
  protected block: number
  protected slot: number
  protected view: DataView | null
  protected offset: number

  constructor(pools: DescriptorPools) {
    this.pools = pools
    this.iod = null
    this.left = 0
    this.block = 0
    this.slot = 0
    this.view = null
    this.offset = 0
  }

  /** Takes what a list of `entries` data blocks, at least 2, needs. Anything but OK: nothing was taken. */
  begin(iod: NvmeIod, entries: number): AllocResult {
    assert(entries > 1, 'nvme: one data block goes into the command')
    const small = entries <= SGL_SMALL_ENTRIES
    const pool = small ? this.pools.small : this.pools.page
    const result = iodAllocDescriptors(iod, pool, small ? 1 : sglBlocks(entries))
    if (result !== AllocResult.OK) return result
    this.iod = iod
    this.left = entries
    this.enter(0)
    const first = pool.dmaAddrOf(iod.descriptors[0] ?? -1)
    setCommandSgl(iod, first, segmentBytes(entries), segmentType(entries))
    return result
  }

  /** The next data block. @see drivers/nvme/host/pci.c nvme_pci_sgl_set_data */
  add(addr: number, length: number): void {
    assert(this.left > 0, 'nvme: more data blocks than the list was made for')
    if (this.slot === SGL_PAGE_ENTRIES - 1 && this.left > 1) this.link()
    this.write(addr, length, SglType.DATA_BLOCK)
    this.left--
  }

  protected link(): void {
    const iod = this.iod
    assert(iod !== null && iod.pool !== null, 'nvme: no list')
    const next = iod.descriptors[this.block + 1] ?? -1
    this.write(iod.pool.dmaAddrOf(next), segmentBytes(this.left), segmentType(this.left))
    this.enter(this.block + 1)
  }

  protected enter(block: number): void {
    const iod = this.iod
    assert(iod !== null && iod.pool !== null, 'nvme: no list')
    const index = iod.descriptors[block] ?? -1
    this.block = block
    this.slot = 0
    this.view = iod.pool.viewOf(index)
    this.offset = iod.pool.offsetOf(index)
  }

  protected write(addr: number, length: number, type: number): void {
    const view = this.view
    assert(view !== null, 'nvme: no list')
    const at = this.offset + this.slot * SGL_DESCRIPTOR_BYTES
    writeSglDescriptor(view, at, type, addr, length)
    this.slot++
  }
}

/** Of the segment that begins with `left` data blocks still to come. */
function segmentType(left: number): number {
  return left <= SGL_PAGE_ENTRIES ? SglType.LAST_SEGMENT : SglType.SEGMENT
}

function segmentBytes(left: number): number {
  return left <= SGL_PAGE_ENTRIES ? left * SGL_DESCRIPTOR_BYTES : PAGE_SIZE
}
