// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaFence, DmaResvUsage } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { joinAll, joinTask, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { expectNothingLeft, makeWorld } from '../world.ts'

const BIDIRECTIONAL = DmaDirection.BIDIRECTIONAL
const SIZE = 16 * 1024

describe('a token', () => {
  it('R-MQ-3: makes its map on the first use: exactly one for any number of concurrent first uses', () => {
    const world = makeWorld({ seed: 3 })
    const { scheduler, heap, tokens, device } = world
    const dmabuf = heap.allocate(SIZE)
    const token = scheduler.runSync('register', tokens.create(device, dmabuf, BIDIRECTIONAL))
    expect(tokens.stats.mapsMade).toBe(0)
    expect(token.tryGetMap()).toBeNull()
    const tasks = Array.from({ length: 8 }, (_, i) => scheduler.spawn(`first ${i}`, token.getMap()))
    const maps = scheduler.runSync('all', joinAll(scheduler, tasks))
    expect(new Set(maps).size).toBe(1)
    expect(tokens.stats.mapsMade).toBe(1)
    for (const map of maps) map.put()
    expect(token.tryGetMap()).toBe(maps[0])
    maps[0]!.put()
    scheduler.runSync('release', token.release())
    dmabuf.put()
    expectNothingLeft(world)
  })

  it('gives device addresses through active only, and none once the generation is dead', () => {
    const world = makeWorld({ seed: 1 })
    const { scheduler, heap, tokens, device } = world
    const dmabuf = heap.allocate(SIZE)
    const token = scheduler.runSync('register', tokens.create(device, dmabuf, BIDIRECTIONAL))
    const map = scheduler.runSync('map', token.getMap())
    expect(map.sizeBytes).toBe(SIZE)
    const segments = map.tryGetActive()
    expect(segments?.totalBytes).toBe(SIZE)
    map.putActive()
    scheduler.runSync('move', heap.move(dmabuf))
    expect(map.dead).toBe(true)
    expect(map.tryGetActive()).toBeNull()
    expect(tokens.stats.staleRefusals).toBe(1)
    expect(tokens.stats.mapsLost).toBe(1)
    const next = scheduler.runSync('map again', token.getMap())
    expect(next).not.toBe(map)
    map.put()
    next.put()
    scheduler.runSync('release', token.release())
    scheduler.runSync('release again', token.release())
    dmabuf.put()
    expectNothingLeft(world)
  })

  for (const policy of ['fence', 'drain'] as const) {
    it(`R-MQ-6: under ${policy} the exporter reuses the memory only after the last DMA, and refs hold nobody up`, () => {
      const world = makeWorld({ seed: 2 }, { policy })
      const { scheduler, heap, tokens, device } = world
      const dmabuf = heap.allocate(SIZE)
      const token = scheduler.runSync('register', tokens.create(device, dmabuf, BIDIRECTIONAL))
      const map = scheduler.runSync('map', token.getMap())
      map.tryGetActive()
      const move = scheduler.spawn('move', heap.move(dmabuf))
      function* later(): Op<void> {
        for (let i = 0; i < 50; i++) yield* yieldNow(scheduler)
        // Killed and not yet drained: what runs may end, nothing new begins.
        expect(map.tryGetActive()).toBeNull()
        expect(move.state).not.toBe('done')
        expect(heap.stats.moves).toBe(0)
        map.putActive()
      }
      scheduler.runSync('device', later())
      expect(scheduler.runSync('moved', joinTask(scheduler, move))).toBe(true)
      expect(tokens.stats.drainFences).toBe(policy === 'fence' ? 1 : 0)
      map.put()
      scheduler.runSync('release', token.release())
      dmabuf.put()
      expectNothingLeft(world)
    })
  }

  it('F12: a fence slot that cannot be reserved drains in place', () => {
    let failing = false
    const world = makeWorld({ seed: 2 }, {}, { failReserveFences: () => failing })
    const { scheduler, heap, tokens, device } = world
    const dmabuf = heap.allocate(SIZE)
    const token = scheduler.runSync('register', tokens.create(device, dmabuf, BIDIRECTIONAL))
    const map = scheduler.runSync('map', token.getMap())
    map.tryGetActive()
    failing = true
    const move = scheduler.spawn('move', heap.move(dmabuf))
    function* later(): Op<void> {
      for (let i = 0; i < 20; i++) yield* yieldNow(scheduler)
      expect(heap.stats.moves).toBe(0)
      map.putActive()
    }
    scheduler.runSync('device', later())
    scheduler.runSync('moved', joinTask(scheduler, move))
    expect(tokens.stats.drainFallbacks).toBe(1)
    map.put()
    scheduler.runSync('release', token.release())
    dmabuf.put()
    expectNothingLeft(world)
  })

  it('R-MQ-4: waits for the exporter under the lock: ETIME when it takes too long, ERESTARTSYS on a signal', () => {
    const world = makeWorld({ seed: 4 }, { timeoutNs: 1000 })
    const { scheduler, kernel, core, heap, tokens, device } = world
    const dmabuf = heap.allocate(SIZE)
    const token = scheduler.runSync('register', tokens.create(device, dmabuf, BIDIRECTIONAL))
    const fence = new DmaFence(kernel, { getDriverName: () => 'x', getTimelineName: () => 'x' })
    fence.init(core.fenceContextAlloc(1), 1)
    function* addKernelFence(): Op<void> {
      yield* dmabuf.resv.lock(null)
      dmabuf.resv.reserveFences(1)
      dmabuf.resv.addFence(fence, DmaResvUsage.KERNEL)
      dmabuf.resv.unlock()
    }
    scheduler.runSync('fence', addKernelFence())
    expect(() => scheduler.runSync('map', token.getMap())).toThrow(/did not finish/)
    const task = scheduler.spawn('interrupted', token.getMap())
    function* signal(): Op<void> {
      for (let i = 0; i < 5; i++) yield* yieldNow(scheduler)
      task.signal()
    }
    scheduler.spawn('signal', signal())
    expect(() => scheduler.runSync('join', joinTask(scheduler, task))).toThrow(
      /interrupted by a signal/,
    )
    expect(dmabuf.resv.held).toBe(false)
    fence.signal()
    fence.put()
    scheduler.runSync('map', token.getMap()).put()
    scheduler.runSync('release', token.release())
    expect(() => scheduler.runSync('map', token.getMap())).toThrow(/released/)
    dmabuf.put()
    expectNothingLeft(world)
  })
})
