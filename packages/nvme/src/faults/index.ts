// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  type CommandMatch,
  createFaults,
  type FaultRule,
  type Faults,
  type HoldRule,
} from './faults.ts'
