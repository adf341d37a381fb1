// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AssertionFailure,
  Completion,
  createKernel,
  createVirtualScheduler,
  createWorkQueue,
  DeadlockError,
  DelayedWork,
  exploreSeeds,
  fifoStrategy,
  joinAll,
  type Op,
  sleep,
  type VirtualScheduler,
  WorkItem,
  yieldNow,
} from '../../src/index.ts'

const fifo = (): VirtualScheduler => createVirtualScheduler({ strategy: fifoStrategy() })

describe('work queues', () => {
  it('runs an item once a queueing, and says false while it is pending', () => {
    const scheduler = fifo()
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 2 })
    let runs = 0
    const item = new WorkItem('i', function* (): Op<void> {
      yield* yieldNow(scheduler)
      runs++
    })
    expect(queue.queue(item)).toBe(true)
    expect(queue.queue(item)).toBe(false)
    scheduler.runUntilIdle()
    expect(runs).toBe(1)
    expect([item.pending, item.running, queue.begun]).toEqual([false, false, 1])
    expect(scheduler.outstanding()).toEqual([])
  })

  it('an item queued while it runs runs again, never twice at once', () => {
    exploreSeeds(
      (scheduler) => {
        const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 4 })
        let inside = 0
        let runs = 0
        const item: WorkItem = new WorkItem('i', function* (): Op<void> {
          expect(++inside).toBe(1)
          if (++runs < 5) expect(queue.queue(item)).toBe(true)
          yield* yieldNow(scheduler)
          yield* yieldNow(scheduler)
          inside--
        })
        queue.queue(item)
        scheduler.runUntilIdle()
        expect(runs).toBe(5)
        expect(scheduler.outstanding()).toEqual([])
      },
      { count: 50 },
    )
  })

  it('keeps to its active items, and to the order when that is one', () => {
    exploreSeeds(
      (scheduler) => {
        const kernel = createKernel({ scheduler })
        for (const maxActive of [1, 3]) {
          const queue = createWorkQueue(kernel, { name: 'q', maxActive })
          const began: number[] = []
          let active = 0
          for (let i = 0; i < 8; i++) {
            queue.queue(
              new WorkItem(`i${i}`, function* (): Op<void> {
                began.push(i)
                expect(++active).toBeLessThanOrEqual(maxActive)
                yield* sleep(scheduler, 10 - i)
                active--
              }),
            )
          }
          scheduler.runSync('destroy', queue.destroy())
          expect(began).toHaveLength(8)
          if (maxActive === 1) expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
        }
        expect(scheduler.outstanding()).toEqual([])
      },
      { count: 50 },
    )
  })

  it('flush waits for what was queued before it, not for what came after', () => {
    const scheduler = fifo()
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 4 })
    const go = new Completion(scheduler, 'go')
    const log: string[] = []
    queue.queue(
      new WorkItem('before', function* (): Op<void> {
        yield* sleep(scheduler, 50)
        log.push('before')
      }),
    )
    const flushes = [1, 2].map((n) =>
      scheduler.spawn(
        `flush ${n}`,
        (function* (): Op<void> {
          yield* queue.flush()
          log.push(`flushed ${n}`)
        })(),
      ),
    )
    scheduler.runReady()
    queue.queue(new WorkItem('after', () => go.wait()))
    scheduler.runSync('flushes', joinAll(scheduler, flushes))
    expect(log).toEqual(['before', 'flushed 1', 'flushed 2'])
    go.completeAll()
    scheduler.runSync('flush', queue.flush())
    scheduler.runSync('flush', queue.flush())
    expect(scheduler.outstanding()).toEqual([])
  })

  it('flush is not held up by an item that queues itself for ever', () => {
    const scheduler = fifo()
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 1 })
    let runs = 0
    let stop = false
    const item: WorkItem = new WorkItem('again', function* (): Op<void> {
      runs++
      yield* yieldNow(scheduler)
      if (!stop) queue.queue(item)
    })
    queue.queue(item)
    scheduler.runSync('flush', queue.flush())
    expect(runs).toBeLessThan(4)
    stop = true
    scheduler.runSync('destroy', queue.destroy())
    expect(() => queue.queue(item)).toThrow(AssertionFailure)
    scheduler.runUntilIdle()
  })

  it('cancel takes off what has not begun: active, inactive, or to run again', () => {
    const scheduler = fifo()
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 1 })
    const go = new Completion(scheduler, 'go')
    const log: string[] = []
    const make = (name: string): WorkItem =>
      new WorkItem(name, function* (): Op<void> {
        log.push(name)
        yield* go.wait()
      })
    const [a, b, c] = [make('a'), make('b'), make('c')]
    for (const item of [a, b, c]) queue.queue(item)
    expect(queue.cancel(a)).toBe(true)
    expect(queue.cancel(a)).toBe(false)
    scheduler.runReady()
    expect(log).toEqual(['b'])
    expect(queue.cancel(c)).toBe(true)
    queue.queue(b)
    expect(queue.cancel(b)).toBe(true)
    const other = createWorkQueue({ scheduler }, { name: 'other', maxActive: 1 })
    queue.queue(c)
    expect(() => other.cancel(c)).toThrow(AssertionFailure)
    expect(() => other.queue(b)).toThrow('moved to another queue')
    go.completeAll()
    scheduler.runUntilIdle()
    expect(log).toEqual(['b', 'c'])
    expect(scheduler.outstanding()).toEqual([])
  })

  it('cancelSync leaves the item neither pending nor running, even if it queues itself', () => {
    exploreSeeds(
      (scheduler) => {
        const { systemWq: queue } = createKernel({ scheduler })
        const item: WorkItem = new WorkItem('again', function* (): Op<void> {
          yield* yieldNow(scheduler)
          queue.queue(item)
          yield* yieldNow(scheduler)
        })
        queue.queue(item)
        function* cancels(): Op<void> {
          for (let i = 0; i < 5; i++) yield* yieldNow(scheduler)
          yield* queue.cancelSync(item)
          expect([item.pending, item.running]).toEqual([false, false])
        }
        scheduler.runSync('cancels', cancels())
        scheduler.runUntilIdle()
        expect(scheduler.outstanding()).toEqual([])
      },
      { count: 100 },
    )
  })

  it('refuses what would wait for itself', () => {
    const scheduler = fifo()
    const { systemWq: queue } = createKernel({ scheduler })
    queue.queue(new WorkItem('flusher', () => queue.flush()))
    expect(() => scheduler.runUntilIdle()).toThrow('a work item waits for its own queue')
    const self: WorkItem = new WorkItem('self', function* (): Op<void> {
      yield* queue.cancelSync(self)
    })
    queue.queue(self)
    expect(() => scheduler.runUntilIdle()).toThrow('a work item waits for its own end')
    expect(() => createWorkQueue({ scheduler }, { name: 'q', maxActive: 0 })).toThrow()
    expect(() => createKernel({ scheduler }, { workers: 0 })).toThrow(AssertionFailure)
    scheduler.runUntilIdle()
  })

  it('with every worker blocked, a queue with a rescuer gets on, and unblocks them', () => {
    exploreSeeds(
      (scheduler) => {
        const kernel = createKernel({ scheduler }, { workers: 2 })
        const freed = new Completion(scheduler, 'memory to be freed')
        for (let i = 0; i < 4; i++) {
          kernel.systemWq.queue(new WorkItem(`needs memory ${i}`, () => freed.wait()))
        }
        let steps = 0
        for (let i = 0; i < 3; i++) {
          kernel.reclaimWq.queue(
            new WorkItem(`frees memory ${i}`, function* (): Op<void> {
              yield* yieldNow(scheduler)
              if (++steps === 3) freed.completeAll()
            }),
          )
        }
        scheduler.runUntilIdle()
        expect(steps).toBe(3)
        expect(kernel.workers.workers).toBe(2)
        expect(kernel.systemWq.begun).toBe(4)
        expect(scheduler.outstanding()).toEqual([])
      },
      { count: 200 },
    )
  })

  it('two items at once for one idle worker: the second gets a worker of its own', () => {
    const scheduler = fifo()
    const { systemWq: queue } = createKernel({ scheduler }, { workers: 2 })
    const done = new Completion(scheduler, 'the second')
    queue.queue(new WorkItem('makes the worker', () => yieldNow(scheduler)))
    scheduler.runUntilIdle()
    queue.queue(new WorkItem('first', () => done.wait()))
    queue.queue(
      new WorkItem('second', function* (): Op<void> {
        done.complete()
      }),
    )
    scheduler.runUntilIdle()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('the rescuer is called after 10 ms without a worker, and again every 100 ms', () => {
    const scheduler = fifo()
    const kernel = createKernel({ scheduler }, { workers: 1 })
    const hold = new Completion(scheduler, 'hold')
    const rescue = new Completion(scheduler, 'rescue')
    kernel.systemWq.queue(new WorkItem('blocks', () => hold.wait()))
    scheduler.runReady()
    let atNs = -1
    const notes = new WorkItem('notes', function* (): Op<void> {
      atNs = scheduler.nowNs()
      yield* rescue.wait()
    })
    kernel.reclaimWq.queue(notes)
    scheduler.advance(9e6)
    expect(atNs).toBe(-1)
    scheduler.advance(1e6)
    expect(atNs).toBe(10e6)
    expect(kernel.reclaimWq.rescued).toBe(1)
    // The rescuer is blocked itself now: the next one waits until it is free.
    let second = -1
    kernel.reclaimWq.queue(
      new WorkItem('second', function* (): Op<void> {
        second = scheduler.nowNs()
      }),
    )
    scheduler.advance(300e6)
    expect(second).toBe(-1)
    rescue.completeAll()
    scheduler.runReady()
    expect(second).toBe(310e6)
    hold.completeAll()
    scheduler.runUntilIdle()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('an item with a rescuer behind others, in front of others, gets one all the same', () => {
    const scheduler = fifo()
    const kernel = createKernel({ scheduler }, { workers: 1 })
    const freed = new Completion(scheduler, 'memory')
    kernel.systemWq.queue(new WorkItem('wakes the worker', () => yieldNow(scheduler)))
    scheduler.runReady()
    // All three while the one worker is idle: the two behind find it taken.
    kernel.systemWq.queue(new WorkItem('needs', () => freed.wait()))
    kernel.reclaimWq.queue(
      new WorkItem('frees', function* (): Op<void> {
        freed.complete()
      }),
    )
    let last = false
    kernel.systemWq.queue(
      new WorkItem('last', function* (): Op<void> {
        last = true
      }),
    )
    scheduler.runUntilIdle()
    expect([kernel.reclaimWq.rescued, last, scheduler.nowNs()]).toEqual([1, true, 10e6])
    expect(scheduler.outstanding()).toEqual([])
  })

  it('an item that fails ends as any other, also when the hook for its error fails', () => {
    const scheduler = createVirtualScheduler({
      strategy: fifoStrategy(),
      onUnhandled: () => {
        throw new Error('the hook')
      },
    })
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 1 })
    const item = new WorkItem('i', function* (): Op<void> {
      yield* yieldNow(scheduler)
      throw new Error('the item')
    })
    queue.queue(item)
    expect(() => scheduler.runUntilIdle()).toThrow('the hook')
    expect([item.running, item.pending, queue.begun]).toEqual([false, false, 1])
  })

  it('no mayday stays armed once a worker has come', () => {
    const scheduler = fifo()
    const kernel = createKernel({ scheduler }, { workers: 1 })
    const hold = new Completion(scheduler, 'hold')
    kernel.systemWq.queue(new WorkItem('blocks', () => hold.wait()))
    kernel.reclaimWq.queue(new WorkItem('waits', () => yieldNow(scheduler)))
    scheduler.runReady()
    expect(scheduler.outstanding()).toContain('timer mayday of kworker is armed')
    hold.complete()
    scheduler.runReady()
    expect(scheduler.outstanding()).toEqual([])
    expect(kernel.reclaimWq.rescued).toBe(0)
  })

  it('without a rescuer the same is a deadlock that names the workers', () => {
    const scheduler = fifo()
    const kernel = createKernel({ scheduler }, { workers: 1 })
    const freed = new Completion(scheduler, 'memory')
    kernel.systemWq.queue(new WorkItem('needs', () => freed.wait()))
    kernel.systemWq.queue(
      new WorkItem('frees', function* (): Op<void> {
        freed.complete()
      }),
    )
    expect(() => scheduler.runUntilIdle()).toThrow(DeadlockError)
    expect(scheduler.outstanding()).toEqual(['task kworker/1 waits for memory'])
    freed.complete()
    scheduler.runUntilIdle()
  })

  it('destroy ends workers and rescuer, also those of a pool of its own', () => {
    const scheduler = fifo()
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 1, rescuer: true })
    let done = 0
    const hold = new Completion(scheduler, 'hold')
    queue.queue(new WorkItem('blocks', () => hold.wait()))
    queue.queue(
      new WorkItem('then', function* (): Op<void> {
        done++
      }),
    )
    scheduler.advance(50e6)
    hold.completeAll()
    scheduler.runSync('destroy', queue.destroy())
    scheduler.runUntilIdle()
    expect(done).toBe(1)
    expect(queue.rescued).toBe(0)
  })

  it('delayed work runs after its delay, can be moved, and cancelled at any stage', () => {
    const scheduler = fifo()
    const { systemWq } = createKernel({ scheduler })
    const at: number[] = []
    const delayed: DelayedWork = new DelayedWork(scheduler, systemWq, 'd', function* (): Op<void> {
      at.push(scheduler.nowNs())
      delayed.schedule(5)
      yield* yieldNow(scheduler)
    })
    delayed.schedule(100)
    delayed.schedule(20)
    expect(delayed.pending).toBe(true)
    scheduler.advance(30)
    expect(at).toEqual([20, 25, 30])
    scheduler.runSync('cancel', delayed.cancelSync())
    expect(delayed.pending).toBe(false)
    scheduler.runUntilIdle()
    delayed.schedule(10)
    expect(delayed.cancelTimer()).toBe(true)
    expect(scheduler.runSync('cancel', delayed.cancelSync())).toBe(false)
    scheduler.runUntilIdle()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('delayed work that is queued already and scheduled again runs once, at the later time', () => {
    const scheduler = fifo()
    const queue = createWorkQueue({ scheduler }, { name: 'q', maxActive: 1 })
    const hold = new Completion(scheduler, 'hold')
    queue.queue(new WorkItem('blocks', () => hold.wait()))
    const at: number[] = []
    const delayed = new DelayedWork(scheduler, queue, 'd', function* (): Op<void> {
      at.push(scheduler.nowNs())
    })
    delayed.schedule(10)
    scheduler.advance(20)
    expect([delayed.work.pending, delayed.pending]).toEqual([true, true])
    delayed.schedule(100)
    expect([delayed.work.pending, delayed.pending]).toEqual([false, true])
    hold.complete()
    scheduler.runUntilIdle()
    expect(at).toEqual([120])
    expect(scheduler.outstanding()).toEqual([])
  })
})
