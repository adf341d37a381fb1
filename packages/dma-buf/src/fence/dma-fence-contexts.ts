// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'

/** Where containers get contexts of their own: a `DmaBufCore`. */
export interface DmaFenceContexts {
  /** The first of `count` context numbers that nobody else has. @see dma_fence_context_alloc */
  fenceContextAlloc(count: number): number
}

/** What containers are made with. */
export interface DmaFenceComponents {
  readonly kernel: Kernel
  readonly contexts: DmaFenceContexts
}
