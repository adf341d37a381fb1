// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { expect, it } from 'vitest'
import {
  AssertionFailure,
  assertLive,
  assertOnce,
  assertRef,
  type Blocker,
  Completion,
  createKernel,
  createVirtualScheduler,
  createWorkQueue,
  DeferredCall,
  type ExecutionWatch,
  fifoStrategy,
  type Kernel,
  Mutex,
  NoEndError,
  type Op,
  type Park,
  RefCount,
  type Task,
  type VirtualScheduler,
  WaitQueue,
  WorkItem,
  WwAcquireCtx,
  WwClass,
  WwMutex,
  yieldNow,
} from '../../src/index.ts'

class NotesWatch implements ExecutionWatch {
  readonly notes: string[] = []
  #note(what: string, lock: Park, task?: Task): void {
    this.notes.push(
      task === undefined ? `${what} ${lock.what}` : `${task.name} ${what} ${lock.what}`,
    )
  }
  lockWanted(lock: Park, ctx: object | null): void {
    this.#note(ctx === null ? 'wanted' : 'wanted in a transaction', lock)
  }
  lockTaken(lock: Park, _ctx: object | null, task: Task): void {
    this.#note('takes', lock, task)
  }
  lockDropped(lock: Park, task: Task): void {
    this.#note('drops', lock, task)
  }
  fenceMade(): void {}
  fencePublished(): void {}
  fenceWaited(): void {}
  fenceSignalled(): void {}
  fenceFreed(): void {}
  workBegins(item: Park, queue: Park, worker: Task): void {
    this.#note(`begins for ${queue.what}:`, item, worker)
  }
  workEnds(item: Park, queue: Park, worker: Task): void {
    this.#note(`ends for ${queue.what}:`, item, worker)
  }
  workWaited(item: Park): void {
    this.#note('waits for the end of', item)
  }
  retried(): void {}
}

interface Watched {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly notes: string[]
}

function watched(workers = 8): Watched {
  const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
  const kernel = createKernel({ scheduler }, { checked: true, workers })
  const watch = new NotesWatch()
  scheduler.watch = watch
  return { scheduler, kernel, notes: watch.notes }
}

it('a watch hears of a mutex: wanted, taken, handed over, dropped; a try is not wanted', () => {
  const { scheduler, notes } = watched()
  const lock = new Mutex(scheduler, 'm')
  function* hold(): Op<void> {
    yield* lock.lock()
    yield* yieldNow(scheduler)
    lock.unlock()
  }
  scheduler.spawn('a', hold())
  scheduler.spawn('b', hold())
  scheduler.runUntilIdle()
  scheduler.spawn(
    'c',
    (function* (): Op<void> {
      expect(lock.tryLock()).toBe(true)
      lock.unlock()
    })(),
  )
  scheduler.runUntilIdle()
  expect(notes).toEqual([
    'wanted mutex m',
    'a takes mutex m',
    'wanted mutex m',
    'a drops mutex m',
    'b takes mutex m',
    'b drops mutex m',
    'c takes mutex m',
    'c drops mutex m',
  ])
})

it('a watch hears of a ww_mutex, with and without a transaction, and of its handing over', () => {
  const { scheduler, notes } = watched()
  const wwClass = new WwClass('resv')
  const lock = new WwMutex(scheduler, wwClass.name)
  function* hold(ctx: WwAcquireCtx | null): Op<void> {
    yield* lock.lock(ctx)
    yield* yieldNow(scheduler)
    lock.unlock()
    ctx?.fini()
  }
  scheduler.spawn('a', hold(new WwAcquireCtx(wwClass)))
  scheduler.spawn('b', hold(null))
  scheduler.runUntilIdle()
  expect(notes).toEqual([
    'wanted in a transaction ww_mutex resv',
    'a takes ww_mutex resv',
    'wanted ww_mutex resv',
    'a drops ww_mutex resv',
    'b takes ww_mutex resv',
    'b drops ww_mutex resv',
  ])
})

it('a watch hears of work as it begins and ends, and of who waits for it', () => {
  const { scheduler, kernel, notes } = watched()
  const item = new WorkItem('unmap', () => yieldNow(scheduler))
  kernel.systemWq.queue(item)
  scheduler.runSync('flush', kernel.systemWq.flush())
  kernel.systemWq.queue(item)
  scheduler.runSync(
    'cancel',
    (function* (): Op<void> {
      while (!item.running) yield* yieldNow(scheduler)
      yield* kernel.systemWq.cancelSync(item)
    })(),
  )
  expect(notes).toEqual([
    'kworker/1 begins for work queue events: work unmap',
    'waits for the end of work queue events',
    'kworker/1 ends for work queue events: work unmap',
    'kworker/1 begins for work queue events: work unmap',
    'waits for the end of work unmap',
    'kworker/1 ends for work queue events: work unmap',
  ])
})

const names = (blockers: readonly Blocker[]): string[] =>
  blockers.map((one) => (typeof one === 'string' ? one : one.what))

