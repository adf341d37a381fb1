// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { Checker } from './check/contracts.ts'
export { faultOf } from './check/errors.ts'
export { UserSpace } from './check/user-space.ts'
export { WaitGraph, type WaitGraphComponents } from './check/wait-graph.ts'
export type {
  Fault,
  Pick,
  Program,
  Row,
  RunOptions,
  RunReport,
  WeaveStrategy,
} from './search/contracts.ts'
