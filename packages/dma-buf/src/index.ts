// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { DMA_BUF_NAME_MAX } from './buf/buffer-name.ts'
export {
  type DmaBufFenceInfo,
  type DmaBufInfo,
  type DmaBufListing,
  dmaBufInfo,
  formatDmaBufInfo,
} from './buf/bufinfo.ts'
export type {
  BufferView,
  DmaBuf,
  DmaBufAttachment,
  DmaBufCpuAccess,
  DmaBufImporterOps,
  DmaBufImporting,
  DmaBufMapping,
  DmaBufOps,
  DmaBufVma,
  DmaBufVmOps,
} from './buf/contracts.ts'
export { createDmaBufCore, type DmaBufCoreInit } from './buf/core.ts'
export type { DmaBufCore, DmaBufExportInfo, DmaBufStats } from './buf/core-contract.ts'
export { dmaBufFile } from './buf/dma-buf-file.ts'
export { DmaBufRevocation, dmaBufAttachRevocable, drainMappings } from './buf/revocation.ts'
export { DmaBufSync, dmaBufSync } from './buf/sync-ioctl.ts'
export {
  DmaFence,
  type DmaFenceOps,
  type DmaFenceSlot,
  dmaFenceGetRcuSafe,
  dmaFenceLater,
  MAX_SCHEDULE_TIMEOUT,
} from './fence/dma-fence.ts'
export { DmaFenceCallback } from './fence/dma-fence-callback.ts'
export {
  type ContiguousHeap,
  type ContiguousHeapInit,
  createContiguousHeap,
} from './heap/contiguous-heap.ts'
export { createDmaHeaps, type DmaHeapAllocationData, type DmaHeaps } from './heap/dma-heaps.ts'
export type {
  DmaHeap,
  DmaHeapAllocation,
  DmaHeapComponents,
  MovableHeap,
  MovableHeapStats,
} from './heap/heap-contract.ts'
export { createMovableHeap, type MovableHeapInit } from './heap/movable-heap.ts'
export { createSystemHeap } from './heap/system-heap.ts'
export { DmaResv, type DmaResvInit } from './resv/dma-resv.ts'
export { DmaResvUsage, dmaResvUsageRw } from './resv/dma-resv-usage.ts'
export {
  createUdmabuf,
  UDMABUF_FLAGS_CLOEXEC,
  type Udmabuf,
  type UdmabufInit,
  type UdmabufItem,
} from './udmabuf/udmabuf.ts'
