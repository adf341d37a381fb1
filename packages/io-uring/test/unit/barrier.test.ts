// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaFence, DmaResvUsage } from '@iolayers/dma-buf'
import { Errno, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { RwFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'

const FENCE_OPS = { getDriverName: () => 'gpu', getTimelineName: () => 'ring 0' }

/** Another user of the buffer, whose work is under way. */
function addFence(bench: Bench, usage: DmaResvUsage): DmaFence {
  const { kernel, core, dmabuf } = bench
  const fence = new DmaFence(kernel, FENCE_OPS)
  fence.init(core.fenceContextAlloc(1), 1)
  function* add(): Op<void> {
    yield* dmabuf.resv.lock(null)
    dmabuf.resv.reserveFences(1)
    dmabuf.resv.addFence(fence, usage)
    dmabuf.resv.unlock()
  }
  bench.run(add())
  return fence
}

function makeBench(barrier: boolean): Bench {
  const bench = new Bench()
  bench.ring.registerFiles([bench.file])
  bench.run(bench.ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex: 0, barrier }]))
  return bench
}

/** What has ended after everybody had a turn. */
function settle(bench: Bench): (readonly [number, number])[] {
  bench.ring.submit()
  function* turns(): Op<void> {
    for (let i = 0; i < 30; i++) yield* yieldNow(bench.scheduler)
  }
  bench.run(turns())
  return bench.reap()
}

function signal(fence: DmaFence): void {
  fence.signal()
  fence.put()
}

/** Which fences an operation waits for. */
const CLASSES = [
  { usage: DmaResvUsage.WRITE, name: 'WRITE', read: true, write: true },
  { usage: DmaResvUsage.READ, name: 'READ', read: true, write: false },
  { usage: DmaResvUsage.BOOKKEEP, name: 'BOOKKEEP', read: false, write: false },
]

describe('the barrier of a registered buffer', () => {
  it('R-MQ-10, F11: without it I/O waits for no READ or WRITE fence', () => {
    const bench = makeBench(false)
    const fences = CLASSES.map(({ usage }) => addFence(bench, usage))
    bench.read(1)
    bench.write(2)
    expect(settle(bench)).toEqual([
      [1, 512],
      [2, 512],
    ])
    for (const fence of fences) signal(fence)
    bench.finish()
  })

  for (const { usage, name, read, write } of CLASSES) {
    it(`R-MQ-10, F11: with it a read of the file ${read ? 'waits' : 'does not wait'} for a ${name} fence, a write ${write ? 'waits' : 'does not'}`, () => {
      for (const made of [false, true]) {
        const bench = makeBench(true)
        if (made) {
          bench.read(9)
          expect(settle(bench)).toEqual([[9, 512]])
        }
        const fence = addFence(bench, usage)
        bench.read(1)
        bench.write(2)
        const early = settle(bench).map(([userData]) => userData)
        expect(early.sort()).toEqual([...(read ? [] : [1]), ...(write ? [] : [2])])
        signal(fence)
        expect(settle(bench).length).toBe(2 - early.length)
        bench.finish()
      }
    })
  }

  it('R-MQ-10, R-MQ-5: with RWF_NOWAIT it is EAGAIN, and once the fence has signalled it is none', () => {
    const bench = makeBench(true)
    bench.read(1)
    settle(bench)
    const fence = addFence(bench, DmaResvUsage.READ)
    bench.read(2, 0, 512, RwFlags.NOWAIT)
    expect(settle(bench)).toEqual([[2, -Errno.EAGAIN]])
    expect(bench.ring.stats.asyncWork).toBe(1)
    signal(fence)
    bench.read(3, 0, 512, RwFlags.NOWAIT)
    expect(settle(bench)).toEqual([[3, 512]])
    bench.finish()
  })

  it('R-MQ-4: a wait at the barrier can be cancelled', () => {
    const bench = makeBench(true)
    const fence = addFence(bench, DmaResvUsage.WRITE)
    bench.read(1)
    expect(settle(bench)).toEqual([])
    bench.ring.prepCancel(bench.ring.getSqe(), 1, 0, 2)
    expect(settle(bench)).toEqual(
      expect.arrayContaining([
        [1, -Errno.EINTR],
        [2, -Errno.EALREADY],
      ]),
    )
    signal(fence)
    bench.finish()
  })

  it('says what the registration chose to the file', () => {
    const bench = new Bench()
    bench.ring.registerFiles([bench.file])
    const registration = { dmabuf: bench.dmabuf, fileIndex: 0 }
    bench.run(bench.ring.registerBuffers([{ ...registration, policy: 'drain' }, registration]))
    expect(bench.twin.options).toEqual([{ policy: 'drain' }, {}])
    bench.finish()
  })
})
