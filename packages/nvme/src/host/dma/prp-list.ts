// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { setUint64 } from '../../spec/index.ts'
import { chainBlocks, type DescriptorPools } from './descriptor-pools.ts'
import { AllocResult, iodAllocDescriptors, type NvmeIod } from './iod.ts'

/** The controller page: CC.MPS is 0. @see drivers/nvme/host/nvme.h NVME_CTRL_PAGE_SIZE */
export const CTRL_PAGE_SIZE = 4096
export const PRP_ENTRY_SIZE = 8
export const PRP_SMALL_ENTRIES = 32
export const PRP_PAGE_ENTRIES = 512
const TWO_32 = 0x1_0000_0000

/** Blocks of the descriptor pools for a command of `entries` PRP entries; two of them need no list. */
export function prpBlocks(entries: number): number {
  return entries <= 2 ? 0 : chainBlocks(entries - 1, PRP_PAGE_ENTRIES)
}

/** PRP entries for the mappings of a command. They have no gaps: all but the first begin, and all but the last end, at a page. */
export function prpEntries(iod: NvmeIod): number {
  let entries = 0
  for (let i = 0; i < iod.nrMapped; i++) {
    const addr = iod.mappedAddrs[i] ?? 0
    const length = iod.mappedLengths[i] ?? 0
    entries += Math.ceil(((addr % CTRL_PAGE_SIZE) + length) / CTRL_PAGE_SIZE)
  }
  return entries
}

/** Whether PRP entries can describe the mappings of a command. */
export function prpHasGaps(iod: NvmeIod): boolean {
  for (let i = 0; i < iod.nrMapped; i++) {
    const addr = iod.mappedAddrs[i] ?? 0
    const end = addr + (iod.mappedLengths[i] ?? 0)
    if (i > 0 && addr % CTRL_PAGE_SIZE !== 0) return true
    if (i < iod.nrMapped - 1 && end % CTRL_PAGE_SIZE !== 0) return true
  }
  return false
}

/**
 * Writes the PRP entries of one command after the other: the first into the command; the second too, if there are but two; else
 * the rest into a list, up to 32 in a small block, more in pages, of which each but the last holds 511 and the link to the next.
 * @see drivers/nvme/host/pci.c nvme_pci_setup_data_prp
 */
export class PrpList {
  readonly #pools: DescriptorPools
  #left: number
  #block: number
  #slot: number
  #view: DataView | null
  #offset: number

  constructor(pools: DescriptorPools) {
    this.#pools = pools
    this.#left = 0
    this.#block = 0
    this.#slot = 0
    this.#view = null
    this.#offset = 0
  }

  /** Describes the mappings of a command, which have no gaps and take `entries`. Anything but OK: nothing was taken. */
  build(iod: NvmeIod, entries: number): AllocResult {
    assert(entries > 0, 'nvme: PRP entries of nothing')
    if (entries > 2) {
      const result = this.#begin(iod, entries - 1)
      if (result !== AllocResult.OK) return result
    }
    iod.sgl = false
    iod.dptr[2] = 0
    iod.dptr[3] = 0
    let entry = 0
    for (let i = 0; i < iod.nrMapped; i++) {
      let addr = iod.mappedAddrs[i] ?? 0
      const end = addr + (iod.mappedLengths[i] ?? 0)
      while (addr < end) {
        this.#add(iod, entries, entry, addr)
        entry++
        addr = addr - (addr % CTRL_PAGE_SIZE) + CTRL_PAGE_SIZE
      }
    }
    if (entries > 2) setCommandPrp(iod, 1, this.#addrOfBlock(iod, 0))
    return AllocResult.OK
  }

  #begin(iod: NvmeIod, listed: number): AllocResult {
    const small = listed <= PRP_SMALL_ENTRIES
    const pool = small ? this.#pools.small : this.#pools.page
    const blocks = small ? 1 : chainBlocks(listed, PRP_PAGE_ENTRIES)
    const result = iodAllocDescriptors(iod, pool, blocks)
    if (result !== AllocResult.OK) return result
    this.#left = listed
    this.#enter(iod, 0)
    return result
  }

  #add(iod: NvmeIod, entries: number, entry: number, addr: number): void {
    if (entry === 0) setCommandPrp(iod, 0, addr)
    else if (entries === 2) setCommandPrp(iod, 1, addr)
    else this.#addListed(iod, addr)
  }

  #addListed(iod: NvmeIod, addr: number): void {
    assert(this.#left > 0, 'nvme: more PRP entries than the list was made for')
    if (this.#slot === PRP_PAGE_ENTRIES - 1 && this.#left > 1) {
      this.#write(this.#addrOfBlock(iod, this.#block + 1))
      this.#enter(iod, this.#block + 1)
    }
    this.#write(addr)
    this.#left--
  }

  #addrOfBlock(iod: NvmeIod, block: number): number {
    assert(iod.pool !== null, 'nvme: no PRP list')
    return iod.pool.dmaAddrOf(iod.descriptors[block] ?? -1)
  }

  #enter(iod: NvmeIod, block: number): void {
    assert(iod.pool !== null, 'nvme: no PRP list')
    const index = iod.descriptors[block] ?? -1
    this.#block = block
    this.#slot = 0
    this.#view = iod.pool.viewOf(index)
    this.#offset = iod.pool.offsetOf(index)
  }

  #write(addr: number): void {
    const view = this.#view
    assert(view !== null, 'nvme: no PRP list')
    setUint64(view, this.#offset + this.#slot * PRP_ENTRY_SIZE, addr)
    this.#slot++
  }
}

function setCommandPrp(iod: NvmeIod, which: 0 | 1, addr: number): void {
  iod.dptr[which * 2] = addr
  iod.dptr[which * 2 + 1] = addr / TWO_32
}
