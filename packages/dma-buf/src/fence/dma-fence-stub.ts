// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import { DmaFence, type DmaFenceOps } from './dma-fence.ts'

const stubOps: DmaFenceOps = {
  getDriverName: () => 'stub',
  getTimelineName: () => 'stub',
}

/**
 * A fence that signalled at `timestampNs`: what stands for work that was over from the start. In context 0, which no driver gets. The caller has its one
 * reference. A stack that asks for many keeps one, as the kernel does, and takes references.
 *
 * @see drivers/dma-buf/dma-fence.c dma_fence_allocate_private_stub, dma_fence_get_stub
 */
export function dmaFencePrivateStub(kernel: Kernel, timestampNs: number): DmaFence {
  const fence = new DmaFence(kernel, stubOps)
  fence.init(0, 0)
  fence.enableSignaling()
  fence.signalTimestamp(timestampNs)
  return fence
}
