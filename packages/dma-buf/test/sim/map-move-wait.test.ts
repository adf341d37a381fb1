// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { createPrng, joinAll, type Op, type TraceEvent, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createMovableHeap, type DmaBuf, DmaFence, DmaResvUsage } from '../../src/index.ts'
import { createRig, expectNothingOutstanding, fenceOps, type Rig } from '../support.ts'
import { SimImporter } from './importer.ts'

const SEEDS = 300
const PAGES = 3
const ROUNDS = 6

function wordAt(rig: Rig, dmabuf: DmaBuf, offset: number): number {
  const view = rig.run(dmabuf.vmap())
  let left = offset
  let value = -1
  for (const segment of view.segments) {
    if (left >= 0 && left < segment.length) {
      value = new DataView(segment.buffer, segment.byteOffset + left, 4).getInt32(0, true)
    }
    left -= segment.length
  }
  dmabuf.vunmap()
  return value
}

/** Two devices count words up by DMA, an exporter moves the buffer, and somebody waits for it. */
function runSeed(seed: number): { trace: string; moves: number; maps: number } {
  const rig = createRig({ seed, ramBytes: 256 * 1024 })
  const { scheduler } = rig
  const events: TraceEvent[] = []
  rig.kernel.tracer.subscribe(
    () => true,
    (event) => events.push(event),
  )
  const free = rig.memory.stats.pagesFree
  const heap = createMovableHeap(rig)
  const dmabuf = heap.allocate(PAGES * PAGE_SIZE)
  const devices = [rig.device('a'), rig.device('b', { iommuMode: 'lazy' })]
  const importers = devices.map((device) => new SimImporter(rig, dmabuf, device))
  const prng = createPrng(seed)
  const counted = new Map<number, number>()
  const io = function* (index: number): Op<void> {
    const importer = importers[index]!
    for (let round = 0; round < ROUNDS; round++) {
      // Each task has its words, so that no two of them race for the same one.
      const offset = prng.below(PAGES) * PAGE_SIZE + index * 64
      yield* importer.increment(offset)
      counted.set(offset, (counted.get(offset) ?? 0) + 1)
    }
  }
  const mover = function* (): Op<void> {
    for (let i = 0; i < 4; i++) {
      expect(yield* heap.move(dmabuf)).toBe(true)
      yield* yieldNow(scheduler)
    }
  }
  const waiter = function* (): Op<void> {
    for (let i = 0; i < 4; i++) {
      const left = yield* dmabuf.resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, 1e9)
      expect(left).toBeGreaterThan(0)
      yield* yieldNow(scheduler)
    }
  }
  const body = function* (): Op<void> {
    yield* joinAll(scheduler, [
      scheduler.spawn('io a', io(0)),
      scheduler.spawn('io b', io(1)),
      scheduler.spawn('mover', mover()),
      scheduler.spawn('second mover', mover()),
      scheduler.spawn('waiter', waiter()),
    ])
    for (const importer of importers) yield* importer.close()
  }
  rig.run(body())
  for (const [offset, count] of counted) expect(wordAt(rig, dmabuf, offset)).toBe(count)
  const maps = importers.reduce((sum, importer) => sum + importer.maps, 0)
  dmabuf.put()
  expectNothingOutstanding(rig)
  expect(heap.stats).toMatchObject({ moves: 8, retired: 0, pinned: 0 })
  for (const device of devices) {
    expect(device.bus.faultCount).toBe(0)
    device.destroy()
  }
  rig.scheduler.runUntilIdle()
  expect(rig.memory.stats.pagesFree).toBe(free)
  return { trace: JSON.stringify(events), moves: heap.stats.moves, maps }
}

describe('maps, moves and waits under the virtual scheduler', () => {
  it(`R-MQ-6 ${SEEDS} seeds: no byte wrong, no access to old pages, nothing outstanding`, () => {
    let maps = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        maps += runSeed(seed).maps
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    // The moves did take maps away, else nothing was shown.
    expect(maps).toBeGreaterThan(SEEDS * 4)
  })

  it('the same seed gives the same trace, another seed another one', () => {
    expect(runSeed(11).trace).toBe(runSeed(11).trace)
    expect(runSeed(11).trace).not.toBe(runSeed(12).trace)
  })

  it('no waiter is left behind when fences are added, signalled and waited for at once', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const rig = createRig({ seed, ramBytes: 64 * 1024 })
      const { scheduler } = rig
      const resv = rig.core.createResv()
      const fences: DmaFence[] = []
      const adder = function* (): Op<void> {
        for (let i = 0; i < 6; i++) {
          yield* resv.lock(null)
          const fence = new DmaFence(rig.kernel, fenceOps)
          fence.init(rig.core.fenceContextAlloc(1), 1)
          resv.reserveFences(1)
          resv.addFence(fence, DmaResvUsage.READ)
          resv.unlock()
          fences.push(fence)
          yield* yieldNow(scheduler)
        }
      }
      const signaller = function* (): Op<void> {
        for (let done = 0; done < 12; ) {
          if (fences[done] === undefined) yield* yieldNow(scheduler)
          else fences[done++]?.signal()
        }
      }
      const waiter = function* (): Op<void> {
        for (let i = 0; i < 5; i++) {
          expect(yield* resv.waitTimeout(DmaResvUsage.READ, false, 1e12)).toBeGreaterThan(0)
          yield* yieldNow(scheduler)
        }
      }
      for (const op of [adder(), adder(), signaller(), waiter(), waiter()]) {
        scheduler.spawn('actor', op)
      }
      scheduler.runUntilIdle()
      expect(resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(true)
      expectNothingOutstanding(rig)
    }
  })
})
