// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { PAGE_SIZE, PEER_BASE } from '../constants.ts'
import { type DmaDirection, validDmaDirection } from '../dma-direction.ts'
import type { IommuDomain } from '../iommu/iommu-domain.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'
import type { SgTable } from '../sg/sg-table.ts'

/** What a device can take. @see include/linux/device.h struct device_dma_parameters @internal */
export interface DmaLimits {
  readonly dmaMask: number
  readonly maxSegmentSizeBytes: number
  readonly segBoundaryMask: number
  readonly peerToPeer: boolean
}

/** Throws for a table that cannot be mapped by anyone, or not by this device; changes nothing. @internal */
export function checkSgtable(
  table: SgTable,
  direction: DmaDirection,
  memory: PhysicalMemory,
  limits: DmaLimits,
): void {
  if (!validDmaDirection(direction))
    throw new KernelError('EINVAL', 'DMA direction', { value: direction, accepted: '0, 1 or 2' })
  if (table.mapping !== null) throw new KernelError('EINVAL', 'the scatterlist is mapped already')
  if (table.origNents === 0) throw new KernelError('EINVAL', 'the scatterlist is empty')
  for (let i = 0; i < table.origNents; i++) {
    const addr = table.physAddrAt(i)
    const region = memory.regionAt(addr)
    if (region === null || addr + table.lengthAt(i) > region.baseAddr + region.sizeBytes)
      throw new KernelError('EINVAL', `piece ${i} of the scatterlist lies outside memory`, {
        value: addr,
      })
    if (region.kind === 'device' && !limits.peerToPeer)
      throw new KernelError('EREMOTEIO', `the device cannot reach the peer memory ${region.name}`)
    if (addr + table.lengthAt(i) > region.baseAddr + region.apertureBytes)
      throw new KernelError('EREMOTEIO', `piece ${i} lies beyond the window of ${region.name}`, {
        value: addr + table.lengthAt(i) - region.baseAddr,
        accepted: `up to ${region.apertureBytes}`,
      })
  }
}

/** Pages of device addresses that the RAM in a table needs: each piece starts on a page. @internal */
export function iovaPagesOf(table: SgTable): number {
  let pages = 0
  for (let i = 0; i < table.origNents; i++) {
    if (table.physAddrAt(i) < PEER_BASE)
      pages += Math.ceil((table.offsetAt(i) + table.lengthAt(i)) / PAGE_SIZE)
  }
  return pages
}

/**
 * Maps the RAM of a table to the run of pages at `pfn`, and fills the table's DMA side; peers keep their bus address.
 * Where one piece ends and the next begins on a page boundary, the device sees no seam.
 * @see drivers/iommu/dma-iommu.c iommu_dma_map_sg, __finalise_sg
 * @internal
 */
export function mapPieces(
  table: SgTable,
  domain: IommuDomain,
  pfn: number,
  perms: number,
  limits: DmaLimits,
): void {
  let at = pfn
  let end = -1
  for (let i = 0; i < table.origNents; i++) {
    const length = table.lengthAt(i)
    let address = table.physAddrAt(i)
    if (address < PEER_BASE) {
      const pages = Math.ceil((table.offsetAt(i) + length) / PAGE_SIZE)
      domain.map(at, table.frameAt(i), pages, perms)
      address = at * PAGE_SIZE + table.offsetAt(i)
      at += pages
    }
    appendRange(table, address, length, limits, address === end)
    end = address + length
  }
}

/**
 * Fills the DMA side of a table with its physical addresses. Throws EIO, and leaves the table as it was, for an address
 * beyond the device's mask.
 * @see kernel/dma/direct.c dma_direct_map_sg
 * @internal
 */
export function mapPiecesDirect(table: SgTable, limits: DmaLimits): void {
  for (let i = 0; i < table.origNents; i++) {
    const last = table.physAddrAt(i) + table.lengthAt(i) - 1
    if (last > limits.dmaMask)
      throw new KernelError('EIO', 'a bus address beyond the mask of the device', {
        value: last,
        accepted: `up to ${limits.dmaMask}`,
      })
  }
  for (let i = 0; i < table.origNents; i++) {
    appendRange(table, table.physAddrAt(i), table.lengthAt(i), limits, false)
  }
}

/** Adds a device range, as the continuation of the last segment or not, cut where the device's limits say so. */
function appendRange(
  table: SgTable,
  address: number,
  length: number,
  limits: DmaLimits,
  joined: boolean,
): void {
  // Cuts other than at the boundary stay on pages, so that a segment is a whole number of them where it can be.
  const maxLength = Math.floor(limits.maxSegmentSizeBytes / PAGE_SIZE) * PAGE_SIZE
  const boundary = limits.segBoundaryMask + 1
  let at = address
  let left = length
  let extend = joined
  while (left > 0) {
    const inWindow = at % boundary
    const last = extend ? table.dmaLengthAt(table.nents - 1) : 0
    const room = inWindow === 0 && extend ? 0 : Math.min(maxLength - last, boundary - inWindow)
    const take = Math.min(left, room)
    if (take > 0 && extend) table.extendDma(take)
    else if (take > 0) table.appendDma(at, take)
    extend = false
    at += take
    left -= take
  }
}
