// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createPrng,
  ExploreFailure,
  exploreAll,
  exploreSeeds,
  joinAll,
  type Op,
  type VirtualScheduler,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  DmaFence,
  DmaFenceCallback,
  dmaFenceChainFindSeqno,
  dmaFenceGetRcuSafe,
  MAX_SCHEDULE_TIMEOUT,
} from '../../src/index.ts'
import {
  createFenceRig,
  expectAllReleased,
  FenceChains,
  type FenceRig,
} from './dma-fence-support.ts'

/** Runs the actors together to their ends. */
function runAll(rig: FenceRig, actors: readonly Op<void>[]): void {
  const body = function* (): Op<void> {
    yield* joinAll(
      rig.scheduler,
      actors.map((actor, i) => rig.scheduler.spawn(`actor ${i}`, actor)),
    )
  }
  rig.run(body())
}

interface RaceSlot {
  fence: DmaFence | null
  done: boolean
}

/** Publishes fences and waits for those that the other one publishes, with a callback on each. */
function* signalCallback(
  rig: FenceRig,
  slots: readonly [RaceSlot, RaceSlot],
  id: 0 | 1,
  before: boolean,
): Op<void> {
  const { scheduler, kernel } = rig
  const [mine, theirs] = [slots[id], slots[id === 0 ? 1 : 0]]
  for (let pass = 0; pass < 5; pass++) {
    const own = rig.fence()
    own.enableSignaling()
    mine.fence = own
    let other: DmaFence | null = null
    while (other === null && !theirs.done) {
      kernel.rcu.readLock()
      other = dmaFenceGetRcuSafe(kernel, theirs)
      kernel.rcu.readUnlock()
      yield* yieldNow(scheduler)
    }
    if (before) own.signal()
    let seen = false
    const callback = new DmaFenceCallback(() => {
      seen = true
    })
    const added = other?.addCallback(callback) === true
    if (!added) seen = true
    yield* yieldNow(scheduler)
    if (!before) own.signal()
    if (!seen) yield* other?.wait(false, MAX_SCHEDULE_TIMEOUT) ?? yieldNow(scheduler)
    expect(seen).toBe(true)
    other?.put()
    mine.fence = null
    own.put()
  }
  mine.done = true
}

describe('dma_fence: races', () => {
  it.each(['before', 'after'] as const)(
    'a callback is either refused or called, with the signal %s it is added, 400 seeds',
    (when) => {
      exploreSeeds(
        (scheduler) => {
          const rig = createFenceRig(scheduler)
          const slots = [
            { fence: null, done: false },
            { fence: null, done: false },
          ] as const
          const before = when === 'before'
          runAll(rig, [
            signalCallback(rig, slots, 0, before),
            signalCallback(rig, slots, 1, before),
          ])
          expectAllReleased(rig)
        },
        { count: 400 },
      )
    },
  )

  it('a callback that was removed is never called, one that was not is called once, in every schedule', () => {
    const outcomes = new Set<boolean>()
    const run = (scheduler: VirtualScheduler): void => {
      const rig = createFenceRig(scheduler)
      const fence = rig.fence()
      let calls = 0
      let removed = false
      const other = new DmaFenceCallback(() => scheduler.choicePoint('a callback'))
      const callback = new DmaFenceCallback(() => calls++)
      fence.addCallback(other)
      fence.addCallback(callback)
      const remover = function* (): Op<void> {
        removed = fence.removeCallback(callback)
        expect(fence.removeCallback(callback)).toBe(false)
      }
      const signaller = function* (): Op<void> {
        fence.signal()
      }
      runAll(rig, [remover(), signaller()])
      expect(calls).toBe(removed ? 0 : 1)
      outcomes.add(removed)
      fence.put()
      expectAllReleased(rig)
    }
    expect(exploreAll(run, { maxSchedules: 10_000 }).complete).toBe(true)
    expect(outcomes.size).toBe(2)
  })

  it('an array signals once, whoever signals, looks and lets go meanwhile, 400 seeds', () => {
    exploreSeeds(
      (scheduler, seed) => {
        const rig = createFenceRig(scheduler)
        const fences = [rig.fence(), rig.fence(), rig.fence()]
        for (const fence of fences) fence.get()
        const array = rig.array(fences, seed % 2 === 0)
        let signals = 0
        const signaller = function* (fence: DmaFence): Op<void> {
          yield* yieldNow(scheduler)
          fence.signal()
          fence.put()
        }
        const watcher = function* (): Op<void> {
          array.get()
          const added = array.addCallback(new DmaFenceCallback(() => signals++))
          yield* yieldNow(scheduler)
          array.isSignaled()
          yield* array.wait(false, MAX_SCHEDULE_TIMEOUT)
          expect(signals).toBe(added ? 1 : 0)
          array.put()
        }
        runAll(rig, [watcher(), ...fences.map(signaller)])
        expect(array.signaledFlag).toBe(true)
        array.put()
        expectAllReleased(rig)
      },
      { count: 400 },
    )
  })
})

