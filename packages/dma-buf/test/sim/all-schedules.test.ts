// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import {
  assert,
  DeferredCall,
  Errno,
  exploreAll,
  exploreSeeds,
  type Op,
  type Task,
  type VirtualScheduler,
  WwAcquireCtx,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createMovableHeap,
  type DmaBuf,
  type DmaFence,
  DmaFenceCallback,
  type DmaResv,
  DmaResvUsage,
  MAX_SCHEDULE_TIMEOUT,
} from '../../src/index.ts'
import { RecordingExporter, type Rig } from '../support.ts'
import { createFence, createRigOn } from './explore-rig.ts'
import { SimImporter } from './importer.ts'
import { PageGuard } from './page-guard.ts'
import { ReservationLog } from './reservation-log.ts'

const { READ } = DmaResvUsage
const SOME = 5_000

/** Starts all, runs them to their end, and looks at what they left. */
function play(rig: Rig, actors: readonly Op<void>[]): void {
  for (const [i, op] of actors.entries()) rig.scheduler.spawn(`actor ${i}`, op)
  rig.scheduler.runUntilIdle()
  assert(rig.scheduler.outstanding().length === 0, 'something is outstanding')
}

/** Runs every schedule of `world`, which gives its outcome in words; the outcomes that came up. */
function outcomesOf(world: (scheduler: VirtualScheduler) => string): string[] {
  const outcomes = new Set<string>()
  const all = exploreAll((scheduler) => outcomes.add(world(scheduler)), { maxSchedules: 200_000 })
  expect(all.complete).toBe(true)
  return [...outcomes].sort()
}

describe('every schedule of a small world', () => {
  it('two wait for a fence, one signals it, one adds and removes a callback', () => {
    const outcomes = outcomesOf((scheduler) => {
      const rig = createRigOn(scheduler)
      const fence = createFence(rig)
      let [ran, removed, added, woken] = [0, false, false, 0]
      const callback = new DmaFenceCallback(() => {
        ran++
      })
      const waiter = function* (): Op<void> {
        assert((yield* fence.wait(false, MAX_SCHEDULE_TIMEOUT)) > 0, 'a wait without a bound ended')
        assert(fence.isSignaled(), 'woken too early')
        woken++
      }
      const signaller = function* (): Op<void> {
        yield* yieldNow(scheduler)
        fence.signal()
      }
      const remover = function* (): Op<void> {
        added = fence.addCallback(callback)
        yield* yieldNow(scheduler)
        removed = fence.removeCallback(callback)
      }
      play(rig, [waiter(), waiter(), signaller(), remover()])
      assert(woken === 2, 'a waiter was left behind')
      return `added ${added}, removed ${removed}, ran ${ran}`
    })
    expect(outcomes).toEqual([
      'added false, removed false, ran 0',
      'added true, removed false, ran 1',
      'added true, removed true, ran 0',
    ])
  })

  it('a wait that is bounded and interruptible ends by the fence, the signal or the time, whichever comes first', () => {
    const outcomes = outcomesOf((scheduler) => {
      const rig = createRigOn(scheduler)
      const fence = createFence(rig)
      let result = -1
      const waiter: Task = scheduler.spawn(
        'waiter',
        (function* (): Op<void> {
          result = yield* fence.wait(true, 100)
        })(),
      )
      const signaller = function* (): Op<void> {
        yield* yieldNow(scheduler)
        if (scheduler.nowNs() === 0) fence.signal()
      }
      const interrupter = function* (): Op<void> {
        waiter.signal()
        yield* yieldNow(scheduler)
      }
      play(rig, [signaller(), interrupter()])
      assert(fence.isSignaled(), 'a fence was not signalled')
      return result === 100
        ? 'signalled'
        : result === -Errno.ERESTARTSYS
          ? 'interrupted'
          : `${result}`
    })
    expect(outcomes).toEqual(['interrupted', 'signalled'])
  })

  it('a wait without the lock, while the list grows and a fence of it is replaced', () => {
    const outcomes = outcomesOf((scheduler) => {
      const rig = createRigOn(scheduler)
      const resv = rig.core.createResv()
      const log = new ReservationLog(rig.kernel, resv)
      const add = (fence: DmaFence): DmaFence => {
        resv.reserveFences(1)
        resv.addFence(fence, READ)
        log.added(fence, READ)
        return fence
      }
      // Signals a while after somebody asked, and is nobody's but the list's.
      const interrupt = new DeferredCall('fence interrupt', () => {
        last.signal()
        last.put()
      })
      const last = createFence(rig, {
        enableSignaling: () => {
          last.get()
          scheduler.queue(interrupt)
          return true
        },
      })
      const fences: DmaFence[] = []
      const fill = function* (): Op<void> {
        yield* resv.lock(null)
        for (let i = 0; i < 3; i++) fences.push(add(createFence(rig)))
        add(last)
        last.put()
        resv.unlock()
      }
      rig.run(fill())
      let replaced = false
      const changer = function* (): Op<void> {
        yield* resv.lock(null)
        // Does not fit: from now on the list is another one, and the old one is not looked after.
        const fifth = add(createFence(rig))
        const replacement = createFence(rig)
        resv.replaceFences(last.context, replacement, READ)
        log.replaced(last.context, replacement, READ)
        resv.unlock()
        yield* yieldNow(scheduler)
        replaced = true
        fifth.signal()
        replacement.signal()
      }
      const signaller = function* (): Op<void> {
        fences[1]?.signal()
        yield* yieldNow(scheduler)
        fences[0]?.signal()
        fences[2]?.signal()
      }
      let early = false
      const waiter = function* (): Op<void> {
        yield* log.wait(READ, false, MAX_SCHEDULE_TIMEOUT)
        early = !replaced
      }
      play(rig, [waiter(), changer(), signaller()])
      log.check()
      return early ? 'ended before the replacement signalled' : 'ended after it'
    })
    expect(outcomes).toEqual(['ended after it', 'ended before the replacement signalled'])
  })

  it('two transactions that lock two buffers in opposite order: one may be sent back, never the older one', () => {
    const outcomes = outcomesOf((scheduler) => {
      const rig = createRigOn(scheduler)
      const [a, b] = [rig.core.createResv(), rig.core.createResv()]
      const backoffs = [0, 0]
      const contexts = [0, 1].map(() => new WwAcquireCtx(rig.core.reservationWwClass))
      let finished = 0
      const transaction = function* (at: number, first: DmaResv, second: DmaResv): Op<void> {
        const ctx = contexts[at]
        assert(ctx !== undefined, 'no context')
        yield* lockBoth(ctx, first, second, () => {
          backoffs[at] = (backoffs[at] ?? 0) + 1
        })
        assert(first.held && second.held, 'a lock is missing')
        second.unlock()
        first.unlock()
        ctx.fini()
        finished++
      }
      const plain = function* (): Op<void> {
        yield* b.lock(null)
        b.unlock()
      }
      play(rig, [transaction(0, a, b), transaction(1, b, a), plain()])
      assert(finished === 2, 'a transaction did not end')
      return `backed off ${backoffs.join(' and ')} times`
    })
    expect(outcomes).toEqual(['backed off 0 and 0 times', 'backed off 0 and 1 times'])
  })

  it('R-ITER-1 R-ITER-5 a walk, the last put of the buffer after its place, and an export', () => {
    const outcomes = outcomesOf((scheduler) => {
      const rig = createRigOn(scheduler)
      const { core } = rig
      const ops = new RecordingExporter()
      const buffers = [1, 2, 3].map(() =>
        core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' }),
      )
      const seen: number[] = []
      const walker = function* (): Op<void> {
        for (let item = core.begin(); item !== null; item = core.next(item)) {
          seen.push(item.inode)
          yield* yieldNow(scheduler)
        }
      }
      let exported: DmaBuf | null = null
      const others = function* (): Op<void> {
        buffers[1]?.put()
        yield* yieldNow(scheduler)
        exported = core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
      }
      play(rig, [walker(), walker(), others()])
      for (const one of [buffers[0], buffers[2], exported]) one?.put()
      assert(core.stats.live === 0, 'a buffer is left')
      return seen.join(' ')
    })
    expect(outcomes.length).toBeGreaterThan(1)
    for (const outcome of outcomes) {
      // Each of the two walks saw the two that live throughout, in their order.
      expect(outcome.replaceAll(/[24]/g, '').split(/\s+/).filter(Boolean).sort()).toEqual([
        '1',
        '1',
        '3',
        '3',
      ])
    }
  })
})

