// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The classes behind the host, for those who replace one step of them and nothing else, or put an I/O path together by hand. They may
// change in any release.

export { ControllerState, CtrlState } from './host/ctrl/ctrl-state.ts'
export { iodBounds } from './host/ctrl/limits.ts'
export { CommandData } from './host/dma/command-data.ts'
export { DescriptorPool } from './host/dma/descriptor-pool.ts'
export { createDescriptorPools, type DescriptorPools } from './host/dma/descriptor-pools.ts'
export { DiscardData } from './host/dma/discard-data.ts'
export { DmabufData } from './host/dma/dmabuf-data.ts'
export {
  AllocResult,
  type IodBounds,
  IodPayload,
  iodAllocDescriptors,
  iodFreeDescriptors,
  NvmeIod,
} from './host/dma/iod.ts'
export { MappedData } from './host/dma/mapped-data.ts'
export { PrpList } from './host/dma/prp-list.ts'
export { SglList, setCommandSgl } from './host/dma/sgl-list.ts'
export type { HostParts } from './host/host-parts.ts'
export { HostTrace } from './host/io/host-trace.ts'
export {
  type IoRecovery,
  NvmeIo,
  type NvmeIoComponents,
  type NvmeIoInit,
} from './host/io/nvme-io.ts'
export { DevDisable, type DisableTarget } from './host/life/dev-disable.ts'
export { Recovery } from './host/life/recovery.ts'
export { Registrations, type RegistrationsComponents } from './host/life/registrations.ts'
export { type DeviceRegistrations, Removal, type RemovalComponents } from './host/life/removal.ts'
export { type CqeSink, NvmeQueue, type NvmeQueueInit } from './host/queue/nvme-queue.ts'
export { HostCounters } from './host/stats.ts'
