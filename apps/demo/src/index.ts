// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { IterFormat, IterName, StackIter } from './iter/iter-targets.ts'
export { collectCounters, type LayerCounters } from './stack/counters.ts'
export { LOGICAL_BLOCK_BYTES, MDTS_BYTES, RING_ENTRIES } from './stack/limits.ts'
export {
  attachNvme,
  createStack,
  destroyStack,
  type NvmeSide,
  type NvmeSideInit,
  type Stack,
  type StackInit,
} from './stack/stack.ts'
