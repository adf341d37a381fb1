// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The classes behind the factory, for those who replace one step of them and nothing else. They may change in any release.

export {
  createInvalidationPolicies,
  DrainPolicy,
  FencePolicy,
  type InvalidationContext,
  type InvalidationPolicies,
  type InvalidationPolicy,
} from './invalidation.ts'
export {
  type FencePoint,
  type GenerationOwner,
  MapGeneration,
  type MapGenerationInit,
} from './map-generation.ts'
export { StackedToken, type StackedTokenComponents } from './stacked-token.ts'
export { Token } from './token.ts'
export type { TokenComponents, TokenInit, TokenTracepoints } from './token-contract.ts'
export type { TokenParts } from './token-parts.ts'
