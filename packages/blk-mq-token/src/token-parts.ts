// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { InvalidationPolicies } from './invalidation.ts'
import type { MapGeneration } from './map-generation.ts'
import type { StackedToken } from './stacked-token.ts'
import type { Token } from './token.ts'

/** What a factory makes its tokens of, where it is not to be ours. See the entry `parts`. */
export interface TokenParts {
  readonly token?: typeof Token
  readonly generation?: typeof MapGeneration
  readonly stacked?: typeof StackedToken
  readonly policies?: Partial<InvalidationPolicies>
}
