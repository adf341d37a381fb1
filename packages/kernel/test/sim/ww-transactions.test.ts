// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  createPrng,
  Errno,
  exploreSeeds,
  joinAll,
  type Op,
  type Prng,
  sleep,
  type VirtualScheduler,
  WwAcquireCtx,
  WwClass,
  WwMutex,
  yieldNow,
} from '../../src/index.ts'

const SEEDS = 1500

interface World {
  readonly scheduler: VirtualScheduler
  readonly wwClass: WwClass
  readonly locks: readonly WwMutex[]
  /** What each lock protects: its holder, or 0. */
  readonly holder: number[]
  backoffs: number
}

/** A random subset, in random order. */
function pick(prng: Prng, count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = prng.below(i + 1)
    const [a = 0, b = 0] = [all[i], all[j]]
    all[i] = b
    all[j] = a
  }
  return all.slice(0, 1 + prng.below(count))
}

function* transaction(world: World, id: number, prng: Prng): Op<void> {
  const { scheduler, locks, holder } = world
  const wanted = pick(prng, locks.length)
  const ctx = new WwAcquireCtx(world.wwClass)
  const held: number[] = []
  const take = (index: number): void => {
    expect(holder[index]).toBe(0)
    holder[index] = id
    held.push(index)
  }
  const drop = (): void => {
    for (const index of held.splice(0)) {
      expect(holder[index]).toBe(id)
      holder[index] = 0
      locks[index]?.unlock()
    }
  }
  for (let at = 0; at < wanted.length; ) {
    const index = wanted[at] ?? 0
    const lock = locks[index]
    if (lock === undefined) throw new Error('no such lock')
    const result = yield* lock.lock(ctx)
    if (result === -Errno.EDEADLK) {
      world.backoffs++
      drop()
      yield* lock.lockSlow(ctx)
      take(index)
      at = 0
    } else if (result === -Errno.EALREADY) at++
    else {
      expect(result).toBe(0)
      take(index)
      at++
    }
    if (prng.below(4) === 0) yield* sleep(scheduler, prng.below(5))
  }
  ctx.done()
  expect([...held].sort()).toEqual([...wanted].sort())
  yield* yieldNow(scheduler)
  drop()
  ctx.fini()
}

describe('ww transactions', () => {
  it(`random transactions never deadlock and always exclude, under ${SEEDS} seeds`, () => {
    let backoffs = 0
    exploreSeeds(
      (scheduler, seed) => {
        const prng = createPrng(seed)
        const count = 2 + prng.below(4)
        const world: World = {
          scheduler,
          wwClass: new WwClass('test'),
          locks: Array.from({ length: count }, (_, i) => new WwMutex(scheduler, `lock ${i}`)),
          holder: new Array<number>(count).fill(0),
          backoffs: 0,
        }
        const tasks = Array.from({ length: 2 + prng.below(4) }, (_, i) =>
          scheduler.spawn(`t${i}`, transaction(world, i + 1, createPrng(seed * 31 + i))),
        )
        scheduler.runSync('all', joinAll(scheduler, tasks))
        expect(world.holder.every((id) => id === 0)).toBe(true)
        expect(world.locks.some((lock) => lock.locked)).toBe(false)
        expect(scheduler.outstanding()).toEqual([])
        backoffs += world.backoffs
      },
      { count: SEEDS },
    )
    expect(backoffs).toBeGreaterThan(SEEDS / 4)
  }, 30_000)
})
