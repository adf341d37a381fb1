// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type { InvalidationPolicyName } from './invalidation.ts'
export type { DmabufTokenStats } from './stats.ts'
export {
  type CountingTokenFactory,
  createDmabufTokenFactory,
  type TokenFactoryComponents,
  type TokenFactoryInit,
} from './token-factory.ts'
export type { TokenParts } from './token-parts.ts'
export type {
  ListableToken,
  ListedMap,
  ListedToken,
  ListedTokenFields,
  TokenSource,
  TokenState,
} from './token-source.ts'
