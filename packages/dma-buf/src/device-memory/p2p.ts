// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { MemoryRegion, SgTable } from '@iolayers/dma-mapping'

/**
 * How many bytes of a mapped table lead to the memory of that device, by their addresses on the bus. What an importer is told otherwise is nothing: a fallback to system memory is
 * silent. Peers bypass the IOMMU, so their addresses are those of the device's window.
 */
export function peerBytesOf(table: SgTable, region: MemoryRegion): number {
  let bytes = 0
  for (let i = 0; i < table.nents; i++) {
    const start = Math.max(table.dmaAddressAt(i), region.baseAddr)
    const tableEnd = table.dmaAddressAt(i) + table.dmaLengthAt(i)
    const end = Math.min(tableEnd, region.baseAddr + region.sizeBytes)
    if (start < end) bytes += end - start
  }
  return bytes
}