it('F3: an item that waits for a worker names the workers that are busy; one that runs, its own', () => {
  const { scheduler, kernel } = watched(1)
  const gate = new Completion(scheduler, 'gate')
  const [first, second, rescued] = ['first', 'second', 'rescued'].map(
    (name) => new WorkItem(name, () => gate.wait()),
  )
  if (first === undefined || second === undefined || rescued === undefined) throw new Error('none')
  expect(first.blockers()).toEqual([])
  kernel.systemWq.queue(first)
  scheduler.runReady()
  kernel.systemWq.queue(second)
  kernel.reclaimWq.queue(rescued)
  expect(names(first.blockers())).toEqual(['end of task kworker/1'])
  expect(names(second.blockers())).toEqual(['end of task kworker/1'])
  expect(second.anyOf).toBe(true)
  // A rescuer will come for this one, until it is busy itself.
  expect(rescued.blockers()).toEqual([])
  const late = new WorkItem('late', () => gate.wait())
  kernel.reclaimWq.queue(late)
  scheduler.advance(20e6)
  expect(rescued.running).toBe(true)
  expect(names(late.blockers())).toEqual(['end of task kworker/1', 'end of task reclaim/rescuer'])
  gate.completeAll()
  scheduler.runUntilIdle()
})

it('who flushes a queue waits for what it does, and for what waits in it', () => {
  const { scheduler } = watched()
  const wq = createWorkQueue({ scheduler }, { name: 'ordered', maxActive: 1 })
  const gate = new Completion(scheduler, 'gate')
  const [first, second] = ['first', 'second'].map((name) => new WorkItem(name, () => gate.wait()))
  if (first === undefined || second === undefined) throw new Error('none')
  wq.queue(first)
  wq.queue(second)
  const flusher = scheduler.spawn('flusher', wq.flush())
  scheduler.runReady()
  expect(flusher.waitingFor?.what).toBe('work queue ordered')
  expect(names(flusher.waitingFor?.blockers?.() ?? [])).toEqual([
    'end of task ordered/1',
    'work second',
  ])
  // Only so many at a time: the second waits for the first.
  expect(names(second.blockers())).toEqual(['end of task ordered/1'])
  gate.completeAll()
  scheduler.runUntilIdle()
  scheduler.runSync('end', wq.destroy())
})

it('what is waited for says what it is and depends on, where it was told', () => {
  const { scheduler } = watched()
  let what = 'fence 1'
  const dependence = {
    get what(): string {
      return what
    },
    blockers: (): readonly Blocker[] => ['the device'],
    anyOf: true,
  }
  for (const park of [
    new WaitQueue(scheduler, 'queue', dependence),
    new Completion(scheduler, 'completion', dependence),
  ]) {
    what = 'fence 2'
    expect(park.what).toBe('fence 2')
    expect(park.blockers()).toEqual(['the device'])
    expect(park.anyOf).toBe(true)
    expect(park.subject).toBe(dependence)
  }
  for (const park of [new WaitQueue(scheduler, 'plain'), new Completion(scheduler, 'plain')]) {
    expect([park.what, park.blockers(), park.anyOf, park.subject]).toEqual([
      'plain',
      [],
      false,
      null,
    ])
  }
})

it('signalling sections are known by task, and of the atomic context', () => {
  const { scheduler, kernel } = watched()
  const { signalling } = kernel
  const task = scheduler.spawn(
    'a',
    (function* (): Op<void> {
      const outer = signalling.begin('outer')
      const inner = signalling.begin('inner')
      yield* yieldNow(scheduler)
      signalling.end(inner)
      signalling.end(outer)
    })(),
  )
  const seen: (string | null)[] = []
  const look = new DeferredCall('look', () => {
    seen.push(signalling.openIn(task), signalling.openIn(null))
  })
  scheduler.queue(look)
  scheduler.runUntilIdle()
  expect(seen).toEqual(['inner', null])
  expect(signalling.openIn(task)).toBeNull()
  expect(createKernel({ scheduler }).signalling.openIn(task)).toBeNull()
})

it('a run without end says what had not ended; nesting counts the steps inside others', () => {
  const depths: number[] = []
  let nest = true
  const scheduler = createVirtualScheduler({
    stepsMax: 5,
    strategy: { choose: () => 0, chooseNested: () => (nest ? 0 : -1) },
    observer: { stepBegins: () => {}, stepEnded: () => depths.push(scheduler.nesting) },
  })
  const inner = new DeferredCall('inner', () => {})
  const outer = new DeferredCall('outer', () => {
    scheduler.queue(inner)
    scheduler.choicePoint('here')
  })
  scheduler.queue(outer)
  scheduler.runUntilIdle()
  expect(depths).toEqual([1, 0])
  nest = false
  const again = new DeferredCall('again', () => scheduler.queue(again))
  scheduler.queue(again)
  try {
    scheduler.runUntilIdle()
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(NoEndError)
    expect(error instanceof NoEndError && error.outstanding).toEqual(['call again is runnable'])
  }
})

it('an assertion says which kind of rule was broken', () => {
  const kinds = [
    (): void => assertLive(false, 'x'),
    (): void => assertOnce(false, 'x'),
    (): void => assertRef(false, 'x'),
    (): void => {
      const count = new RefCount(1)
      count.decAndTest()
      count.inc()
    },
    (): void => {
      throw new AssertionFailure('x')
    },
  ].map((run) => {
    try {
      run()
      return null
    } catch (error) {
      return error instanceof AssertionFailure ? error.check : null
    }
  })
  expect(kinds).toEqual([
    'use-after-free',
    'double-free',
    'refcount',
    'use-after-free',
    'assertion',
  ])
  assertLive(true, 'x')
  assertOnce(true, 'x')
  assertRef(true, 'x')
})