describe('dma_fence_chain: races', () => {
  it('searches find what is pending while others signal and take links out, 200 seeds', () => {
    exploreSeeds(
      (scheduler, seed) => {
        const rig = createFenceRig(scheduler)
        const fc = new FenceChains(rig, 48)
        const searcher = function* (id: number): Op<void> {
          const prng = createPrng(seed * 10 + id)
          for (let i = 0; i < 24; i++) {
            const seqno = prng.below(fc.chains.length) + 1
            const link = dmaFenceChainFindSeqno(fc.tail, seqno)
            if (link?.seqno === seqno) {
              const self = dmaFenceChainFindSeqno(link, seqno)
              expect(self).toBe(link)
              self?.put()
            }
            link?.put()
            yield* yieldNow(scheduler)
            fc.signal(prng.below(fc.chains.length - 1))
          }
        }
        runAll(rig, [searcher(0), searcher(1), searcher(2)])
        expect(fc.tail.isSignaled()).toBe(false)
        fc.end()
      },
      { count: 200 },
    )
  })

  it('no wake-up is lost when links signal while the wait for the tail begins, 300 seeds', () => {
    exploreSeeds(
      (scheduler) => {
        const rig = createFenceRig(scheduler)
        const fc = new FenceChains(rig, 6)
        const signaller = function* (indices: readonly number[]): Op<void> {
          for (const i of indices) {
            fc.signal(i)
            yield* yieldNow(scheduler)
          }
        }
        const waiter = function* (): Op<void> {
          yield* fc.tail.wait(false, MAX_SCHEDULE_TIMEOUT)
          for (const fence of fc.fences) expect(fence.signaledFlag).toBe(true)
        }
        runAll(rig, [waiter(), waiter(), signaller([5, 0, 3]), signaller([4, 2, 1])])
        fc.end()
      },
      { count: 300 },
    )
  })
})

/** A driver that goes away once its fence has signalled, while somebody asks for its name. */
function driverGoes(waits: boolean): (scheduler: VirtualScheduler) => void {
  return (scheduler) => {
    const rig = createFenceRig(scheduler)
    const driver: { name: string | null } = { name: 'driver' }
    const name = (): string => {
      scheduler.choicePoint('in the driver')
      if (driver.name === null) throw new Error('the driver is gone')
      return driver.name
    }
    const fence = new DmaFence(rig.kernel, { getDriverName: name, getTimelineName: name })
    fence.init(1, 1)
    const leave = function* (): Op<void> {
      fence.signal()
      if (waits) yield* rig.kernel.rcu.synchronize()
      driver.name = null
    }
    const ask = function* (): Op<void> {
      expect(['driver', 'detached-driver']).toContain(fence.driverName)
      expect(['driver', 'signaled-timeline']).toContain(fence.timelineName)
      expect(fence.describe()).toMatch(/^1:1 /)
    }
    runAll(rig, [leave(), ask()])
    fence.put()
  }
}

describe('dma_fence: names', () => {
  it('are not asked of a driver that signalled, waited for a grace period and went, in any schedule (T3)', () => {
    expect(exploreAll(driverGoes(true), { maxSchedules: 10_000 }).complete).toBe(true)
  })

  it('are asked of a driver that went without waiting, in some schedule (T3)', () => {
    expect(() => exploreAll(driverGoes(false), { maxSchedules: 10_000 })).toThrow(ExploreFailure)
  })
})
