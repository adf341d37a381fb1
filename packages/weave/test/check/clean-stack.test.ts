// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The general checkers against real layers: those that are right, where whatever they report is their own mistake, and the same with one step put
// back as it was.

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { MapGeneration, type TokenParts } from '@iolayers/blk-mq-token/parts'
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

class Found extends Error {}

function runOnce(seed: number, policy: 'fence' | 'drain', parts: TokenParts = {}): Fault | null {
  const found: { fault: Fault | null } = { fault: null }
  const scheduler = createVirtualScheduler({
    strategy: seededStrategy(seed),
    stepsMax: 20_000,
    observer: {
      stepBegins: () => {},
      stepEnded: (item) => {
        for (const checker of general.checkers) found.fault ??= checker.afterStep?.(item) ?? null
        if (found.fault !== null) throw new Found()
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
  const tokens = createDmabufTokenFactory({ kernel, fences: core, parts }, { policy })
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
  try {
    scheduler.runSync('all', all())
    scheduler.runUntilIdle()
  } catch (error) {
    return found.fault ?? general.explain(error)
  }
  return general.waits.atEnd() ?? general.leaks.atEnd()
}

for (const policy of ['fence', 'drain'] as const) {
  test(`maps made, lost and released under ${policy}: no checker finds anything on ${SEEDS} seeds`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      expect(runOnce(seed, policy), `seed ${seed}`).toBeNull()
    }
  })
}

/** F7: told only when the device addresses are gone, which needs the lock that the exporter waits under. */
class SignalsAfterUnmap extends MapGeneration {
  protected override onDrained(): void {
    this.queueUnmap()
  }

  protected override unmapDone(): void {
    this.owner.generationDrained(this)
    this.signalDrained()
    super.unmapDone()
  }
}

/** A lost completion. */
class NeverSignals extends MapGeneration {
  protected override signalDrained(): void {}
}

/** H12: the last reference stays. */
class KeepsReference extends MapGeneration {
  protected override unmapDone(): void {
    this.get()
    super.unmapDone()
  }
}

/** H10: twice. */
class UnmapsTwice extends MapGeneration {
  protected override *unmap(): Op<void> {
    yield* super.unmap()
    yield* super.unmap()
  }
}

const OLD_STEPS = [
  ['F7', SignalsAfterUnmap, 'fence', ['lock-order']],
  ['F7', SignalsAfterUnmap, 'drain', ['deadlock']],
  // The heap gives up waiting for the fence.
  ['lost completion', NeverSignals, 'fence', ['error']],
  ['lost completion', NeverSignals, 'drain', ['stuck']],
  ['H12', KeepsReference, 'fence', ['leak']],
  ['H10', UnmapsTwice, 'fence', ['double-free']],
] as const

for (const [hazard, generation, policy, checks] of OLD_STEPS) {
  test(`${hazard} under ${policy}, put back in one step, is found as ${checks.join(' or ')}`, () => {
    const found = new Set<string>()
    for (let seed = 1; seed <= SEEDS; seed++) {
      const fault = runOnce(seed, policy, { generation })
      if (fault !== null) found.add(fault.check)
    }
    expect([...found]).not.toEqual([])
    for (const check of found) expect(checks).toContain(check)
  })
}
