// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDmaBufCore, DmaFence, MAX_SCHEDULE_TIMEOUT } from '@iolayers/dma-buf'
import {
  joinTask,
  Mutex,
  type Op,
  sleep,
  WorkItem,
  WwAcquireCtx,
  WwClass,
  WwMutex,
  yieldNow,
} from '@iolayers/kernel'
import { expect, test } from 'vitest'
import { type Bench, createBench } from './bench.ts'

function* nested(first: Mutex, second: Mutex): Op<void> {
  yield* first.lock()
  yield* second.lock()
  second.unlock()
  first.unlock()
}

test('invariant 5: two orders of two locks are a fault, though nobody met anybody', () => {
  const { scheduler, spawn, run } = createBench()
  const a = new Mutex(scheduler, 'a')
  const b = new Mutex(scheduler, 'b')
  spawn('one', function* () {
    yield* nested(a, b)
    yield* nested(b, a)
  })
  expect(run()).toEqual({
    check: 'lock-order',
    message: 'waits in an order that can deadlock: mutex b before mutex a, and the other way round',
    details: ['one takes mutex a with mutex b in hand', 'one takes mutex b with mutex a in hand'],
  })
})

test('an order over three locks is seen too, and one order is clean', () => {
  for (const closes of [true, false]) {
    const { scheduler, spawn, run } = createBench()
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new Mutex(scheduler, name))
    if (a === undefined || b === undefined || c === undefined) throw new Error('no locks')
    spawn('one', function* () {
      yield* nested(a, b)
      yield* nested(b, c)
      yield* nested(closes ? c : a, closes ? a : c)
    })
    const fault = run()
    expect(fault?.check).toBe(closes ? 'lock-order' : undefined)
    if (closes) expect(fault?.details).toHaveLength(3)
  }
})

test('a try waits for nobody: it makes no order', () => {
  const { scheduler, spawn, run } = createBench()
  const a = new Mutex(scheduler, 'a')
  const b = new Mutex(scheduler, 'b')
  spawn('one', function* () {
    yield* nested(a, b)
    yield* b.lock()
    expect(a.tryLock()).toBe(true)
    a.unlock()
    b.unlock()
  })
  expect(run()).toBeNull()
})

test('two locks of one class in both orders are a fault', () => {
  const { scheduler, spawn, run } = createBench()
  const a = new Mutex(scheduler, 'inode')
  const b = new Mutex(scheduler, 'inode')
  spawn('one', function* () {
    yield* nested(a, b)
    yield* nested(b, a)
  })
  expect(run()?.check).toBe('lock-order')
})

test('F5: ww locks of one transaction are taken in any order; without one they are not', () => {
  for (const transaction of [true, false]) {
    const { scheduler, spawn, run } = createBench()
    const wwClass = new WwClass('resv')
    const a = new WwMutex(scheduler, wwClass.name)
    const b = new WwMutex(scheduler, wwClass.name)
    spawn('one', function* () {
      for (const [first, second] of [
        [a, b],
        [b, a],
      ] as const) {
        const ctx = transaction ? new WwAcquireCtx(wwClass) : null
        yield* first.lock(ctx)
        yield* second.lock(ctx)
        second.unlock()
        first.unlock()
        ctx?.fini()
      }
    })
    expect(run()?.check).toBe(transaction ? undefined : 'lock-order')
  }
})

interface Fences extends Bench {
  readonly lock: Mutex
  make(): DmaFence
}

function fences(): Fences {
  const bench = createBench()
  const core = createDmaBufCore({ kernel: bench.kernel })
  const ops = { getDriverName: () => 'gpu', getTimelineName: () => 'copy' }
  const make = (): DmaFence => {
    const fence = new DmaFence(bench.kernel, ops)
    fence.init(core.fenceContextAlloc(1), 1)
    return fence
  }
  return { ...bench, lock: new Mutex(bench.scheduler, 'resv'), make }
}