/** Both, with as many attempts as it takes. @see Documentation/locking/ww-mutex-design.rst */
function* lockBoth(
  ctx: WwAcquireCtx,
  first: DmaResv,
  second: DmaResv,
  onBackoff: () => void,
): Op<void> {
  let [held, wanted] = [first, second]
  let status = yield* held.lock(ctx)
  assert(status === 0, 'one that holds nothing was sent back')
  for (status = yield* wanted.lock(ctx); status !== 0; status = yield* wanted.lock(ctx)) {
    assert(status === -Errno.EDEADLK, 'a ww lock failed')
    onBackoff()
    held.unlock()
    yield* wanted.lockSlow(ctx)
    ;[held, wanted] = [wanted, held]
  }
}

describe('schedules of devices and an evictor on one buffer', () => {
  const world = (scheduler: VirtualScheduler, devices: number, drain: boolean): void => {
    const rig = createRigOn(scheduler, 4)
    const guard = new PageGuard(rig.memory)
    const heap = createMovableHeap(rig)
    const dmabuf = heap.allocate(PAGE_SIZE)
    const all = Array.from({ length: devices }, (_, i) => rig.device(`dev ${i}`))
    const device = function* (i: number): Op<void> {
      const at = all[i]
      assert(at !== undefined, 'no device')
      const importer = new SimImporter(rig, dmabuf, at, { guard, drain, skipCpuSync: true })
      assert((yield* importer.increment(i * 16)) === 0, 'a wrong byte')
      yield* importer.close()
    }
    const evictor = function* (): Op<void> {
      assert(yield* heap.move(dmabuf), 'not moved')
    }
    play(rig, [...all.map((_, i) => device(i)), evictor()])
    dmabuf.put()
    assert(guard.allocated === 0, 'pages are left')
    guard.assertPoison()
    for (const one of all) one.destroy()
    scheduler.runUntilIdle()
  }

  for (const drain of [false, true]) {
    it(`R-MQ-6 one device that ${drain ? 'waits for its DMA' : 'leaves a fence'}, one evictor: every schedule`, () => {
      const run = (scheduler: VirtualScheduler): void => world(scheduler, 1, drain)
      expect(exploreAll(run, { maxSchedules: 10_000 }).complete).toBe(true)
    })

    // There are too many for all of them: the first in order, and some by chance.
    it(`R-MQ-6 two devices that ${drain ? 'wait for their DMA' : 'leave a fence'}, one evictor: ${SOME} schedules`, () => {
      const run = (scheduler: VirtualScheduler): void => world(scheduler, 2, drain)
      expect(exploreAll(run, { maxSchedules: SOME / 2 }).schedules).toBe(SOME / 2)
      exploreSeeds(run, { count: SOME / 2 })
    })
  }
})
