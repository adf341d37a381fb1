// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Tracepoint, Tracer } from '@iolayers/kernel'

/** @see include/trace/events/dma_buf.h */
export interface DmaBufTracepoints {
  readonly export: Tracepoint
  readonly fd: Tracepoint
  readonly get: Tracepoint
  readonly put: Tracepoint
  readonly attach: Tracepoint
  readonly detach: Tracepoint
  readonly map: Tracepoint
  readonly unmap: Tracepoint
  readonly invalidate: Tracepoint
  readonly mmap: Tracepoint
}

export function createTracepoints(tracer: Tracer): DmaBufTracepoints {
  const buffer = ['inode', 'size', 'name', 'exporter'] as const
  return {
    export: tracer.point('dma_buf_export', buffer),
    fd: tracer.point('dma_buf_fd', [...buffer, 'fd']),
    get: tracer.point('dma_buf_get', [...buffer, 'fd']),
    put: tracer.point('dma_buf_put', buffer),
    attach: tracer.point('dma_buf_dynamic_attach', ['inode', 'device', 'dynamic']),
    detach: tracer.point('dma_buf_detach', ['inode', 'device']),
    map: tracer.point('dma_buf_map_attachment', ['inode', 'device', 'ranges', 'direction']),
    unmap: tracer.point('dma_buf_unmap_attachment', ['inode', 'device']),
    invalidate: tracer.point('dma_buf_invalidate_mappings', ['inode', 'attachments']),
    mmap: tracer.point('dma_buf_mmap_internal', [...buffer, 'offset', 'length']),
  }
}