function* waitUnder(lock: Mutex, fence: DmaFence): Op<void> {
  yield* lock.lock()
  yield* fence.wait(false, MAX_SCHEDULE_TIMEOUT)
  lock.unlock()
}

test('F7: a fence that is waited for under a lock, and signalled by who took that lock first, is a fault without any deadlock', () => {
  const { scheduler, lock, make, spawn, run } = fences()
  const early = make()
  const late = make()
  spawn('waiter', function* () {
    yield* waitUnder(lock, early)
    early.put()
  })
  spawn('signaller', function* () {
    early.signal()
    late.enableSignaling()
    yield* sleep(scheduler, 100)
    yield* lock.lock()
    lock.unlock()
    late.signal()
    late.put()
  })
  expect(run()).toEqual({
    check: 'lock-order',
    message:
      'waits in an order that can deadlock: dma_fence copy before mutex resv, and the other way round',
    details: [
      'signaller needs mutex resv before it signals dma_fence copy',
      'waiter waits for dma_fence copy with mutex resv in hand',
    ],
  })
})

test('a signaller that took the lock before anybody knew of the fence keeps nobody waiting', () => {
  const { lock, make, spawn, run } = fences()
  const fence = make()
  spawn('signaller', function* () {
    yield* lock.lock()
    lock.unlock()
    const other = make()
    other.enableSignaling()
    other.signal()
    other.put()
    fence.signal()
  })
  spawn('waiter', function* () {
    yield* waitUnder(lock, fence)
    fence.put()
  })
  expect(run()).toBeNull()
})

test('F3: a fence that work waits for, and that only work of the same queue signals, is a fault', () => {
  for (const sameQueue of [true, false]) {
    const { kernel, make, scheduler, spawn, run } = fences()
    const fence = make()
    const waits = new WorkItem('reclaim', function* () {
      yield* fence.wait(false, MAX_SCHEDULE_TIMEOUT)
    })
    const signals = new WorkItem('signal', function* () {
      yield* yieldNow(scheduler)
      fence.signal()
    })
    spawn('driver', function* () {
      kernel.systemWq.queue(waits)
      yield* sleep(scheduler, 10)
      if (sameQueue) kernel.systemWq.queue(signals)
      else fence.signal()
      yield* kernel.systemWq.flush()
      fence.put()
    })
    expect(run()?.check).toBe(sameQueue ? 'lock-order' : undefined)
  }
})

test('work that takes a lock, and is waited for with that lock held, is a fault', () => {
  for (const holds of [true, false]) {
    const { kernel, scheduler, spawn, run } = createBench()
    const lock = new Mutex(scheduler, 'setup')
    const item = new WorkItem('scan', function* () {
      yield* lock.lock()
      yield* yieldNow(scheduler)
      lock.unlock()
    })
    spawn('owner', function* () {
      kernel.systemWq.queue(item)
      yield* sleep(scheduler, 10)
      if (holds) yield* lock.lock()
      kernel.systemWq.queue(item)
      kernel.systemWq.cancel(item)
      const again = new WorkItem('other', function* () {
        yield* sleep(scheduler, 10)
      })
      kernel.systemWq.queue(again)
      yield* kernel.systemWq.flush()
      if (holds) lock.unlock()
    })
    expect(run()?.check).toBe(holds ? 'lock-order' : undefined)
  }
})

test('a task that is joined under a lock that it wants is the deadlock itself', () => {
  const { scheduler, spawn, run } = createBench()
  const lock = new Mutex(scheduler, 'setup')
  spawn('owner', function* () {
    yield* lock.lock()
    const task = scheduler.spawn('child', nested(lock, new Mutex(scheduler, 'inner')))
    yield* joinTask(scheduler, task)
  })
  expect(run()).toEqual({
    check: 'deadlock',
    message: 'a cycle of waiting: owner -> child -> owner',
    details: ['owner waits for end of task child', 'child waits for mutex setup, held by owner'],
  })
})
