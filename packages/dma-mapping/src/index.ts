// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  MAX_ORDER_NR_PAGES,
  MAX_PAGE_ORDER,
  PAGE_SHIFT,
  PAGE_SIZE,
  PEER_BASE,
} from './constants.ts'
export type { DmaCheck, DmaDebug } from './debug/dma-debug.ts'
export { BusAccess, type BusFault, type BusMaster, BusRange } from './device/bus.ts'
export { createDevice } from './device/create-device.ts'
export {
  type CoherentBlock,
  type Device,
  type DeviceInit,
  DmaAttrs,
  type DmaOps,
  type DmaStats,
  IommuMode,
} from './device/device.ts'
export { DmaDirection, dmaDirectionName, validDmaDirection } from './dma-direction.ts'
export { createIommu, type Iommu, type IommuInit } from './iommu/iommu.ts'
export type { IommuDomain } from './iommu/iommu-domain.ts'
export type { IommuStats } from './iommu/iommu-stats.ts'
export { createMemfd, type MemfdInit } from './memfd/memfd.ts'
export {
  type Memfd,
  MemfdFlags,
  type MemfdMapping,
  type MemfdPin,
  MemfdSeals,
  memfdFile,
} from './memfd/memfd-contract.ts'
export { PAGE_POISON } from './memory/given-back.ts'
export {
  copyBetween,
  frameOf,
  type MemoryRegion,
  type RegionBacking,
  type RegionKind,
  type RegionSide,
} from './memory/memory-region.ts'
export {
  createPhysicalMemory,
  type PhysicalMemory,
  type PhysicalMemoryInit,
  type PhysicalMemoryStats,
  type RegionRequest,
} from './memory/physical-memory.ts'
export { buildDmaSegmentTable, DmaSegmentTable } from './sg/dma-segment-table.ts'
export { type SgMapping, SgTable } from './sg/sg-table.ts'
