// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaFence } from './dma-fence.ts'

const FIELDS = ['driver', 'timeline', 'context', 'seqno'] as const

type DmaFenceEvent =
  | 'dma_fence_init'
  | 'dma_fence_destroy'
  | 'dma_fence_enable_signal'
  | 'dma_fence_signaled'
  | 'dma_fence_wait_start'
  | 'dma_fence_wait_end'

/** Names are told as they may be read then: those of a fence that has signalled are not its driver's. @see include/trace/events/dma_fence.h */
export function traceDmaFence(fence: DmaFence, event: DmaFenceEvent): void {
  const point = fence.kernel.tracer.point(event, FIELDS)
  if (!point.enabled) return
  point.emit(fence.driverName, fence.timelineName, fence.context, fence.seqno)
}
