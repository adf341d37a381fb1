// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaDirection } from '../dma-direction.ts'
import type { MemoryRegion } from '../memory/memory-region.ts'
import type { SgTable } from '../sg/sg-table.ts'
import type { BusFault, BusMaster } from './bus.ts'

/** How device addresses come about. @see drivers/iommu/Kconfig, kernel parameters iommu.strict and iommu.passthrough */
export const IommuMode = {
  /** The device address is the physical address. */
  PASSTHROUGH: 'passthrough',
  /** An unmapped device address may live on in the IOTLB until the next flush of the queue. */
  LAZY: 'lazy',
  /** An unmap flushes the IOTLB before it returns. */
  STRICT: 'strict',
} as const
export type IommuMode = (typeof IommuMode)[keyof typeof IommuMode]

/** Memory that the CPU and a device may both use at any time, without syncs. Zeroed, and whole pages. */
export interface CoherentBlock {
  readonly physAddr: number
  readonly dmaAddr: number
  /** As asked for. */
  readonly length: number
  readonly region: MemoryRegion
  /** Of the block, in the region's bytes. */
  readonly offset: number
}

export interface DmaStats {
  /** `mapSingle` and `unmapSingle`. */
  maps: number
  unmaps: number
  mapsSgtable: number
  unmapsSgtable: number
  /** Calls made, also where the device is coherent and they do nothing. */
  syncsForDevice: number
  syncsForCpu: number
  /** Bytes named in those calls. */
  syncBytes: number
  /** Bytes moved between the two sides of memory for a non-coherent device, by maps, unmaps and syncs. */
  syncCopyBytes: number
  /** Always 0: a device whose mask is too small for an address is refused, there are no bounce buffers. */
  bounceBytes: number
  coherentAllocs: number
  coherentFrees: number
}

/** Bits that change what a mapping does. @see include/linux/dma-mapping.h */
export const DmaAttrs = {
  /** Map and unmap change nobody's ownership and move no bytes: whoever maps syncs. @see DMA_ATTR_SKIP_CPU_SYNC */
  SKIP_CPU_SYNC: 0x20,
} as const

/**
 * The driver's side of a device: mapping and ownership. A mapping gives its bytes to the device, and unmapping gives them
 * back; in between syncs for the CPU and for the device move ownership of any byte range, exactly as named.
 * @see kernel/dma/mapping.c, Documentation/core-api/dma-api.rst
 */
export interface DmaOps {
  /**
   * Maps every piece of a table and fills its DMA side: with an IOMMU one range of device addresses for all RAM, cut only
   * where the device's limits say so. Throws ENOMEM without device addresses, EIO when an address is beyond the device's
   * mask, EREMOTEIO for memory of a peer that the device cannot reach, EINVAL for a bad direction, an empty table or a
   * piece outside memory. On failure nothing is mapped.
   */
  mapSgtable(table: SgTable, direction: DmaDirection, attrs?: number): void
  /** Ends a mapping made by `mapSgtable` of the same device and direction. */
  unmapSgtable(table: SgTable, direction: DmaDirection, attrs?: number): void
  /** Maps bytes that are contiguous in memory; the device address, or -1. Neither throws nor allocates. @see dma_map_page */
  mapSingle(physAddr: number, length: number, direction: DmaDirection): number
  unmapSingle(dmaAddr: number, length: number, direction: DmaDirection): void
  /** Gives a byte range of a mapping to the device. On a coherent device this only counts. */
  syncSingleForDevice(dmaAddr: number, length: number, direction: DmaDirection): void
  /** Gives a byte range of a mapping to the CPU. On a coherent device this only counts. */
  syncSingleForCpu(dmaAddr: number, length: number, direction: DmaDirection): void
  /** Syncs every byte of a mapped table, one call a device segment. */
  syncSgtableForDevice(table: SgTable, direction: DmaDirection): void
  syncSgtableForCpu(table: SgTable, direction: DmaDirection): void
  /** Throws ENOMEM; the memory is the device's and the CPU's until it is freed. */
  allocCoherent(length: number): CoherentBlock
  freeCoherent(block: CoherentBlock): void
  readonly stats: DmaStats
}

/** A device on the bus. */
export interface Device {
  readonly name: string
  /** True if its accesses snoop the CPU's caches, so that syncs have nothing to do. */
  readonly coherent: boolean
  readonly iommuMode: IommuMode
  /** The highest device address that it can put on the bus. */
  readonly dmaMask: number
  readonly maxSegmentSizeBytes: number
  readonly segBoundaryMask: number
  /** True if it can reach the memory of other devices. */
  readonly peerToPeer: boolean
  readonly dma: DmaOps
  readonly bus: BusMaster
  /** Turns bus mastering off and lets its domain go. In checked mode mappings that are left are reported. Idempotent. */
  destroy(): void
}

export interface DeviceInit {
  name: string
  iommuMode: IommuMode
  /** Default true. */
  coherent?: boolean
  /** Bits of a device address, 12 to 64; default 64. */
  dmaMaskBits?: number
  /** At least a page; default 2^32 - 1, which is what NVMe drivers set. @see drivers/nvme/host/pci.c dma_set_max_seg_size */
  maxSegmentSizeBytes?: number
  /** 2^n - 1, at least a page less one; default 2^32 - 1, which is what PCI sets. @see drivers/pci/probe.c pci_device_add */
  segBoundaryMask?: number
  /** Default false. */
  peerToPeer?: boolean
  /** Called for every refused access, in atomic context, after it was counted. */
  onFault?: (fault: BusFault) => void
}
