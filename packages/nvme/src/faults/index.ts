// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { createFaults, type Faults } from './faults.ts'
export { parseFaultPlan } from './parse.ts'
export type { FaultRule, HoldRule } from './rule.ts'
export { type RuleBuilder, when } from './rule-builder.ts'
export type {
  BeforeFault,
  ByteChange,
  CommandMatch,
  CompletionFault,
  DataFault,
  DelayData,
  DwordMatch,
  EventData,
  FaultPlan,
  FaultRuleData,
  LiesData,
  MediaFault,
  PowerFault,
  StatusData,
} from './rule-data.ts'
export {
  createVolatileStore,
  type VolatileStore,
  type VolatileStoreInit,
} from './volatile-store.ts'
