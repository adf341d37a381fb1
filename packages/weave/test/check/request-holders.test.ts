// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import type { TagSet } from '@iolayers/block-core'
import {
  createDmaBufCore,
  createMovableHeap,
  DmaResvUsage,
  MAX_SCHEDULE_TIMEOUT,
} from '@iolayers/dma-buf'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  DmaDirection,
} from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import { expect, expectTypeOf, test } from 'vitest'
import {
  type BusyRequests,
  type HolderRequest,
  requestHolders,
} from '../../src/check/request-holders.ts'
import { createBench } from './bench.ts'

test('the requests that hold a drain up are named, under both policies', () => {
  for (const policy of ['fence', 'drain'] as const) {
    const requests: HolderRequest[] = []
    const busy: BusyRequests = { busyIter: (visit) => requests.forEach(visit) }
    const bench = createBench({}, requestHolders([busy]))
    const { kernel } = bench
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 512 * 1024, backing: 'plain' })
    const core = createDmaBufCore({ kernel })
    const heap = createMovableHeap({ kernel, memory, core })
    const iommu = createIommu({ kernel })
    const device = createDevice({ kernel, memory, iommu }, { name: 'nvme0', iommuMode: 'strict' })
    const tokens = createDmabufTokenFactory({ kernel, fences: core }, { policy })
    bench.spawn('exporter', function* (): Op<void> {
      const buffer = heap.allocate(8192)
      const token = yield* tokens.create(device, buffer, DmaDirection.BIDIRECTIONAL)
      const map = yield* token.getMap()
      const mqHctx = { disk: { name: 'nvme0n1' } }
      requests.push(
        { tag: 3, dmaSegments: map.tryGetActive(), dmabufMap: map, mqHctx },
        { tag: 4, dmaSegments: null, dmabufMap: map, mqHctx },
        { tag: 5, dmaSegments: {}, dmabufMap: {}, mqHctx },
      )
      yield* buffer.resv.lock(null)
      yield* buffer.invalidateMappings()
      yield* buffer.resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, MAX_SCHEDULE_TIMEOUT)
    })
    const what = policy === 'fence' ? 'dma_fence dmabuf map drain 1:1' : 'dmabuf map drained'
    expect(bench.run()).toEqual({
      check: 'stuck',
      message: `a wait that nobody ends: exporter waits for ${what}, which needs request nvme0n1 tag 3, which is at the device`,
      details: [
        `exporter waits for ${what}, which needs request nvme0n1 tag 3, which is at the device`,
      ],
    })
  }
})

test('a tag set is what the holders are looked up in', () => {
  expectTypeOf<TagSet>().toExtend<BusyRequests>()
})
