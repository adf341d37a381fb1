// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AssertionFailure,
  Completion,
  createVirtualScheduler,
  Errno,
  exploreSeeds,
  fifoStrategy,
  Mutex,
  type Op,
  sleep,
  type Task,
  type VirtualScheduler,
  WaitQueue,
} from '../../src/index.ts'

const fifo = (): VirtualScheduler => createVirtualScheduler({ strategy: fifoStrategy() })

describe('WaitQueue', () => {
  it('wakeUp reaches every ordinary waiter, whatever each waits for, and one exclusive one', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    const done: string[] = []
    let level = 0
    function* waits(name: string, wanted: number): Op<void> {
      yield* queue.waitEvent(() => level >= wanted)
      done.push(name)
    }
    function* exclusive(name: string): Op<void> {
      yield* queue.waitEventExclusive(() => level >= 1)
      done.push(name)
    }
    scheduler.spawn('high', waits('high', 2))
    scheduler.spawn('x1', exclusive('x1'))
    scheduler.spawn('x2', exclusive('x2'))
    scheduler.spawn('low', waits('low', 1))
    scheduler.runReady()
    expect(queue.hasWaiters).toBe(true)
    level = 1
    queue.wakeUp()
    scheduler.runReady()
    expect(done).toEqual(['low', 'x1'])
    level = 2
    queue.wakeUpAll()
    scheduler.runUntilIdle()
    expect(done).toEqual(['low', 'x1', 'high', 'x2'])
    expect(queue.hasWaiters).toBe(false)
    queue.wakeUp()
  })

  it('an exclusive waiter that a signal ends passes on the wake that it got', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    let forSecond = false
    const first = scheduler.spawn(
      'first',
      queue.waitEventInterruptibleExclusive(() => false),
    )
    const second = scheduler.spawn(
      'second',
      queue.waitEventInterruptibleExclusive(() => forSecond),
    )
    scheduler.runReady()
    forSecond = true
    queue.wakeUp()
    first.signal()
    scheduler.runUntilIdle()
    expect(first.outcome).toEqual({ ok: true, value: -Errno.ERESTARTSYS })
    expect(second.outcome).toEqual({ ok: true, value: 0 })
    first.clearSignal()
    expect(first.signalPending).toBe(false)
  })

  it('a condition that holds beats a pending signal; one that does not, does not', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    const done = new Completion(scheduler, 'done')
    function* body(): Op<number[]> {
      scheduler.current?.signal()
      const results = [
        yield* queue.waitEventInterruptible(() => true),
        yield* queue.waitEventInterruptibleExclusive(() => true),
        yield* queue.waitEventInterruptible(() => false),
        yield* queue.waitEventInterruptibleTimeout(() => false, 10),
        yield* done.waitInterruptible(),
        yield* done.waitInterruptibleTimeout(10),
      ]
      scheduler.current?.clearSignal()
      results.push(yield* done.waitInterruptibleTimeout(10))
      results.push(yield* done.waitInterruptibleTimeout(0))
      done.complete()
      results.push(yield* done.waitInterruptibleTimeout(10))
      return results
    }
    const intr = -Errno.ERESTARTSYS
    expect(scheduler.runSync('t', body())).toEqual([0, 0, intr, intr, intr, intr, 0, 0, 10])
    expect(scheduler.outstanding()).toEqual([])
  })

  it('a signal does not end a wait that is not interruptible', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    let ready = false
    const task = scheduler.spawn(
      't',
      queue.waitEvent(() => ready),
    )
    scheduler.runReady()
    task.signal()
    scheduler.runReady()
    expect(task.state).toBe('parked')
    ready = true
    queue.wakeUp()
    scheduler.runUntilIdle()
    expect(task.state).toBe('done')
  })

  it('waiting outside of a task is refused', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    expect(() => queue.waitEvent(() => false).next()).toThrow(AssertionFailure)
    expect(() => new Mutex(scheduler, 'm').tryLock()).toThrow(AssertionFailure)
  })
})

