// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { NamespaceCapacity } from './admin/namespace-table.ts'
export {
  type CancellableStore,
  type ControllerBar,
  type DmaGate,
  type InterruptControl,
  type InterruptSink,
  type NamespaceInit,
  type NamespaceStore,
  type NvmeControllerStats,
  type RegisterBar,
  type StoreCompletion,
  StoreIo,
  StoreOp,
} from './contracts.ts'
export type { FabricIdentity, NvmeController, NvmeControllerInit } from './controller-init.ts'
export {
  type CommandFault,
  type CommandInfo,
  type ControllerFaults,
  type FaultTarget,
  type HeldCommand,
  HoldAt,
  type IdentifyLies,
  Posting,
} from './fault-hooks.ts'
export { createNvmeController } from './nvme-controller.ts'
export { createMemoryStore, type MemoryStore } from './store/memory-store.ts'
export { createNullStore } from './store/null-store.ts'
export {
  createSimulatedStore,
  type SimulatedStore,
  type SimulatedStoreInit,
} from './store/simulated-store.ts'
