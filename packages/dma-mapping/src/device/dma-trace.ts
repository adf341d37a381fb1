// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Tracepoint, Tracer } from '@iolayers/kernel'

/** Tracepoints of the DMA operations, named as the kernel's. @see include/trace/events/dma.h @internal */
export interface DmaTrace {
  readonly mapPhys: Tracepoint
  readonly unmapPhys: Tracepoint
  readonly mapSg: Tracepoint
  readonly unmapSg: Tracepoint
  readonly syncForDevice: Tracepoint
  readonly syncForCpu: Tracepoint
  readonly alloc: Tracepoint
  readonly free: Tracepoint
}

/** @internal */
export function createDmaTrace(tracer: Tracer): DmaTrace {
  const sync = ['device', 'dir', 'dmaAddr', 'length']
  const sg = ['device', 'dir', 'nents', 'dmaNents', 'dmaAddr', 'length']
  return {
    mapPhys: tracer.point('dma:dma_map_phys', ['device', 'dir', 'physAddr', 'dmaAddr', 'length']),
    unmapPhys: tracer.point('dma:dma_unmap_phys', sync),
    mapSg: tracer.point('dma:dma_map_sg', sg),
    unmapSg: tracer.point('dma:dma_unmap_sg', sg),
    syncForDevice: tracer.point('dma:dma_sync_single_for_device', sync),
    syncForCpu: tracer.point('dma:dma_sync_single_for_cpu', sync),
    alloc: tracer.point('dma:dma_alloc', ['device', 'physAddr', 'dmaAddr', 'length']),
    free: tracer.point('dma:dma_free', ['device', 'physAddr', 'dmaAddr', 'length']),
  }
}
