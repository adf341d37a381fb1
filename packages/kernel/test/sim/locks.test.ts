// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  Completion,
  createEventLoopScheduler,
  createKernel,
  createVirtualScheduler,
  DeadlockError,
  joinAll,
  Mutex,
  type Op,
  WaitQueue,
  WorkItem,
  yieldNow,
} from '../../src/index.ts'

describe('locks under the virtual scheduler', () => {
  it('reports a deadlock with who waits for what and who holds it', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const a = new Mutex(scheduler, 'a')
    const b = new Mutex(scheduler, 'b')
    function* cross(first: Mutex, second: Mutex): Op<void> {
      yield* first.lock()
      for (let i = 0; i < 5; i++) yield* yieldNow(scheduler)
      yield* second.lock()
    }
    scheduler.spawn('one', cross(a, b))
    scheduler.spawn('two', cross(b, a))
    expect(() => scheduler.runUntilIdle()).toThrow(DeadlockError)
    expect(scheduler.outstanding().join()).toContain('task one waits for mutex b, held by task two')
  })

  it('runs the same from the same seed', () => {
    const run = (seed: number): string => {
      const scheduler = createVirtualScheduler({ seed })
      const kernel = createKernel({ scheduler })
      const log: string[] = []
      const point = kernel.tracer.point('tick', ['who', 'n'])
      kernel.tracer.subscribe(
        () => true,
        (event) => log.push(`${event.seq} ${event.task} ${event.values.join(' ')}`),
      )
      const queue = new WaitQueue(scheduler, 'q')
      let n = 0
      function* actor(who: string): Op<void> {
        for (let i = 0; i < 5; i++) {
          point.emit(who, n++)
          queue.wakeUp()
          yield* queue.waitEventTimeout(() => n > 20, 10)
        }
      }
      const tasks = ['a', 'b', 'c'].map((who) => scheduler.spawn(who, actor(who)))
      scheduler.runSync('all', joinAll(scheduler, tasks))
      return `${log.join('\n')}\n${scheduler.choices.join()}`
    }
    expect(run(7)).toBe(run(7))
    expect(run(7)).not.toBe(run(8))
  })

  it('work queues do everything that is queued, with a bounded number of workers', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const scheduler = createVirtualScheduler({ seed })
      const kernel = createKernel({ scheduler }, { workers: 2 })
      let running = 0
      let most = 0
      let done = 0
      const items = Array.from(
        { length: 8 },
        (_, i) =>
          new WorkItem(`w${i}`, function* () {
            running++
            most = Math.max(most, running)
            yield* yieldNow(scheduler)
            running--
            done++
          }),
      )
      for (const item of items) expect(kernel.systemWq.queue(item)).toBe(true)
      scheduler.runSync('flush', kernel.systemWq.flush())
      expect(done).toBe(8)
      expect(most).toBeLessThanOrEqual(2)
      scheduler.runUntilIdle()
      expect(scheduler.outstanding()).toEqual([])
    }
  })

  it('the event loop runs tasks, calls and timers, and gives the outcome to the promise', async () => {
    const scheduler = createEventLoopScheduler()
    const completion = new Completion(scheduler, 'c')
    function* waiter(): Op<string> {
      yield* completion.wait()
      return 'woken'
    }
    const outcome = scheduler.run('waiter', waiter())
    completion.complete()
    expect(await outcome).toBe('woken')
    function* fails(): Op<void> {
      yield* yieldNow(scheduler)
      throw new Error('no')
    }
    await expect(scheduler.run('fails', fails())).rejects.toThrow('no')
  })
})
