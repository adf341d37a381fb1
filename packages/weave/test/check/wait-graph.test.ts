// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  type Blocker,
  Completion,
  createVirtualScheduler,
  DeadlockError,
  fifoStrategy,
  joinTask,
  Mutex,
  type Op,
  sleep,
  type VirtualScheduler,
  WaitQueue,
  yieldNow,
} from '@iolayers/kernel'
import { expect, test } from 'vitest'
import { UserSpace } from '../../src/check/user-space.ts'
import { WaitGraph } from '../../src/check/wait-graph.ts'
import type { Fault } from '../../src/search/contracts.ts'

interface Bench {
  readonly scheduler: VirtualScheduler
  readonly graph: WaitGraph
  readonly userSpace: UserSpace
  /** Runs to the end; what was found on the way, else what is found then. */
  run(): { readonly early: Fault | null; readonly late: Fault | null }
}

function bench(): Bench {
  const found: { early: Fault | null } = { early: null }
  const scheduler = createVirtualScheduler({
    strategy: fifoStrategy(),
    observer: {
      stepBegins: () => {},
      stepEnded: (item) => {
        found.early ??= graph.afterStep(item)
      },
    },
  })
  const userSpace = new UserSpace(scheduler)
  const graph = new WaitGraph({ scheduler, userSpace })
  const run: Bench['run'] = () => {
    try {
      scheduler.runUntilIdle()
    } catch (error) {
      if (!(error instanceof DeadlockError)) throw error
    }
    return { early: found.early, late: graph.atEnd() }
  }
  return { scheduler, graph, userSpace, run }
}

function* holdBoth(scheduler: VirtualScheduler, first: Mutex, second: Mutex): Op<void> {
  yield* first.lock()
  yield* yieldNow(scheduler)
  yield* second.lock()
  second.unlock()
  first.unlock()
}

test('invariant 5: two tasks that take two locks in both orders are a deadlock, found as it closes', () => {
  const { scheduler, run } = bench()
  const a = new Mutex(scheduler, 'a')
  const b = new Mutex(scheduler, 'b')
  scheduler.spawn('left', holdBoth(scheduler, a, b))
  scheduler.spawn('right', holdBoth(scheduler, b, a))
  const { early, late } = run()
  expect(early).toEqual({
    check: 'deadlock',
    message: 'a cycle of waiting: left -> right -> left',
    details: ['left waits for mutex b, held by right', 'right waits for mutex a, held by left'],
  })
  expect(late?.check).toBe('deadlock')
})

test('two tasks that take two locks in one order wait for each other and are clean', () => {
  const { scheduler, run } = bench()
  const a = new Mutex(scheduler, 'a')
  const b = new Mutex(scheduler, 'b')
  scheduler.spawn('left', holdBoth(scheduler, a, b))
  scheduler.spawn('right', holdBoth(scheduler, a, b))
  expect(run()).toEqual({ early: null, late: null })
})

test('a cycle that a timeout opens is none', () => {
  const { scheduler, run } = bench()
  const lock = new Mutex(scheduler, 'lock')
  const blockers = (): readonly Blocker[] => [lock]
  const drained = new Completion(scheduler, 'drain', { blockers })
  scheduler.spawn(
    'exporter',
    (function* (): Op<void> {
      yield* lock.lock()
      expect(yield* drained.waitTimeout(1000)).toBe(0)
      lock.unlock()
    })(),
  )
  expect(run()).toEqual({ early: null, late: null })
})

test('D1: a wait for a completion, for a request, for a task that waits for the lock of the first, is a cycle with its actors', () => {
  const { scheduler, run } = bench()
  const resv = new Mutex(scheduler, 'resv')
  const worker = scheduler.spawn(
    'io worker',
    (function* (): Op<void> {
      yield* sleep(scheduler, 10)
      yield* resv.lockInterruptible()
    })(),
  )
  const request = { what: 'request tag 3', blockers: (): readonly Blocker[] => [worker] }
  const drained = new Completion(scheduler, 'drain', { blockers: () => [request] })
  scheduler.spawn(
    'exporter',
    (function* (): Op<void> {
      yield* resv.lock()
      yield* drained.wait()
    })(),
  )
  const { early, late } = run()
  // A signal could still have ended the worker's wait.
  expect(early).toBeNull()
  expect(late).toEqual({
    check: 'deadlock',
    message: 'a cycle of waiting: io worker -> exporter -> io worker',
    details: [
      'io worker waits for mutex resv, held by exporter',
      'exporter waits for drain, which needs request tag 3, done by io worker',
    ],
  })
})

