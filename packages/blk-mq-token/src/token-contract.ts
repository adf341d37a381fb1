// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a token is made of, and what it says when it refuses.

import type { DmabufTokenHolder } from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import type { Device, DmaDirection } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Tracepoint } from '@iolayers/kernel'
import type { InvalidationPolicy, InvalidationPolicyName } from './invalidation.ts'
import type { MapGeneration } from './map-generation.ts'
import type { DmabufTokenStats } from './stats.ts'
import type { TokenList } from './token-list.ts'
import type { ListableToken } from './token-source.ts'

export interface TokenTracepoints {
  readonly mapCreate: Tracepoint
  readonly mapInvalidate: Tracepoint
  readonly mapDrained: Tracepoint
  readonly mapUnmap: Tracepoint
}

export interface TokenComponents {
  readonly kernel: Kernel
  readonly device: Device
  readonly dmabuf: DmaBuf
  readonly stats: DmabufTokenStats
  readonly trace: TokenTracepoints
  readonly allocFenceContext: () => number
  /** Where it is to be found until it is released. */
  readonly list: TokenList<ListableToken>
  /** What its maps are made of. */
  readonly Generation: typeof MapGeneration
}

export interface TokenInit {
  readonly direction: DmaDirection
  readonly policy: InvalidationPolicy
  readonly policyName: InvalidationPolicyName
  readonly timeoutNs: number
  /** Who hears of its release. */
  readonly holder?: DmabufTokenHolder
}

/** Why a token makes no more maps. */
export function refusal(dmabuf: DmaBuf, reason: 'released' | 'removed'): KernelError {
  return reason === 'released'
    ? new KernelError('ENOENT', `the registration of dma-buf ${dmabuf.inode} was released`)
    : new KernelError('ENODEV', `the device of the registration of dma-buf ${dmabuf.inode} is gone`)
}

export function interrupted(what: string): KernelError {
  return new KernelError('ERESTARTSYS', `interrupted by a signal while waiting for ${what}`)
}

export function timedOut(what: string, timeoutNs: number): KernelError {
  return new KernelError('ETIME', `${what} within ${timeoutNs} ns`, { value: timeoutNs })
}