describe('Completion', () => {
  it('lets waiters through one a call, in order, and a late timeout takes nothing', () => {
    const scheduler = fifo()
    const done = new Completion(scheduler, 'done')
    const order: string[] = []
    function* waiter(name: string): Op<void> {
      yield* done.wait()
      order.push(name)
    }
    for (const name of ['a', 'b', 'c']) scheduler.spawn(name, waiter(name))
    const timed = scheduler.spawn('timed', done.waitTimeout(10))
    scheduler.runReady()
    scheduler.advance(10)
    expect(timed.outcome).toEqual({ ok: true, value: 0 })
    done.complete()
    scheduler.runReady()
    done.complete()
    scheduler.runReady()
    expect(order).toEqual(['a', 'b'])
    expect(done.done).toBe(false)
    done.complete()
    scheduler.runUntilIdle()
    expect(order).toEqual(['a', 'b', 'c'])
    expect(done.tryWait()).toBe(false)
    done.completeAll()
    done.complete()
    expect([done.tryWait(), done.tryWait(), done.done]).toEqual([true, true, true])
  })

  it('a waiter that gave up is not let through later in place of another', () => {
    const scheduler = fifo()
    const done = new Completion(scheduler, 'done')
    function* givesUp(): Op<void> {
      expect(yield* done.waitTimeout(10)).toBe(0)
      yield* sleep(scheduler, 100)
    }
    scheduler.spawn('gives up', givesUp())
    scheduler.advance(5)
    const patient = scheduler.spawn('patient', done.wait())
    scheduler.advance(20)
    done.complete()
    scheduler.runReady()
    expect(patient.state).toBe('done')
    scheduler.runUntilIdle()
  })

  it('as many get through as were completed, under any schedule with timeouts and signals', () => {
    exploreSeeds(
      (scheduler) => {
        const done = new Completion(scheduler, 'done')
        const results: number[] = []
        const tasks: Task[] = []
        function* waiter(): Op<void> {
          results.push(yield* done.waitInterruptibleTimeout(10))
        }
        function* completer(): Op<void> {
          yield* sleep(scheduler, 10)
          done.complete()
          tasks[0]?.signal()
          done.complete()
        }
        for (let i = 0; i < 4; i++) tasks.push(scheduler.spawn(`w${i}`, waiter()))
        scheduler.spawn('completer', completer())
        scheduler.runUntilIdle()
        const through = results.filter((result) => result > 0).length
        let left = 0
        while (done.tryWait()) left++
        expect(through + left).toBe(2)
        expect(scheduler.outstanding()).toEqual([])
      },
      { count: 500 },
    )
  })
})

describe('Mutex', () => {
  it('is handed over in order, is unlocked by its holder only, and not taken twice', () => {
    const scheduler = fifo()
    const mutex = new Mutex(scheduler, 'm')
    const order: string[] = []
    function* user(name: string): Op<void> {
      yield* mutex.lock()
      order.push(name)
      expect(mutex.tryLock()).toBe(false)
      yield* sleep(scheduler, 1)
      mutex.unlock()
    }
    for (const name of ['a', 'b', 'c']) scheduler.spawn(name, user(name))
    scheduler.runReady()
    expect(mutex.owner()?.name).toBe('a')
    expect(() => mutex.unlock()).toThrow('by another than its holder')
    scheduler.runUntilIdle()
    expect(order).toEqual(['a', 'b', 'c'])
    expect(() => mutex.unlock()).toThrow('nobody held')
    function* twice(): Op<void> {
      expect(mutex.tryLock()).toBe(true)
      try {
        yield* mutex.lock()
      } finally {
        mutex.unlock()
      }
    }
    expect(() => scheduler.runSync('twice', twice())).toThrow('a task locks a mutex that it holds')
  })

  it('is not handed over to a task that gave up', () => {
    const scheduler = fifo()
    const mutex = new Mutex(scheduler, 'm')
    function* holder(): Op<void> {
      yield* mutex.lock()
      yield* sleep(scheduler, 10)
      mutex.unlock()
      expect(mutex.locked).toBe(false)
    }
    function* givesUp(): Op<void> {
      expect(yield* mutex.lockInterruptible()).toBe(-Errno.ERESTARTSYS)
      yield* sleep(scheduler, 100)
    }
    scheduler.spawn('holder', holder())
    const task = scheduler.spawn('gives up', givesUp())
    scheduler.runReady()
    task.signal()
    scheduler.runUntilIdle()
  })

  it('a lock handed over to a task that a signal woke is kept, not lost', () => {
    exploreSeeds(
      (scheduler) => {
        const mutex = new Mutex(scheduler, 'm')
        let granted = 0
        function* holder(): Op<void> {
          yield* mutex.lock()
          yield* sleep(scheduler, 5)
          mutex.unlock()
        }
        function* interruptible(): Op<void> {
          if ((yield* mutex.lockInterruptible()) !== 0) return
          granted++
          mutex.unlock()
        }
        scheduler.spawn('h', holder())
        const tasks = [1, 2, 3].map((n) => scheduler.spawn(`i${n}`, interruptible()))
        function* signals(): Op<void> {
          yield* sleep(scheduler, 5)
          for (const task of tasks) task.signal()
        }
        scheduler.spawn('s', signals())
        scheduler.runUntilIdle()
        expect(mutex.locked).toBe(false)
        expect(granted).toBeLessThanOrEqual(3)
        expect(scheduler.outstanding()).toEqual([])
      },
      { count: 300 },
    )
  })
})
