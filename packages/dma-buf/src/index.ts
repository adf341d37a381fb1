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
export type { CopyEngineInit } from './device-memory/copy-engine.ts'
export {
  createDeviceMemory,
  type DeviceMemoryComponents,
  type DeviceMemoryInit,
} from './device-memory/device-memory.ts'
export type {
  DeviceBufferInfo,
  DeviceJob,
  DeviceMemory,
  DeviceMemoryAllocation,
  DeviceMemoryStats,
  Placement,
  SystemFallbacks,
} from './device-memory/device-memory-contract.ts'
export { peerBytesOf } from './device-memory/p2p.ts'
export { DmaFence, type DmaFenceOps, MAX_SCHEDULE_TIMEOUT } from './fence/dma-fence.ts'
export {
  DmaFenceArray,
  type DmaFenceArrayInit,
  dmaFenceIsContainer,
  dmaFenceMatchContext,
  toDmaFenceArray,
} from './fence/dma-fence-array.ts'
export { DmaFenceCallback } from './fence/dma-fence-callback.ts'
export {
  DmaFenceChain,
  dmaFenceChainContained,
  dmaFenceChainFindSeqno,
  dmaFenceChainWalk,
  toDmaFenceChain,
} from './fence/dma-fence-chain.ts'
export type { DmaFenceComponents, DmaFenceContexts } from './fence/dma-fence-contexts.ts'
export { type DmaFenceSlot, dmaFenceGetRcuSafe, dmaFenceLater } from './fence/dma-fence-lookup.ts'
export { dmaFencePrivateStub } from './fence/dma-fence-stub.ts'
export {
  DmaFenceUnwrap,
  dmaFenceDedupArray,
  dmaFenceUnwrapForEach,
  dmaFenceUnwrapMerge,
} from './fence/dma-fence-unwrap.ts'
export { type DmaFenceWaitAny, dmaFenceWaitAnyTimeout } from './fence/wait-any.ts'
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
export { DmaResvIter } from './resv/dma-resv-iter.ts'
export { DmaResvUsage, dmaResvUsageRw } from './resv/dma-resv-usage.ts'
export { dmaBufExportSyncFile, dmaBufImportSyncFile } from './sync-file/dma-buf-sync-file.ts'
export {
  createSyncFile,
  type SyncFenceInfo,
  type SyncFile,
  type SyncFileInfo,
  syncFileAbility,
} from './sync-file/sync-file.ts'
export {
  syncFileFd,
  syncFileFdGet,
  syncFileGetFence,
  syncFileMergeFd,
  type TellFd,
} from './sync-file/sync-file-fd.ts'
export {
  createUdmabuf,
  UDMABUF_FLAGS_CLOEXEC,
  type Udmabuf,
  type UdmabufInit,
  type UdmabufItem,
} from './udmabuf/udmabuf.ts'
