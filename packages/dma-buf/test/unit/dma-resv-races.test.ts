// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng, exploreAll, exploreSeeds, joinAll, type Op, yieldNow } from '@iolayers/kernel'
import { expect, it } from 'vitest'
import { DmaFence, DmaResv, DmaResvUsage } from '../../src/index.ts'
import { fenceOps } from '../support.ts'
import { createResvRig, type ResvRig, USAGES } from './dma-resv-support.ts'

function runAll(rig: ResvRig, actors: readonly Op<void>[]): void {
  const body = function* (): Op<void> {
    const tasks = actors.map((actor, i) => rig.scheduler.spawn(`actor ${i}`, actor))
    yield* joinAll(rig.scheduler, tasks)
  }
  rig.run(body())
}

it.each([
  ['grows', 5],
  ['has room', 1],
])(
  'gathering without the lock misses no fence that is pending all along while the list %s, in every schedule',
  (_how, slots) => {
    const run = (scheduler: ResvRig['scheduler']): void => {
      const rig = createResvRig({}, scheduler)
      const steady = rig.add(DmaResvUsage.READ)
      const context = rig.contexts.fenceContextAlloc(1)
      rig.add(DmaResvUsage.READ, rig.fence({ context, seqno: 1 })).put()
      const reader = function* (): Op<void> {
        const fences = rig.resv.getFences(DmaResvUsage.BOOKKEEP)
        expect(fences).toContain(steady)
        expect(fences.some((fence) => fence.context === context)).toBe(true)
        expect(new Set(fences).size).toBe(fences.length)
        for (const fence of fences) fence.put()
      }
      const writer = function* (): Op<void> {
        yield* rig.resv.lock(null)
        rig.resv.reserveFences(slots)
        const later = rig.fence({ context, seqno: 2 })
        rig.resv.addFence(later, DmaResvUsage.READ)
        later.put()
        rig.resv.unlock()
      }
      runAll(rig, [reader(), writer()])
      rig.end()
    }
    expect(exploreAll(run, { maxSchedules: 20_000 }).complete).toBe(true)
  },
)

it('a walk meets no dead end while the list is replaced and what has signalled is let go, in every schedule', () => {
  const run = (scheduler: ResvRig['scheduler']): void => {
    const rig = createResvRig({}, scheduler)
    let released = 0
    const release = (): void => {
      released++
      scheduler.choicePoint('a release')
    }
    const fences = [0, 1].map(() => new DmaFence(rig.kernel, { ...fenceOps, release }))
    for (const [i, fence] of fences.entries()) {
      fence.init(100 + i, 1)
      rig.add(DmaResvUsage.READ, fence)
      fence.put()
    }
    fences[0]?.signal()
    const reader = function* (): Op<void> {
      const gathered = rig.resv.getFences(DmaResvUsage.READ)
      expect(gathered).toEqual([fences[1]])
      for (const fence of gathered) fence.put()
    }
    const writer = function* (): Op<void> {
      yield* rig.resv.lock(null)
      rig.resv.reserveFences(8)
      rig.resv.unlock()
    }
    runAll(rig, [reader(), writer()])
    rig.resv.fini()
    expect(released).toBe(2)
  }
  expect(exploreAll(run, { maxSchedules: 20_000 }).complete).toBe(true)
})

it('walks, copies and looks among adds, replacements and signals leave every count right, 300 seeds', () => {
  exploreSeeds(
    (scheduler, seed) => {
      const rig = createResvRig({}, scheduler)
      const copy = new DmaResv(rig.kernel, rig.wwClass)
      const contexts = [0, 1, 2].map(() => rig.contexts.fenceContextAlloc(1))
      const made: DmaFence[] = []
      const writer = function* (id: number): Op<void> {
        const prng = createPrng(seed * 4 + id)
        for (let i = 0; i < 8; i++) {
          yield* rig.resv.lock(null)
          rig.resv.reserveFences(1 + prng.below(4))
          const context = contexts[prng.below(3)] ?? 0
          const fence = rig.fence({ context, seqno: made.length + 1 })
          made.push(fence)
          rig.resv.addFence(fence, USAGES[prng.below(4)] ?? 0)
          if (prng.below(4) === 0) rig.resv.replaceFences(context, fence, DmaResvUsage.BOOKKEEP)
          rig.resv.unlock()
          made[prng.below(made.length)]?.signal()
        }
      }
      const reader = function* (): Op<void> {
        for (let i = 0; i < 6; i++) {
          const fences = rig.resv.getFences(USAGES[i % 4] ?? 0)
          yield* yieldNow(scheduler)
          for (const fence of fences) fence.put()
          rig.resv.getSingleton(DmaResvUsage.BOOKKEEP, rig.contexts)?.put()
          yield* copy.lock(null)
          copy.copyFences(rig.resv)
          copy.unlock()
          rig.resv.setDeadline(DmaResvUsage.BOOKKEEP, 5)
          yield* rig.resv.waitTimeout(USAGES[i % 4] ?? 0, true, 1)
        }
      }
      runAll(rig, [writer(0), writer(1), reader(), reader()])
      for (const fence of made) {
        fence.signal()
        fence.put()
      }
      expect(rig.resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(true)
      copy.fini()
      rig.end()
    },
    { count: 300 },
  )
})
