// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import type { IommuDomain } from '../iommu/iommu-domain.ts'
import { copyBetween } from '../memory/memory-region.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'

/**
 * Moves a physically contiguous range from the CPU's side to the device's side or back, and returns how many bytes that
 * were: none where both sides are the same. @see arch/arm64/mm/dma-mapping.c
 */
function transferPhys(
  memory: PhysicalMemory,
  physAddr: number,
  length: number,
  toDevice: boolean,
): number {
  const region = memory.regionAt(physAddr)
  assert(region !== null, 'dma sync: no memory there')
  let offset = physAddr - region.baseAddr
  let left = length
  let moved = 0
  while (left > 0) {
    const count = region.uniformLength(offset, left)
    const side = region.sideAt(offset)
    if (side !== region) {
      if (toDevice) copyBetween(side, offset, region, offset, count)
      else copyBetween(region, offset, side, offset, count)
      moved += count
    }
    offset += count
    left -= count
  }
  return moved
}

/** The same for a range of device addresses; all of it must be mapped. @internal */
export function transferDma(
  memory: PhysicalMemory,
  domain: IommuDomain | null,
  dmaAddr: number,
  length: number,
  toDevice: boolean,
): number {
  if (domain === null) return transferPhys(memory, dmaAddr, length, toDevice)
  let moved = 0
  let at = 0
  while (at < length) {
    const physAddr = domain.iovaToPhys(dmaAddr + at)
    assert(physAddr >= 0, 'dma sync: not mapped')
    const count = Math.min(length - at, PAGE_SIZE - (physAddr % PAGE_SIZE))
    moved += transferPhys(memory, physAddr, count, toDevice)
    at += count
  }
  return moved
}
