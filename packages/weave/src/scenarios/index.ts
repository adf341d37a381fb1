// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { Program } from '../search/contracts.ts'
