// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { AdminCommand, AdminResult } from './admin/admin-queue.ts'
export { CtrlState } from './ctrl/ctrl-state.ts'
export type { IdentifyController } from './ctrl/identify.ts'
export type { IoCommand } from './dma/command-data.ts'
export { NVME_IO_TIMEOUT_NS, type NvmeHostInit } from './host-init.ts'
export { nvmeErrorStatus, nvmeStatusText } from './nvme-error-status.ts'
export {
  createNvmeHost,
  type IgnoredNamespace,
  type NvmeHost,
  type NvmeHostComponents,
} from './nvme-host.ts'
export {
  openRawController,
  type RawCompletion,
  type RawController,
  type RawControllerComponents,
  type RawControllerInit,
  type RawQueuePair,
} from './raw/raw-controller.ts'
export type { NvmeHostStats } from './stats.ts'
