// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AssertionFailure,
  createVirtualScheduler,
  Errno,
  exploreAll,
  fifoStrategy,
  joinAll,
  type Op,
  sleep,
  type Task,
  type VirtualScheduler,
  WwAcquireCtx,
  WwClass,
  WwMutex,
  yieldNow,
} from '../../src/index.ts'

interface Rig {
  readonly scheduler: VirtualScheduler
  readonly wwClass: WwClass
  readonly a: WwMutex
  readonly b: WwMutex
}

const rig = (
  scheduler: VirtualScheduler = createVirtualScheduler({ strategy: fifoStrategy() }),
): Rig => ({
  scheduler,
  wwClass: new WwClass('test'),
  a: new WwMutex(scheduler, 'a'),
  b: new WwMutex(scheduler, 'b'),
})

describe('ww_mutex', () => {
  it('locks with and without a context, refuses twice, and counts', () => {
    const { scheduler, wwClass, a, b } = rig()
    function* body(): Op<void> {
      const ctx = new WwAcquireCtx(wwClass)
      expect(yield* a.lock(ctx)).toBe(0)
      expect(yield* a.lock(ctx)).toBe(-Errno.EALREADY)
      expect(a.tryLock(ctx)).toBe(false)
      expect(b.tryLock(ctx)).toBe(true)
      expect([ctx.acquired, a.heldByCurrent, a.locked]).toEqual([2, true, true])
      ctx.done()
      a.unlock()
      b.unlock()
      expect(() => a.tryLock(ctx)).toThrow('done or had ended')
      ctx.fini()
      expect([ctx.acquired, ctx.finished]).toEqual([0, true])
      expect(yield* a.lock(null)).toBe(0)
      expect(a.owner()).toBe(scheduler.current)
      a.unlock()
    }
    scheduler.runSync('t', body())
    expect(a.locked).toBe(false)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('a wound is lazy: the younger one may take free locks, and backs off when it has to wait', () => {
    const { scheduler, wwClass, a, b } = rig()
    const free = new WwMutex(scheduler, 'free')
    const log: string[] = []
    function* older(ctx: WwAcquireCtx): Op<void> {
      yield* a.lock(ctx)
      yield* yieldNow(scheduler)
      log.push(`older gets b: ${yield* b.lock(ctx)}`)
      a.unlock()
      b.unlock()
      ctx.fini()
    }
    function* younger(ctx: WwAcquireCtx): Op<void> {
      yield* b.lock(ctx)
      yield* sleep(scheduler, 10)
      expect(ctx.wounded).toBe(true)
      log.push(`younger gets the free one: ${yield* free.lock(ctx)}`)
      log.push(`younger gets a: ${yield* a.lock(ctx)}`)
      expect(ctx.contending).toBe(a)
      free.unlock()
      b.unlock()
      yield* a.lockSlow(ctx)
      expect([ctx.wounded, ctx.contending, ctx.acquired]).toEqual([false, null, 1])
      a.unlock()
      ctx.fini()
    }
    scheduler.spawn('older', older(new WwAcquireCtx(wwClass)))
    scheduler.spawn('younger', younger(new WwAcquireCtx(wwClass)))
    scheduler.runUntilIdle()
    expect(log).toEqual([
      'younger gets the free one: 0',
      `younger gets a: ${-Errno.EDEADLK}`,
      'older gets b: 0',
    ])
  })

  it('one that holds nothing wounds nobody, and one that holds nothing is not sent back', () => {
    const { scheduler, wwClass, a } = rig()
    const older = new WwAcquireCtx(wwClass)
    const younger = new WwAcquireCtx(wwClass)
    function* holds(): Op<void> {
      expect(yield* a.lock(younger)).toBe(0)
      yield* sleep(scheduler, 10)
      expect(younger.wounded).toBe(false)
      a.unlock()
      younger.fini()
    }
    function* waits(): Op<void> {
      older.wounded = true
      expect(yield* a.lock(older)).toBe(0)
      a.unlock()
      older.fini()
    }
    scheduler.spawn('holds', holds())
    scheduler.spawn('waits', waits())
    scheduler.runUntilIdle()
  })

  it('a wound reaches a holder that is parked on another lock', () => {
    const { scheduler, wwClass, a, b } = rig()
    const c = new WwMutex(scheduler, 'c')
    const oldest = new WwAcquireCtx(wwClass)
    const youngest = new WwAcquireCtx(wwClass)
    let result = 1
    function* blocks(): Op<void> {
      yield* c.lock(null)
      yield* sleep(scheduler, 100)
      c.unlock()
    }
    function* young(): Op<void> {
      yield* b.lock(youngest)
      result = yield* c.lock(youngest)
      b.unlock()
      youngest.fini()
    }
    function* old(): Op<void> {
      yield* a.lock(oldest)
      yield* sleep(scheduler, 10)
      expect(yield* b.lock(oldest)).toBe(0)
      expect(scheduler.nowNs()).toBe(10)
      a.unlock()
      b.unlock()
      oldest.fini()
    }
    scheduler.spawn('blocks', blocks())
    scheduler.spawn('young', young())
    scheduler.spawn('old', old())
    scheduler.runUntilIdle()
    expect(result).toBe(-Errno.EDEADLK)
  })

  it('waiters with a context go by age, and those without keep their place', () => {
    const { scheduler, wwClass, a } = rig()
    const order: string[] = []
    const contexts = [1, 2, 3].map(() => new WwAcquireCtx(wwClass))
    function* holder(): Op<void> {
      yield* a.lock(null)
      yield* sleep(scheduler, 10)
      a.unlock()
    }
    function* waiter(name: string, ctx: WwAcquireCtx | null): Op<void> {
      expect(yield* a.lock(ctx)).toBe(0)
      order.push(name)
      a.unlock()
      ctx?.fini()
    }
    scheduler.spawn('holder', holder())
    const ctx = (n: number): WwAcquireCtx => contexts[n] ?? new WwAcquireCtx(wwClass)
    scheduler.spawn('third', waiter('third', ctx(2)))
    scheduler.spawn('plain', waiter('plain', null))
    scheduler.spawn('first', waiter('first', ctx(0)))
    scheduler.spawn('second', waiter('second', ctx(1)))
    scheduler.runUntilIdle()
    expect(order).toEqual(['first', 'second', 'third', 'plain'])
  })

  it('a signal ends an interruptible wait, slow ones too, and leaves no waiter behind', () => {
    const { scheduler, wwClass, a } = rig()
    function* holder(): Op<void> {
      yield* a.lock(null)
      yield* sleep(scheduler, 10)
      a.unlock()
    }
    scheduler.spawn('holder', holder())
    const waits = scheduler.spawn('waits', a.lockInterruptible(new WwAcquireCtx(wwClass)))
    const slow = scheduler.spawn('slow', a.lockSlowInterruptible(new WwAcquireCtx(wwClass)))
    scheduler.runReady()
    waits.signal()
    slow.signal()
    scheduler.runUntilIdle()
    for (const task of [waits, slow]) {
      expect(task.outcome).toEqual({ ok: true, value: -Errno.ERESTARTSYS })
    }
    expect(a.locked).toBe(false)
  })

  it('refuses the mistakes that lock debugging finds', () => {
    const { scheduler, wwClass, a, b } = rig()
    const run = (body: (ctx: WwAcquireCtx) => Op<void>): (() => void) => {
      const ctx = new WwAcquireCtx(wwClass)
      return () => scheduler.runSync('t', body(ctx))
    }
    expect(() => a.unlock()).toThrow('nobody held')
    expect(() => a.tryLock(null)).toThrow('only a task may sleep')
    expect(
      run(function* (ctx): Op<void> {
        yield* a.lock(ctx)
        try {
          ctx.fini()
        } finally {
          a.unlock()
        }
      }),
    ).toThrow('ended with locks held')
    expect(
      run(function* (ctx): Op<void> {
        yield* a.lock(ctx)
        try {
          yield* b.lockSlow(ctx)
        } finally {
          a.unlock()
        }
      }),
    ).toThrow('waits slowly with locks held')
    expect(
      run(function* (): Op<void> {
        yield* a.lock(null)
        try {
          yield* a.lock(null)
        } finally {
          a.unlock()
        }
      }),
    ).toThrow('a task locks a ww_mutex that it holds')
    expect(
      run(function* (ctx): Op<void> {
        ctx.contending = a
        yield* b.lock(ctx)
      }),
    ).toThrow('takes the lock that it lost')
    expect(
      run(function* (ctx): Op<void> {
        yield* a.lock(ctx)
        ctx.contending = b
        try {
          yield* b.lock(ctx)
        } finally {
          a.unlock()
        }
      }),
    ).toThrow('went on after EDEADLK with locks held')
    function* locks(): Op<void> {
      yield* a.lock(null)
    }
    scheduler.runSync('locks and ends', locks())
    expect(() => a.unlock()).toThrow(AssertionFailure)
  })

  it('two transactions that cross end under every schedule, one of them without backing off', () => {
    const backoffs = new Set<string>()
    const { complete } = exploreAll(
      (scheduler) => {
        const { wwClass, a, b } = rig(scheduler)
        const log: string[] = []
        function* cross(name: string, first: WwMutex, second: WwMutex): Op<void> {
          const ctx = new WwAcquireCtx(wwClass)
          expect(yield* first.lock(ctx)).toBe(0)
          let held = [first, second]
          if ((yield* second.lock(ctx)) !== 0) {
            log.push(`${name} ${ctx.stamp}`)
            first.unlock()
            yield* second.lockSlow(ctx)
            held = [second]
          }
          for (const lock of held) lock.unlock()
          ctx.fini()
        }
        const tasks: Task<void>[] = [
          scheduler.spawn('x', cross('x', a, b)),
          scheduler.spawn('y', cross('y', b, a)),
        ]
        scheduler.runSync('both', joinAll(scheduler, tasks))
        expect(log.length).toBeLessThanOrEqual(1)
        backoffs.add(log.join())
      },
      { maxSchedules: 100_000 },
    )
    expect(complete).toBe(true)
    // Only the younger transaction ever backs off.
    expect(backoffs).toEqual(new Set(['', 'x 2', 'y 2']))
  })
})