test('lost wake-up: a waiter that nobody wakes is stuck, and who joins it is named too', () => {
  const { scheduler, run } = bench()
  const queue = new WaitQueue(scheduler, 'work to do')
  let ready = false
  const waiter = scheduler.spawn(
    'waiter',
    queue.waitEvent(() => ready),
  )
  scheduler.spawn('joiner', joinTask(scheduler, waiter))
  scheduler.spawn(
    'waker',
    wakeOrForget(scheduler, queue, false, () => (ready = true)),
  )
  expect(run()).toEqual({
    early: null,
    late: {
      check: 'stuck',
      message: 'a wait that nobody ends: waiter waits for work to do',
      details: ['waiter waits for work to do', 'joiner waits for end of task waiter'],
    },
  })
})

test('the same with the wake-up is clean', () => {
  const { scheduler, run } = bench()
  const queue = new WaitQueue(scheduler, 'work to do')
  let ready = false
  scheduler.spawn(
    'waiter',
    queue.waitEvent(() => ready),
  )
  scheduler.spawn(
    'waker',
    wakeOrForget(scheduler, queue, true, () => (ready = true)),
  )
  expect(run()).toEqual({ early: null, late: null })
})

function* wakeOrForget(
  scheduler: VirtualScheduler,
  queue: WaitQueue,
  wakes: boolean,
  change: () => void,
): Op<void> {
  yield* yieldNow(scheduler)
  change()
  if (wakes) queue.wakeUp()
}

test('F4, D2: what only a user task gets on that need not enter the kernel is a dependency on it, known or not', () => {
  for (const known of [true, false]) {
    const { scheduler, userSpace, run } = bench()
    const user = scheduler.spawn(
      'user',
      enterAndComplete(userSpace, () => drained.complete()),
    )
    const blockers = (): readonly Blocker[] => (known ? [user] : [])
    const drained = new Completion(scheduler, 'drain', { blockers })
    scheduler.spawn('exporter', drained.wait())
    const { early, late } = run()
    expect(early).toBeNull()
    expect(late).toEqual({
      check: 'user-dependency',
      message: 'a wait that only a user task could end, which need not enter the kernel',
      details: known
        ? [
            'exporter waits for drain, done by user',
            'user waits for user space, from which it need not come back',
          ]
        : ['exporter waits for drain', 'user is in user space, from which it need not come back'],
    })
  }
})

test('a user task that stays outside is no fault where nobody needs it, nor where it would not help', () => {
  const alone = bench()
  alone.scheduler.spawn('user', alone.userSpace.stay())
  expect(alone.run()).toEqual({ early: null, late: null })

  const { scheduler, userSpace, run } = bench()
  scheduler.spawn('user', userSpace.stay())
  scheduler.spawn('exporter', new Completion(scheduler, 'drain').wait())
  expect(run().late?.check).toBe('stuck')
})

function* enterAndComplete(userSpace: UserSpace, complete: () => void): Op<void> {
  yield* userSpace.stay()
  complete()
}

test('D1: a cycle through a completion that nobody said anything about is inferred: without the wait it would have ended', () => {
  for (const needsLock of [true, false]) {
    const { scheduler, run } = bench()
    const resv = new Mutex(scheduler, 'resv')
    const drained = new Completion(scheduler, 'drain')
    function* evict(): Op<void> {
      yield* resv.lock()
      try {
        yield* drained.wait()
      } finally {
        resv.unlock()
      }
    }
    scheduler.spawn('exporter', evict())
    scheduler.spawn('other exporter', evict())
    scheduler.spawn(
      'io worker',
      (function* (): Op<void> {
        yield* sleep(scheduler, 10)
        yield* resv.lockInterruptible()
        // The other one is a lost completion: to get the lock does not help.
        if (needsLock) drained.completeAll()
        resv.unlock()
      })(),
    )
    const { late } = run()
    expect(late?.check).toBe(needsLock ? 'deadlock' : 'stuck')
    if (!needsLock) continue
    expect(late?.message).toBe('a cycle of waiting: exporter -> io worker -> exporter')
    expect(late?.details).toEqual([
      'exporter waits for drain, which io worker would end',
      'other exporter waits for mutex resv, held by exporter',
      'io worker waits for mutex resv, held by exporter',
    ])
  }
})
