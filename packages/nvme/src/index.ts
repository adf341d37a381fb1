// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  createMemoryStore,
  createNullStore,
  createNvmeController,
  type InterruptSink,
  type MemoryStore,
  type NamespaceInit,
  type NamespaceStore,
  type NvmeController,
  type NvmeControllerInit,
  type NvmeControllerStats,
  type RegisterBar,
  type StoreCompletion,
  StoreIo,
  StoreOp,
} from './controller/index.ts'
export {
  CtrlState,
  createNvmeHost,
  type IdentifyController,
  type IgnoredNamespace,
  NVME_IO_TIMEOUT_NS,
  type NvmeHost,
  type NvmeHostComponents,
  type NvmeHostInit,
  type NvmeHostStats,
  nvmeErrorStatus,
  nvmeStatusText,
} from './host/index.ts'
