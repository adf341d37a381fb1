// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type {
  Fault,
  Pick,
  Program,
  Row,
  RunOptions,
  RunReport,
  WeaveStrategy,
} from './search/contracts.ts'
