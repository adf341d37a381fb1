// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type {
  DmabufRegistrar,
  DmabufToken,
  DmabufTokenFactory,
  DmabufTokenHolder,
  DmabufTokenOptions,
  StackedTokenFactory,
} from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import type { Device, DmaDirection } from '@iolayers/dma-mapping'
import type { Kernel, Op } from '@iolayers/kernel'
import { createInvalidationPolicies, type InvalidationPolicyName } from './invalidation.ts'
import { MapGeneration } from './map-generation.ts'
import { releaseAll, StackedToken } from './stacked-token.ts'
import { createStats, type DmabufTokenStats } from './stats.ts'
import { Token } from './token.ts'
import type { TokenTracepoints } from './token-contract.ts'
import { TokenList } from './token-list.ts'
import type { TokenParts } from './token-parts.ts'
import { createTokenSource, type ListableToken, type TokenSource } from './token-source.ts'

const DEFAULT_TIMEOUT_NS = 30e9

export interface TokenFactoryInit {
  /** How an invalidation ends DMA where a registration does not choose; `fence` by default. See invalidation.ts. */
  policy?: InvalidationPolicyName
  /** How long making a map waits for the exporter's own fences before ETIME; 30 s by default. */
  timeoutNs?: number
}

export interface TokenFactoryComponents {
  readonly kernel: Kernel
  /** Where drain fences get their contexts: the dma-buf core that the buffers come from. */
  readonly fences: { fenceContextAlloc(count: number): number }
  /** What tokens are made of, where one step of theirs is to be another; see the entry `parts`. */
  readonly parts?: TokenParts
}

/** Makes tokens, and counts what they do. */
export interface CountingTokenFactory extends DmabufTokenFactory, StackedTokenFactory {
  readonly stats: Readonly<DmabufTokenStats>
  /** The tokens that have not been released, to iterate over. */
  readonly source: TokenSource
}

/**
 * The factory that an app hands to its block drivers. It maps nothing: a token makes its map on the first I/O.
 *
 * @see "dmabuf read/write via io_uring", dma_buf_io_ctx (drivers/dma-buf/dma-buf-io.c in the posted series)
 */
export function createDmabufTokenFactory(
  components: TokenFactoryComponents,
  init: TokenFactoryInit = {},
): CountingTokenFactory {
  const { kernel, fences, parts = {} } = components
  const TokenClass = parts.token ?? Token
  const StackedClass = parts.stacked ?? StackedToken
  const Generation = parts.generation ?? MapGeneration
  const policies = { ...createInvalidationPolicies(), ...parts.policies }
  const stats = createStats()
  const trace = createTracepoints(kernel)
  const defaultPolicy = init.policy ?? 'fence'
  const list = new TokenList<ListableToken>()
  const timeoutNs = init.timeoutNs ?? DEFAULT_TIMEOUT_NS
  const allocFenceContext = (): number => fences.fenceContextAlloc(1)
  return {
    stats,
    source: createTokenSource(list),
    *create(
      device: Device,
      dmabuf: DmaBuf,
      direction: DmaDirection,
      options: DmabufTokenOptions = {},
      holder?: DmabufTokenHolder,
    ): Op<DmabufToken> {
      const policyName = options.policy ?? defaultPolicy
      return new TokenClass(
        { kernel, device, dmabuf, stats, trace, allocFenceContext, list, Generation },
        {
          direction,
          policy: policies[policyName],
          policyName,
          timeoutNs,
          ...(holder && { holder }),
        },
      )
    },
    *createStacked(
      name: string,
      lowers: readonly DmabufRegistrar[],
      dmabuf: DmaBuf,
      direction: DmaDirection,
      options?: DmabufTokenOptions,
    ): Op<DmabufToken> {
      const children: DmabufToken[] = []
      try {
        for (const lower of lowers) {
          children.push(yield* lower.createDmabufToken(dmabuf, direction, options))
        }
      } catch (error) {
        yield* releaseAll(children)
        throw error
      }
      return new StackedClass({ kernel, stats, list, name, dmabuf }, children, direction)
    },
  }
}

function createTracepoints({ tracer }: Kernel): TokenTracepoints {
  return {
    mapCreate: tracer.point('dmabuf_map_create', [
      'inode',
      'generation',
      'segments',
      'granule_shift',
    ]),
    mapInvalidate: tracer.point('dmabuf_map_invalidate', ['inode', 'generation']),
    mapDrained: tracer.point('dmabuf_map_drained', ['inode', 'generation']),
    mapUnmap: tracer.point('dmabuf_map_unmap', ['inode', 'generation']),
  }
}
