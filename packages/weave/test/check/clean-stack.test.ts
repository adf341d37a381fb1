// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The general checkers against real layers that are right: whatever they report here is their own mistake.

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { createDmaBufCore, createMovableHeap } from '@iolayers/dma-buf'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  DmaDirection,
} from '@iolayers/dma-mapping'
import {
  createKernel,
  createVirtualScheduler,
  DeferredCall,
  joinAll,
  type Op,
  seededStrategy,
  sleep,
  yieldNow,
} from '@iolayers/kernel'
import { expect, test } from 'vitest'
import { createGeneralCheckers } from '../../src/check/general.ts'
import type { LeakProbe } from '../../src/check/leaks.ts'
import type { Fault } from '../../src/search/contracts.ts'

const SEEDS = 150

function runOnce(seed: number, policy: 'fence' | 'drain'): Fault | null {
  const found: { fault: Fault | null } = { fault: null }
  const scheduler = createVirtualScheduler({
    strategy: seededStrategy(seed),
    stepsMax: 20_000,
    observer: {
      stepBegins: () => {},
      stepEnded: (item) => {
        for (const checker of general.checkers) found.fault ??= checker.afterStep?.(item) ?? null
      },
    },
  })
  const kernel = createKernel({ scheduler }, { checked: true, workers: 2 })
  const probes: LeakProbe[] = []
  const general = createGeneralCheckers({ scheduler, kernel, probes })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 512 * 1024, backing: 'plain' })
  const iommu = createIommu({ kernel })
  const core = createDmaBufCore({ kernel })
  const heap = createMovableHeap({ kernel, memory, core })
  const devices = ['nvme0', 'nvme1'].map((name) =>
    createDevice({ kernel, memory, iommu }, { name, iommuMode: 'strict' }),
  )
  const tokens = createDmabufTokenFactory({ kernel, fences: core }, { policy })
  probes.push(
    { what: 'tokens', count: () => tokens.stats.tokensLive },
    { what: 'maps', count: () => tokens.stats.mapsLive },
    { what: 'buffers', count: () => core.stats.live },
    { what: 'pages', count: () => memory.stats.pagesAllocated },
  )
  const buffer = heap.allocate(8192)
  function* io(at: number): Op<void> {
    const device = devices[at % devices.length]
    if (device === undefined) throw new Error('no device')
    const token = yield* tokens.create(device, buffer, DmaDirection.BIDIRECTIONAL)
    for (let i = 0; i < 3; i++) {
      const map = yield* token.getMap()
      if (map.tryGetActive() !== null) {
        scheduler.queue(
          new DeferredCall('interrupt', () => {
            map.putActive()
            map.put()
          }),
        )
      } else map.put()
      yield* yieldNow(scheduler)
    }
    yield* token.release()
  }
  function* evict(): Op<void> {
    for (let i = 0; i < 3; i++) {
      yield* heap.move(buffer)
      yield* sleep(scheduler, 1000)
    }
  }
  function* all(): Op<void> {
    const tasks = [0, 1, 2].map((at) => scheduler.spawn(`io worker ${at}`, io(at)))
    const exporter = scheduler.spawn('exporter', evict())
    yield* joinAll(scheduler, [...tasks, exporter])
    buffer.put()
  }
  scheduler.runSync('all', all())
  scheduler.runUntilIdle()
  return found.fault ?? general.waits.atEnd() ?? general.leaks.atEnd()
}

for (const policy of ['fence', 'drain'] as const) {
  test(`maps made, lost and released under ${policy}: no checker finds anything on ${SEEDS} seeds`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      expect(runOnce(seed, policy), `seed ${seed}`).toBeNull()
    }
  })
}
