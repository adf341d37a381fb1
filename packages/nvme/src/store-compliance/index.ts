// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { ComplianceError } from './checks.ts'
export { STORE_BYTES, type StoreCase, type StoreSetup, storeCases } from './store-cases.ts'
export { Scatter, TestIo } from './store-io.ts'
