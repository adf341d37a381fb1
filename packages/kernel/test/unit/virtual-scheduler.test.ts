// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AssertionFailure,
  createKernel,
  createPrng,
  createVirtualScheduler,
  DeadlockError,
  DeferredCall,
  fifoStrategy,
  joinAll,
  joinTask,
  Mutex,
  type Op,
  recordedStrategy,
  sleep,
  Timer,
  type VirtualScheduler,
  WaitQueue,
  WorkItem,
  WwAcquireCtx,
  WwClass,
  WwMutex,
  yieldNow,
} from '../../src/index.ts'

const fifo = (): VirtualScheduler => createVirtualScheduler({ strategy: fifoStrategy() })

function* fails(message: string): Op<never> {
  throw new Error(message)
}

describe('the virtual scheduler', () => {
  it('gives values and errors of runSync and of run', async () => {
    const scheduler = fifo()
    function* value(): Op<number> {
      yield* sleep(scheduler, 5)
      return 7
    }
    expect(scheduler.runSync('v', value())).toBe(7)
    expect(() => scheduler.runSync('f', fails('no'))).toThrow('no')
    expect(await scheduler.run('v', value())).toBe(7)
    await expect(scheduler.run('f', fails('no'))).rejects.toThrow('no')
    expect(scheduler.outstanding()).toEqual([])
  })

  it('interleaves what is promised together', async () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    let ready = false
    function* sets(): Op<string> {
      yield* yieldNow(scheduler)
      ready = true
      queue.wakeUp()
      return 'set'
    }
    function* waits(): Op<string> {
      yield* queue.waitEvent(() => ready)
      return 'waited'
    }
    const both = Promise.all([scheduler.run('w', waits()), scheduler.run('s', sets())])
    expect(await both).toEqual(['waited', 'set'])
  })

  it('a promise of what can never end is rejected with the deadlock', async () => {
    const scheduler = fifo()
    const never = new WaitQueue(scheduler, 'the impossible')
    const stuck = scheduler.run(
      'stuck',
      never.waitEvent(() => false),
    )
    await expect(stuck).rejects.toThrow('task stuck waits for the impossible')
    expect(scheduler.outstanding()).toEqual(['task stuck waits for the impossible'])
  })

  it('names everybody in a deadlock: mutex, ww_mutex, join, work', () => {
    const scheduler = fifo()
    const kernel = createKernel({ scheduler })
    const mutex = new Mutex(scheduler, 'm')
    const ww = new WwMutex(scheduler, 'w')
    function* holder(): Op<void> {
      yield* mutex.lock()
      yield* ww.lock(null)
    }
    function* other(): Op<void> {
      yield* ww.lock(null)
      yield* yieldNow(scheduler)
      yield* mutex.lock()
    }
    const first = scheduler.spawn('other', other())
    const second = scheduler.spawn('holder', holder())
    kernel.systemWq.queue(new WorkItem('work', () => mutex.lock()))
    let error: unknown
    try {
      scheduler.runSync('joiner', joinAll(scheduler, [first, second]))
    } catch (caught) {
      error = caught
    }
    if (!(error instanceof DeadlockError)) throw new Error('no deadlock was reported')
    expect([...error.waiting].sort()).toEqual([
      'task holder waits for ww_mutex w, held by task other',
      'task joiner waits for end of task other, held by task other',
      'task kworker/1 waits for mutex m, held by task holder',
      'task other waits for mutex m, held by task holder',
    ])
    expect(() => scheduler.runUntilIdle()).toThrow(DeadlockError)
  })

  it('a failure that nobody joins surfaces where the scheduler is driven, once', () => {
    const scheduler = fifo()
    scheduler.spawn('f', fails('unseen'))
    expect(() => scheduler.runUntilIdle()).toThrow('unseen')
    scheduler.runUntilIdle()
    scheduler.spawn('f', fails('unseen'))
    expect(() => scheduler.runSync('ok', sleep(scheduler, 1))).toThrow('unseen')
  })

  it('a failure that is joined later in the same run is the joiner\u2019s', () => {
    const scheduler = fifo()
    function* parent(): Op<string> {
      const child = scheduler.spawn('child', fails('seen'))
      yield* sleep(scheduler, 100)
      try {
        return yield* joinTask(scheduler, child)
      } catch (error) {
        return `joined: ${String(error)}`
      }
    }
    expect(scheduler.runSync('parent', parent())).toBe('joined: Error: seen')
  })

  it('a failure explains a deadlock better than the deadlock', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    scheduler.spawn('f', fails('the reason'))
    const op = queue.waitEvent(() => false)
    expect(() => scheduler.runSync('w', op)).toThrow('the reason')
  })

  it('errors of calls, timers, RCU callbacks and work reach whoever drives, all of them', () => {
    const scheduler = fifo()
    const kernel = createKernel({ scheduler })
    const throws = (text: string) => (): never => {
      throw new Error(text)
    }
    scheduler.queue(new DeferredCall('c', throws('call')))
    expect(() => scheduler.runUntilIdle()).toThrow('call')
    new Timer(scheduler, 't', throws('timer')).arm(5)
    expect(() => scheduler.runUntilIdle()).toThrow('timer')
    kernel.systemWq.queue(new WorkItem('w', () => fails('work')))
    expect(() => scheduler.runUntilIdle()).toThrow('work')
    kernel.tracer.subscribe(() => true, throws('sink'))
    kernel.tracer.point('p', []).emit()
    scheduler.raise(new Error('other'), 'here')
    scheduler.queue(new DeferredCall('c', () => undefined))
    expect(() => scheduler.runUntilIdle()).toThrow(AggregateError)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('a hook takes the unhandled errors instead, with their source', () => {
    const seen: string[] = []
    const scheduler = createVirtualScheduler({
      strategy: fifoStrategy(),
      onUnhandled: (error, source) => seen.push(`${source}: ${String(error)}`),
    })
    scheduler.spawn('f', fails('one'))
    scheduler.queue(
      new DeferredCall('c', () => {
        throw new Error('two')
      }),
    )
    scheduler.runUntilIdle()
    expect(seen).toEqual(['call c: Error: two', 'task f: Error: one'])
  })

  it('time passes only when nothing can run, and by hand', () => {
    const scheduler = fifo()
    const log: string[] = []
    const timer = (name: string): Timer =>
      new Timer(scheduler, name, () => log.push(`${name}@${scheduler.nowNs()}`))
    timer('a').arm(10)
    timer('b').arm(20)
    const far = timer('far')
    far.arm(1000)
    scheduler.queue(new DeferredCall('now', () => log.push(`now@${scheduler.nowNs()}`)))
    scheduler.runReady()
    expect(log).toEqual(['now@0'])
    expect(scheduler.outstanding()).toHaveLength(3)
    scheduler.advance(15)
    expect(log).toEqual(['now@0', 'a@10'])
    expect(scheduler.nowNs()).toBe(15)
    scheduler.advance(5)
    expect(log).toEqual(['now@0', 'a@10', 'b@20'])
    expect(() => scheduler.advance(-1)).toThrow(AssertionFailure)
    expect(far.cancel()).toBe(true)
    scheduler.runUntilIdle()
    expect(scheduler.nowNs()).toBe(20)
  })

  it('runReady leaves waiting tasks alone, and outstanding names them', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'a poke')
    let poked = false
    const op = queue.waitEvent(() => poked)
    scheduler.spawn('w', op)
    scheduler.runReady()
    expect(scheduler.outstanding()).toEqual(['task w waits for a poke'])
    scheduler.queue(new DeferredCall('c', () => undefined))
    expect(scheduler.outstanding()).toContain('call c is runnable')
    poked = true
    queue.wakeUp()
    expect(scheduler.outstanding()).toContain('task w is runnable')
    scheduler.runUntilIdle()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('a run without end is stopped at the bound of steps', () => {
    const scheduler = createVirtualScheduler({ seed: 1, stepsMax: 100 })
    const again = new DeferredCall('again', () => {
      scheduler.choicePoint('x')
      scheduler.queue(again)
    })
    scheduler.queue(again)
    expect(() => scheduler.runUntilIdle()).toThrow('no end after 100 steps: call again is runnable')
  })

  it('the bound of steps holds at choice points, and one candidate is no choice', () => {
    const scheduler = createVirtualScheduler({
      strategy: { choose: () => 0, chooseNested: () => 0 },
      stepsMax: 50,
    })
    const again = new DeferredCall('again', () => {
      scheduler.queue(again)
      scheduler.choicePoint('x')
    })
    scheduler.queue(again)
    expect(() => scheduler.runUntilIdle()).toThrow('no end after 50 steps')
    const single = fifo()
    single.runSync('alone', sleep(single, 5))
    expect([single.choices, single.steps]).toEqual([[], 3])
  })

  it('refuses to be driven from inside, and a strategy that chooses nobody', () => {
    const scheduler = fifo()
    scheduler.queue(new DeferredCall('c', () => scheduler.runUntilIdle()))
    expect(() => scheduler.runUntilIdle()).toThrow('driven from inside itself')
    const wild = createVirtualScheduler({ strategy: { choose: () => 9 } })
    wild.queue(new DeferredCall('a', () => undefined))
    wild.queue(new DeferredCall('b', () => undefined))
    expect(() => wild.runReady()).toThrow('a strategy chose nobody')
  })

  it('a strategy that chooses nobody at a choice point takes no depth of nesting with it', () => {
    let wanted = 9
    const scheduler = createVirtualScheduler({
      strategy: { choose: () => 0, chooseNested: () => wanted },
      nestingMax: 1,
    })
    let ran = false
    scheduler.queue(
      new DeferredCall('nested', () => {
        ran = true
      }),
    )
    expect(() => scheduler.choicePoint('x')).toThrow('a strategy chose nobody')
    wanted = 0
    scheduler.choicePoint('x')
    expect(ran).toBe(true)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('names a failure that nobody has joined yet among what is outstanding', () => {
    const scheduler = fifo()
    let seen: string[] = []
    scheduler.spawn(
      'lost',
      (function* (): Op<void> {
        throw new Error('lost')
      })(),
    )
    scheduler.queue(
      new DeferredCall('look', () => {
        seen = scheduler.outstanding()
      }),
    )
    expect(() => scheduler.runUntilIdle()).toThrow('lost')
    expect(seen).toEqual(['task lost failed and was not joined'])
  })

  it('sleeping where a task must not is refused at the place', () => {
    const scheduler = fifo()
    const queue = new WaitQueue(scheduler, 'q')
    const { rcu } = createKernel({ scheduler })
    function* sleeper(): Op<string> {
      rcu.readLock()
      try {
        yield* queue.waitEvent(() => false)
        return 'slept'
      } catch (error) {
        return String(error)
      } finally {
        rcu.readUnlock()
      }
    }
    const task = scheduler.spawn('s', sleeper())
    scheduler.runUntilIdle()
    expect(task.outcome).toEqual({ ok: true, value: 'AssertionFailure: scheduling while atomic' })
    expect(queue.hasWaiters).toBe(false)
    expect(task.atomicDepth).toBe(0)
  })

  it('a task that was refused a sleep may sleep once its section is closed', () => {
    const scheduler = fifo()
    const { rcu } = createKernel({ scheduler })
    function* body(): Op<number> {
      rcu.readLock()
      try {
        yield* sleep(scheduler, 5)
      } catch {
        rcu.readUnlock()
      }
      yield* sleep(scheduler, 7)
      return scheduler.nowNs()
    }
    expect(scheduler.runSync('t', body())).toBe(7)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('an outside event is one runnable among the others', () => {
    const log: string[] = []
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([1]) })
    scheduler.queue(new DeferredCall('queued', () => log.push('queued')))
    scheduler.external(new DeferredCall('event', () => log.push('event')))
    expect(log).toEqual([])
    scheduler.runUntilIdle()
    expect(log).toEqual(['event', 'queued'])
  })

  it('joins: a value, an error, itself', () => {
    const scheduler = fifo()
    function* selfJoin(): Op<void> {
      const self = scheduler.current
      if (self !== null) yield* joinTask(scheduler, self)
    }
    expect(() => scheduler.runSync('s', selfJoin())).toThrow('a task joins itself')
    function* all(): Op<number[]> {
      const numbers = [3, 1, 2].map((n) => scheduler.spawn(`${n}`, after(n)))
      return yield* joinAll(scheduler, numbers)
    }
    function* after(n: number): Op<number> {
      yield* sleep(scheduler, n)
      return n
    }
    expect(scheduler.runSync('all', all())).toEqual([3, 1, 2])
    function* some(): Op<unknown> {
      return yield* joinAll(scheduler, [
        scheduler.spawn('1', after(1)),
        scheduler.spawn('2', fails('second')),
        scheduler.spawn('3', fails('third')),
      ])
    }
    expect(() => scheduler.runSync('some', some())).toThrow('second')
    scheduler.runUntilIdle()
  })

  it('a wake of a task that is ready or done does nothing', () => {
    const scheduler = fifo()
    let steps = 0
    function* op(): Op<void> {
      steps++
      yield* yieldNow(scheduler)
      steps++
    }
    const task = scheduler.spawn('t', op())
    scheduler.wake(task)
    scheduler.runUntilIdle()
    scheduler.wake(task)
    scheduler.runUntilIdle()
    expect(steps).toBe(2)
  })

  it('the same seed makes the same choices and the same trace, to the last event', () => {
    const run = (seed: number): string => {
      const scheduler = createVirtualScheduler({ seed })
      const kernel = createKernel({ scheduler }, { workers: 2 })
      const trace: string[] = []
      kernel.tracer.subscribe(
        () => true,
        ({ seq, timeNs, task, point, values }) =>
          trace.push(`${seq} ${timeNs} ${task} ${point} ${values.join(' ')}`),
      )
      const point = kernel.tracer.point('step', ['who', 'n'])
      const locks = [0, 1, 2].map((i) => new WwMutex(scheduler, `l${i}`))
      const wwClass = new WwClass('c')
      function* actor(who: string, n: number): Op<void> {
        for (let i = 0; i < 4; i++) {
          const ctx = new WwAcquireCtx(wwClass)
          const lock = locks[(n + i) % 3]
          if (lock === undefined || (yield* lock.lock(ctx)) !== 0) throw new Error('no lock')
          point.emit(who, i)
          scheduler.choicePoint('held')
          yield* sleep(scheduler, 1 + ((n * 7 + i) % 3))
          lock.unlock()
          ctx.fini()
          kernel.systemWq.queue(new WorkItem(who, () => traced(who)))
        }
      }
      function* traced(who: string): Op<void> {
        yield* yieldNow(scheduler)
        point.emit(who, -1)
      }
      const tasks = ['a', 'b', 'c'].map((who, n) => scheduler.spawn(who, actor(who, n)))
      scheduler.runSync('all', joinAll(scheduler, tasks))
      scheduler.runUntilIdle()
      expect(scheduler.outstanding()).toEqual([])
      const recorded = createVirtualScheduler({ strategy: recordedStrategy(scheduler.choices) })
      expect(recorded.exploring).toBe(true)
      return `${trace.join('\n')}\n${scheduler.choices.join()} ${scheduler.steps}`
    }
    const runs = new Set<string>()
    for (let seed = 1; seed <= 50; seed++) {
      const first = run(seed)
      expect(run(seed)).toBe(first)
      runs.add(first)
    }
    expect(runs.size).toBe(50)
  })
})

describe('the generator of pseudo-random numbers', () => {
  it('is the same for a seed, differs between seeds, and stays below its bound', () => {
    const take = (seed: number): number[] => {
      const prng = createPrng(seed)
      return Array.from({ length: 100 }, () => prng.below(1000))
    }
    expect(take(1)).toEqual(take(1))
    expect(take(1)).not.toEqual(take(2))
    expect(new Set(take(3)).size).toBeGreaterThan(80)
    expect(Math.max(...take(4))).toBeLessThan(1000)
    const prng = createPrng(0)
    const buckets = [0, 0, 0, 0]
    for (let i = 0; i < 4000; i++) buckets[prng.below(4)]! += 1
    for (const bucket of buckets) expect(Math.abs(bucket - 1000)).toBeLessThan(150)
  })
})
