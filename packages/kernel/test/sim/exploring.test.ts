// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  createKernel,
  createVirtualScheduler,
  DeferredCall,
  ExploreFailure,
  exploreAll,
  exploreSeeds,
  fifoStrategy,
  joinAll,
  Mutex,
  type Op,
  PercpuRef,
  RcuHead,
  recordedStrategy,
  replay,
  Timer,
  type VirtualScheduler,
  WaitQueue,
  yieldNow,
} from '../../src/index.ts'

/** Two tasks that each add 1 in two steps, with the race that this has. */
function racyCounter(scheduler: VirtualScheduler): void {
  let counter = 0
  function* adder(): Op<void> {
    const seen = counter
    yield* yieldNow(scheduler)
    counter = seen + 1
  }
  scheduler.spawn('a', adder())
  scheduler.spawn('b', adder())
  scheduler.runUntilIdle()
  if (counter !== 2) throw new Error(`lost update: ${counter}`)
}

describe('exploring', () => {
  it('every schedule of independent steps is run exactly once', () => {
    const orders = new Set<string>()
    const result = exploreAll(
      (scheduler) => {
        const log: string[] = []
        function* actor(name: string): Op<void> {
          log.push(name)
          yield* yieldNow(scheduler)
          log.push(name)
        }
        for (const name of ['a', 'b', 'c']) scheduler.spawn(name, actor(name))
        scheduler.runUntilIdle()
        orders.add(log.join(''))
      },
      { maxSchedules: 1000 },
    )
    // 6! / (2! 2! 2!) interleavings.
    expect(orders.size).toBe(90)
    expect(result).toEqual({ schedules: 90, complete: true })
  })

  it('stops at the bound of schedules and says so', () => {
    const result = exploreAll(
      (scheduler) => {
        for (const name of ['a', 'b', 'c']) scheduler.queue(new DeferredCall(name, () => undefined))
        scheduler.runUntilIdle()
      },
      { maxSchedules: 4 },
    )
    expect(result).toEqual({ schedules: 4, complete: false })
  })

  it('a failing schedule comes with its choices, which replay it', () => {
    let failure: unknown
    try {
      exploreAll(racyCounter, { maxSchedules: 100 })
    } catch (error) {
      failure = error
    }
    if (!(failure instanceof ExploreFailure)) throw new Error('the race was not found')
    expect(failure.seed).toBeNull()
    expect(failure.message).toMatch(/lost update: 1 \(choices \[[\d, ]+\]\)/)
    const { choices } = failure
    expect(() => replay(racyCounter, choices)).toThrow('lost update: 1')
  })

  it('a failing seed is named and fails again', () => {
    let failure: unknown
    try {
      exploreSeeds(racyCounter, { count: 100, first: 5 })
    } catch (error) {
      failure = error
    }
    if (!(failure instanceof ExploreFailure) || failure.seed === null) throw new Error('not found')
    expect(failure.seed).toBeGreaterThanOrEqual(5)
    const { seed } = failure
    expect(() => racyCounter(createVirtualScheduler({ seed }))).toThrow('lost update')
    exploreSeeds((scheduler) => scheduler.runUntilIdle(), { count: 2 })
  })

  it('a recording that does not fit the run is refused', () => {
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([7]) })
    scheduler.queue(new DeferredCall('a', () => undefined))
    scheduler.queue(new DeferredCall('b', () => undefined))
    expect(() => scheduler.runReady()).toThrow('the run is not the recorded one')
  })

  it('a choice point in plain code lets any runnable run nested, several of them and deeper ones too', () => {
    const logs = new Set<string>()
    const { complete } = exploreAll(
      (scheduler) => {
        const log: string[] = []
        const section = (name: string): void => {
          log.push(`${name}{`)
          if (scheduler.exploring) scheduler.choicePoint(name)
          log.push(`}${name}`)
        }
        for (const name of ['a', 'b', 'c']) {
          scheduler.queue(new DeferredCall(name, () => section(name)))
        }
        scheduler.runUntilIdle()
        logs.add(log.join(''))
      },
      { maxSchedules: 10_000 },
    )
    expect(complete).toBe(true)
    expect(logs).toContain('a{}ab{}bc{}c')
    expect(logs).toContain('a{b{}bc{}c}a')
    expect(logs).toContain('c{b{a{}a}b}c')
    // Left out, as documented: the earlier of two suspended sections ending first.
    expect([...logs].some((log) => log.includes('a{b{}a'))).toBe(false)
    // Strictly nested: 5 shapes of three brackets, 3! namings.
    expect(logs.size).toBe(30)
  })

  it('who runs nested has its own current task, and the interrupted one gets its back', () => {
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([0, 0]) })
    const seen: string[] = []
    const note = (): void => void seen.push(scheduler.current?.name ?? 'none')
    function* outer(): Op<void> {
      note()
      scheduler.choicePoint('here')
      note()
    }
    function* inner(): Op<void> {
      note()
    }
    scheduler.spawn('outer', outer())
    scheduler.spawn('inner', inner())
    scheduler.runUntilIdle()
    expect(seen).toEqual(['outer', 'inner', 'outer'])
  })

  it('an error of a nested actor does not hit the code that it interrupted', () => {
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([0, 0]) })
    let wentOn = false
    scheduler.queue(
      new DeferredCall('section', () => {
        scheduler.choicePoint('here')
        wentOn = true
      }),
    )
    scheduler.queue(
      new DeferredCall('bad', () => {
        throw new Error('nested')
      }),
    )
    expect(() => scheduler.runUntilIdle()).toThrow('nested')
    expect(wentOn).toBe(true)
  })

  it('choice points nest to a bound, and do nothing without an exploring strategy', () => {
    let deepest = 0
    let depth = 0
    const scheduler = createVirtualScheduler({
      strategy: { choose: () => 0, chooseNested: () => 0 },
      nestingMax: 2,
    })
    for (let i = 0; i < 6; i++) {
      scheduler.queue(
        new DeferredCall(`c${i}`, () => {
          deepest = Math.max(deepest, ++depth)
          scheduler.choicePoint('x')
          depth--
        }),
      )
    }
    scheduler.runUntilIdle()
    expect(deepest).toBe(3)
    const fifo = createVirtualScheduler({ strategy: fifoStrategy() })
    let ran = false
    fifo.queue(new DeferredCall('c', () => (ran = true)))
    fifo.choicePoint('x')
    expect([fifo.exploring, ran]).toEqual([false, false])
    fifo.runUntilIdle()
  })

  it('an RCU grace period never ends inside a section that was open at its start, under any schedule', () => {
    let overlapped = 0
    const { complete } = exploreAll(
      (scheduler) => {
        const { rcu } = createKernel({ scheduler })
        let published: { freed: boolean } | null = { freed: false }
        const reader = (): void => {
          rcu.readLock()
          try {
            const seen = published
            scheduler.choicePoint('looked')
            if (seen === null) return
            expect(seen.freed).toBe(false)
            scheduler.choicePoint('looked again')
            expect(seen.freed).toBe(false)
          } finally {
            rcu.readUnlock()
          }
        }
        const writer = (): void => {
          const old = published
          published = null
          if (old === null) return
          if (rcu.readers > 0) overlapped++
          rcu.call(new RcuHead(() => (old.freed = true)))
        }
        scheduler.queue(new DeferredCall('reader 1', reader))
        scheduler.queue(new DeferredCall('writer', writer))
        scheduler.queue(new DeferredCall('reader 2', reader))
        scheduler.runUntilIdle()
        expect(scheduler.outstanding()).toEqual([])
        expect(rcu.callbacks).toBe(1)
      },
      { maxSchedules: 20_000 },
    )
    expect(complete).toBe(true)
    expect(overlapped).toBeGreaterThan(0)
  })

  it('a section that opens after the grace period began does not hold it up', () => {
    // reader first, then nested in it nothing; the callback is ready before the section opens.
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([0]) })
    const { rcu } = createKernel({ scheduler })
    let freed = false
    rcu.call(new RcuHead(() => (freed = true)))
    rcu.readLock()
    scheduler.choicePoint('inside')
    expect(freed).toBe(true)
    rcu.readUnlock()
  })

  it('barrier returns only when every earlier callback has ended, nested ones too', () => {
    const { complete } = exploreAll(
      (scheduler) => {
        const { rcu } = createKernel({ scheduler })
        let ended = 0
        const slow = (): void => {
          scheduler.choicePoint('in a callback')
          ended++
        }
        rcu.call(new RcuHead(slow))
        rcu.call(new RcuHead(slow))
        scheduler.runSync('barrier', rcu.barrier())
        expect(ended).toBe(2)
      },
      { maxSchedules: 20_000 },
    )
    expect(complete).toBe(true)
  })

  it('a percpu ref releases once, after every reference taken, under any schedule', () => {
    const outcomes = new Set<string>()
    const { complete } = exploreAll(
      (scheduler) => {
        const kernel = createKernel({ scheduler })
        let released = 0
        let confirmed = false
        const ref = new PercpuRef(kernel, 'r', () => released++)
        const got: boolean[] = []
        const user = (): void => {
          const late = confirmed
          const live = ref.tryGetLive()
          got.push(live)
          if (late) expect(live).toBe(false)
          if (!live) return
          expect(released).toBe(0)
          scheduler.choicePoint('held')
          expect(released).toBe(0)
          ref.put()
        }
        scheduler.queue(new DeferredCall('user 1', user))
        scheduler.queue(new DeferredCall('killer', () => ref.kill(() => (confirmed = true))))
        scheduler.queue(new DeferredCall('user 2', user))
        scheduler.runUntilIdle()
        expect(released).toBe(1)
        expect(confirmed).toBe(true)
        expect(ref.isZero).toBe(true)
        ref.exit()
        outcomes.add(got.join())
      },
      { maxSchedules: 50_000 },
    )
    expect(complete).toBe(true)
    // In the order of ending: one that looked before the kill may still get its reference.
    expect(outcomes).toEqual(new Set(['true,true', 'true,false', 'false,false']))
  })

  it('a mutex excludes under every schedule, and is handed over in the order of waiting', () => {
    const { complete } = exploreAll(
      (scheduler) => {
        const mutex = new Mutex(scheduler, 'm')
        let inside = 0
        function* user(): Op<void> {
          yield* mutex.lock()
          expect(++inside).toBe(1)
          yield* yieldNow(scheduler)
          inside--
          mutex.unlock()
        }
        for (const name of ['a', 'b']) scheduler.spawn(name, user())
        scheduler.runUntilIdle()
        expect(mutex.locked).toBe(false)
      },
      { maxSchedules: 10_000 },
    )
    expect(complete).toBe(true)
  })

  it('no schedule loses a wake-up', () => {
    const { complete } = exploreAll(
      (scheduler) => {
        const queue = new WaitQueue(scheduler, 'q')
        let items = 0
        function* consumer(): Op<void> {
          yield* queue.waitEventExclusive(() => items > 0)
          items--
        }
        const produce = (): void => {
          items++
          scheduler.choicePoint('produced, nobody woken yet')
          queue.wakeUp()
        }
        const tasks = ['a', 'b'].map((name) => scheduler.spawn(name, consumer()))
        scheduler.queue(new DeferredCall('irq 1', produce))
        scheduler.queue(new DeferredCall('irq 2', produce))
        scheduler.runSync('all', joinAll(scheduler, tasks))
        expect(items).toBe(0)
      },
      { maxSchedules: 100_000 },
    )
    expect(complete).toBe(true)
  })

  it('a timer and what cancels it: exactly one of them wins, under every schedule', () => {
    const winners = new Set<string>()
    exploreAll(
      (scheduler) => {
        const log: string[] = []
        const timer = new Timer(scheduler, 't', () => log.push('fired'))
        const other = new Timer(scheduler, 'o', () => {
          if (timer.cancel()) log.push('cancelled')
        })
        timer.arm(10)
        other.arm(10)
        scheduler.runUntilIdle()
        expect(log).toHaveLength(1)
        winners.add(log.join())
      },
      { maxSchedules: 100 },
    )
    expect(winners).toEqual(new Set(['fired', 'cancelled']))
  })
})
