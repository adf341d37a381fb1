// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  Completion,
  createVirtualScheduler,
  DeferredCall,
  Errno,
  Mutex,
  type Op,
  recordedStrategy,
  sleep,
  Timer,
  WaitQueue,
  yieldNow,
} from '../../src/index.ts'

describe('waiting', () => {
  it('a wake between registering and parking is not lost, under any schedule', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const scheduler = createVirtualScheduler({ seed })
      const queue = new WaitQueue(scheduler, 'q')
      let ready = false
      const waiters = [1, 2, 3].map((id) =>
        scheduler.spawn(
          `w${id}`,
          queue.waitEvent(() => ready),
        ),
      )
      scheduler.queue(
        new DeferredCall('irq', () => {
          ready = true
          queue.wakeUpAll()
        }),
      )
      scheduler.runUntilIdle()
      expect(waiters.every((task) => task.state === 'done')).toBe(true)
      expect(scheduler.outstanding()).toEqual([])
    }
  })

  it('a timed wait gives what is left, or 0 when the time runs out', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const queue = new WaitQueue(scheduler, 'q')
    let ready = false
    expect(
      scheduler.runSync(
        't',
        queue.waitEventTimeout(() => ready, 100),
      ),
    ).toBe(0)
    expect(scheduler.nowNs()).toBe(100)
    expect(
      scheduler.runSync(
        't',
        queue.waitEventTimeout(() => ready, 0),
      ),
    ).toBe(0)
    new Timer(scheduler, 'soon', () => {
      ready = true
      queue.wakeUp()
    }).arm(30)
    expect(
      scheduler.runSync(
        't',
        queue.waitEventTimeout(() => ready, 100),
      ),
    ).toBe(70)
    expect(
      scheduler.runSync(
        't',
        queue.waitEventTimeout(() => ready, 100),
      ),
    ).toBe(100)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('a signal ends an interruptible wait, and only that', () => {
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([]) })
    const queue = new WaitQueue(scheduler, 'q')
    const mutex = new Mutex(scheduler, 'm')
    let ready = false
    function* holder(): Op<void> {
      yield* mutex.lock()
      yield* queue.waitEvent(() => ready)
      mutex.unlock()
    }
    const held = scheduler.spawn('holder', holder())
    const waiting = scheduler.spawn(
      'waiting',
      queue.waitEventInterruptible(() => ready),
    )
    const locking = scheduler.spawn('locking', mutex.lockInterruptible())
    const timed = scheduler.spawn(
      'timed',
      queue.waitEventInterruptibleTimeout(() => ready, 1000),
    )
    function* signaller(): Op<void> {
      yield* yieldNow(scheduler)
      yield* yieldNow(scheduler)
      for (const task of [held, waiting, locking, timed]) task.signal()
      yield* sleep(scheduler, 10)
      ready = true
      queue.wakeUpAll()
    }
    scheduler.spawn('signaller', signaller())
    scheduler.runUntilIdle()
    expect(held.outcome).toEqual({ ok: true, value: undefined })
    for (const task of [waiting, locking, timed]) {
      expect(task.outcome).toEqual({ ok: true, value: -Errno.ERESTARTSYS })
    }
    expect(mutex.locked).toBe(false)
  })

  it('a completion lets one through a call, or all', () => {
    const scheduler = createVirtualScheduler({ seed: 5 })
    const done = new Completion(scheduler, 'done')
    done.complete()
    scheduler.runSync('first', done.wait())
    expect(done.done).toBe(false)
    expect(scheduler.runSync('second', done.waitTimeout(50))).toBe(0)
    done.completeAll()
    scheduler.runSync('third', done.wait())
    expect(scheduler.runSync('fourth', done.waitInterruptible())).toBe(0)
    expect(done.done).toBe(true)
    done.reinit()
    expect(done.done).toBe(false)
  })

  it('timers run at their time, in order, and can be moved and cancelled', () => {
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([]) })
    const log: string[] = []
    const timer = (name: string): Timer =>
      new Timer(scheduler, name, () => log.push(`${name} ${scheduler.nowNs()}`))
    const [a, b, c] = [timer('a'), timer('b'), timer('c')]
    a.arm(30)
    b.arm(10)
    c.arm(20)
    expect(c.cancel()).toBe(true)
    expect(c.cancel()).toBe(false)
    a.arm(5)
    expect(a.pending).toBe(true)
    scheduler.runUntilIdle()
    expect(log).toEqual(['a 5', 'b 10'])
  })
})
