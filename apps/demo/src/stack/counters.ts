// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { NvmeSide, Stack } from './stack.ts'

/** What each layer did, by package; the counters of both sides of a copy are summed. */
export type LayerCounters = Readonly<Record<string, Readonly<Record<string, number>>>>

/** The counters of a stack as they are now. `buffersListed` is what its dmabuf iterator showed while the buffers lived. */
export function collectCounters(stack: Stack, buffersListed: number): LayerCounters {
  const { tokens, ring, sides, kernel } = stack
  const total = (of: (side: NvmeSide) => number): number =>
    sides.reduce((sum, side) => sum + of(side), 0)
  return {
    'io-uring': {
      submitted: ring.stats.submitted,
      completed: ring.stats.completed,
      submitCalls: ring.stats.submitCalls,
      asyncWork: ring.stats.asyncWork,
      staleImports: ring.stats.staleImports,
    },
    uio: { dmabufIterators: total(({ disk }) => disk.stats.bios - disk.stats.flushes) },
    'block-core': {
      bios: total(({ disk }) => disk.stats.bios),
      splits: total(({ disk }) => disk.stats.splits),
      requests: total(({ disk }) => disk.stats.requests),
      requeues: total(({ disk }) => disk.stats.requeues),
      completions: total(({ disk }) => disk.stats.completions),
      errors: total(({ disk }) => disk.stats.errors),
      batches: total(({ disk }) => disk.stats.batches),
    },
    'blk-mq-token': {
      tokens: tokens.stats.tokens,
      mapsMade: tokens.stats.mapsMade,
      mapsLost: tokens.stats.mapsLost,
      staleRefusals: tokens.stats.staleRefusals,
      drainFences: tokens.stats.drainFences,
    },
    nvme: {
      requests: total(({ host }) => host.stats.requests),
      sglDescriptors: total(({ host }) => host.stats.sglDescriptors),
      sglDescriptorBytes: total(({ host }) => host.stats.sglBytes),
      prpEntries: total(({ host }) => host.stats.prpEntries),
      doorbells: total(({ host }) => host.stats.doorbells),
      interrupts: total(({ host }) => host.stats.interrupts),
      bytesMoved: total(({ disk }) => disk.stats.bytesRead + disk.stats.bytesWritten),
    },
    'dma-mapping': dmaCounters(stack, total),
    'dma-buf': {
      exported: stack.dmaBufs.stats.exported,
      mapped: stack.dmaBufs.stats.mapped,
      unmapped: stack.dmaBufs.stats.unmapped,
      invalidations: stack.dmaBufs.stats.invalidations,
      moves: stack.movableHeap.stats.moves,
      movedBytes: stack.movableHeap.stats.movedBytes,
    },
    'bpf-iter': { targets: stack.iterators.targetNames.length, buffersListed },
    kernel: {
      rcuCallbacks: kernel.rcu.callbacks,
      workItems: kernel.systemWq.begun + kernel.reclaimWq.begun,
      checkReports: kernel.reports.length,
    },
  }
}

function dmaCounters(
  stack: Stack,
  total: (of: (side: NvmeSide) => number) => number,
): Record<string, number> {
  const { iommu, memory } = stack
  return {
    sgtablesMapped: total(({ device }) => device.dma.stats.mapsSgtable),
    mapsPerIo: total(({ device }) => device.dma.stats.maps),
    iommuMaps: iommu.stats.maps,
    iotlbFlushes: iommu.stats.iotlbFlushes,
    iommuFaults: iommu.stats.faults,
    syncsForDevice: total(({ device }) => device.dma.stats.syncsForDevice),
    syncsForCpu: total(({ device }) => device.dma.stats.syncsForCpu),
    syncCopyBytes: total(({ device }) => device.dma.stats.syncCopyBytes),
    cpuCopyBytes: memory.stats.cpuCopyBytes,
  }
}
