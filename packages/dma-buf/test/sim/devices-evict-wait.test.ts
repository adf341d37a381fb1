// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { joinAll, type Op, type TraceEvent, type WwAcquireCtx } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { cpu, dynamicDevice, mover, owner, staticDevice } from './actors.ts'
import {
  callbackUser,
  fenceWaiter,
  poller,
  signaller,
  transactions,
  waiter,
} from './fence-actors.ts'
import { createCounts, type SimCounts, SimWorld } from './world.ts'

const SEEDS = 2_500

interface Play {
  readonly title: string
  readonly nonCoherent: boolean
  /** Who takes part, beside two owners of buffers. */
  cast(world: SimWorld): readonly Op<void>[]
  /** That the seeds did show what they should. */
  shown(counts: SimCounts): boolean
}

/** Two devices that let go when they are told to, and who tells them. */
function devices(world: SimWorld, rounds: number): Op<void>[] {
  const [a, b] = world.devices
  if (a === undefined || b === undefined) return []
  return [dynamicDevice(world, a, 0, rounds), dynamicDevice(world, b, 2, rounds), mover(world)]
}

function pinning(world: SimWorld): Op<void>[] {
  const device = world.devices[2]
  return device === undefined ? [] : [staticDevice(world, device, 4)]
}

const plays: readonly Play[] = [
  {
    title: 'devices that map, move with the buffer and are waited for',
    nonCoherent: false,
    cast: (world) => [
      ...devices(world, 2),
      mover(world),
      ...pinning(world),
      cpu(world, 5),
      transactions(world, new Set()),
      waiter(world),
    ],
    shown: ({ moves, maps, pinned }) => moves > SEEDS && maps > SEEDS && pinned > 0,
  },
  {
    title: 'devices that do not snoop, beside the CPU',
    nonCoherent: true,
    cast: (world) => [
      ...devices(world, 2),
      mover(world),
      ...pinning(world),
      cpu(world, 5),
      cpu(world, 6),
      transactions(world, new Set()),
      signaller(world),
    ],
    shown: ({ moves, maps, interrupted }) => moves > SEEDS && maps > SEEDS && interrupted > 0,
  },
  {
    title: 'transactions over several buffers that back off for older ones',
    nonCoherent: false,
    cast: (world) => {
      const active = new Set<WwAcquireCtx>()
      const some = [1, 2, 3, 4].map(() => transactions(world, active))
      const others = [
        owner(world),
        waiter(world),
        poller(world),
        signaller(world),
        ...pinning(world),
      ]
      return [...some, ...others, ...devices(world, 1)]
    },
    shown: ({ backoffs, interrupted, moves }) =>
      backoffs > SEEDS / 4 && interrupted > 0 && moves > 0,
  },
  {
    title: 'fences of all classes that signal in any order, with waits, callbacks and signals',
    nonCoherent: false,
    cast: (world) => {
      const active = new Set<WwAcquireCtx>()
      const some = [transactions(world, active), transactions(world, active)]
      const waiting = [
        waiter(world),
        fenceWaiter(world),
        fenceWaiter(world),
        poller(world),
        poller(world),
      ]
      return [...some, ...waiting, callbackUser(world), signaller(world), ...devices(world, 1)]
    },
    shown: ({ callbacks, removed, timeouts, interrupted, polls }) =>
      polls > SEEDS &&
      callbacks > SEEDS &&
      removed > SEEDS / 10 &&
      timeouts > SEEDS / 10 &&
      interrupted > 0,
  },
]

function runSeed(play: Play, seed: number, counts: SimCounts, traced = false): string {
  const world = new SimWorld({ seed, counts, nonCoherent: play.nonCoherent })
  const { scheduler, kernel } = world.rig
  const events: TraceEvent[] = []
  if (traced) {
    kernel.tracer.subscribe(
      () => true,
      (event) => events.push(event),
    )
  }
  const cast = [owner(world), owner(world), ...play.cast(world)]
  const body = function* (): Op<void> {
    yield* joinAll(
      scheduler,
      cast.map((op, i) => scheduler.spawn(`actor ${i}`, world.watched(op))),
    )
  }
  try {
    world.rig.run(body())
    world.finish()
  } catch (error) {
    throw world.firstError ?? error
  }
  return traced ? JSON.stringify([events, scheduler.choices, scheduler.nowNs()]) : ''
}

/** No two plays share a seed: ten thousand of them. */
describe('several devices map, evict and wait: nothing lost, stuck or used after it was freed', () => {
  for (const [i, play] of plays.entries()) {
    const first = 1 + i * SEEDS
    it(`seeds ${first} to ${first + SEEDS - 1}: ${play.title}`, () => {
      const counts = createCounts()
      for (let seed = first; seed < first + SEEDS; seed++) {
        try {
          runSeed(play, seed, counts)
        } catch (error) {
          throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
        }
      }
      expect(play.shown(counts), JSON.stringify(counts)).toBe(true)
    })

    it(`the same seed gives the same run of ${play.title}`, () => {
      const [once, again, other] = [11, 11, 12].map((seed) =>
        runSeed(play, seed, createCounts(), true),
      )
      expect(once).toBe(again)
      expect(once).not.toBe(other)
    })
  }
})
