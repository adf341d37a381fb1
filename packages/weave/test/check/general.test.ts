// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDmaBufCore, DmaFence } from '@iolayers/dma-buf'
import {
  assertLive,
  Completion,
  DeferredCall,
  KernelError,
  Mutex,
  type Op,
  sleep,
  Timer,
  WorkItem,
  yieldNow,
} from '@iolayers/kernel'
import { expect, test } from 'vitest'
import { createBench } from './bench.ts'

test('H4: a task that fails with a lock in hand is a fault; one that lets go of it is not', () => {
  for (const letsGo of [true, false]) {
    const { scheduler, run } = createBench()
    const resv = new Mutex(scheduler, 'resv')
    const task = scheduler.spawn(
      'io worker',
      (function* (): Op<void> {
        yield* resv.lock()
        if (letsGo) resv.unlock()
        throw new KernelError('EINVAL', 'a map without segments')
      })(),
    )
    task.observed = true
    const message = 'task io worker ended with mutex resv in hand'
    expect(run()).toEqual(letsGo ? null : { check: 'held-at-end', message })
  }
})

test('H4: work that ends with a lock in hand is a fault at once, though its worker lives on', () => {
  const { kernel, scheduler, run } = createBench()
  const resv = new Mutex(scheduler, 'resv')
  const item = new WorkItem('unmap', () => resv.lock())
  kernel.systemWq.queue(item)
  expect(run()).toEqual({
    check: 'held-at-end',
    message: 'work unmap (kworker/1) ended with mutex resv in hand',
  })
})

test('a task, a call or a timer that ends inside a section is a fault; one that closes it is not', () => {
  for (const closes of [true, false]) {
    const bodies: readonly ((kernel: ReturnType<typeof createBench>['kernel']) => void)[] = [
      (kernel) => {
        kernel.rcu.readLock()
        if (closes) kernel.rcu.readUnlock()
      },
      (kernel) => {
        const cookie = kernel.signalling.begin('completion')
        if (closes) kernel.signalling.end(cookie)
      },
    ]
    for (const body of bodies) {
      for (const kind of ['task', 'call', 'timer', 'work'] as const) {
        const { kernel, scheduler, spawn, run } = createBench()
        if (kind === 'call') scheduler.queue(new DeferredCall('irq', () => body(kernel)))
        else if (kind === 'timer') new Timer(scheduler, 'tick', () => body(kernel)).arm(5)
        else if (kind === 'task') {
          spawn('task', function* () {
            body(kernel)
          })
        } else {
          kernel.systemWq.queue(
            new WorkItem('item', function* () {
              body(kernel)
            }),
          )
        }
        expect(run()?.check).toBe(closes ? undefined : 'held-at-end')
      }
    }
  }
})

test('a broken rule in a task is the fault, and not what it then has in hand', () => {
  const { scheduler, run } = createBench()
  const resv = new Mutex(scheduler, 'resv')
  const task = scheduler.spawn(
    'io worker',
    (function* (): Op<void> {
      yield* resv.lock()
      assertLive(false, 'a freed map was looked up')
    })(),
  )
  task.observed = true
  expect(run()?.check).toBe('use-after-free')
})

test('invariant 6: what is retried without bound is a livelock, long before the run counts as endless', () => {
  for (const bounded of [true, false]) {
    const { scheduler, spawn, run } = createBench()
    const request = {}
    spawn('submitter', function* () {
      for (let tries = 0; !bounded || tries < 60; tries++) {
        scheduler.watch?.retried(request, 'a request went back to be sent again')
        yield* yieldNow(scheduler)
      }
    })
    const message = 'a request went back to be sent again more than 64 times'
    expect(run()).toEqual(bounded ? null : { check: 'livelock', message })
  }
})

test('retries with time between them have a larger bound', () => {
  for (const times of [1000, 1001]) {
    const { scheduler, spawn, run } = createBench()
    const request = {}
    spawn('submitter', function* () {
      for (let tries = 0; tries < times; tries++) {
        scheduler.watch?.retried(request, 'an I/O was issued again')
        yield* sleep(scheduler, 1000)
      }
    })
    expect(run()?.check).toBe(times === 1000 ? undefined : 'livelock')
  }
})

test('a run that takes too many steps while somebody waits in a cycle is that deadlock', () => {
  const { scheduler, spawn, run } = createBench()
  const resv = new Mutex(scheduler, 'resv')
  const ticks = new Timer(scheduler, 'tick', () => ticks.arm(100))
  ticks.arm(100)
  const worker = scheduler.spawn(
    'io worker',
    (function* (): Op<void> {
      yield* yieldNow(scheduler)
      yield* resv.lockInterruptible()
    })(),
  )
  const drained = new Completion(scheduler, 'drain', { blockers: () => [worker] })
  spawn('exporter', function* () {
    yield* resv.lock()
    yield* drained.wait()
  })
  expect(run()?.check).toBe('deadlock')
})

test('a run that takes too many steps while nobody waits is a livelock', () => {
  const { scheduler, run } = createBench()
  const ticks = new Timer(scheduler, 'tick', () => ticks.arm(100))
  ticks.arm(100)
  expect(run()?.check).toBe('livelock')
})

test('whatever is left at the end is one leak that names all of it', () => {
  const { kernel, scheduler, probes, general, run } = createBench()
  const core = createDmaBufCore({ kernel })
  const fence = new DmaFence(kernel, {
    getDriverName: () => 'gpu',
    getTimelineName: () => 'copy',
  })
  fence.init(core.fenceContextAlloc(1), 1)
  let maps = 2
  probes.push({ what: 'maps', count: () => maps })
  expect(run()).toBeNull()
  const timer = new Timer(scheduler, 'tick', () => {})
  timer.arm(5)
  expect(general.leaks.atEnd()).toEqual({
    check: 'leak',
    message: 'left at the end: timer tick is armed; maps: 2; fences: 1',
    details: ['timer tick is armed', 'maps: 2', 'fences: 1'],
  })
  timer.cancel()
  fence.signal()
  fence.put()
  maps = 0
  expect(general.leaks.atEnd()).toBeNull()
})

test('a fence that was never initialised is not counted', () => {
  const { kernel, general } = createBench()
  new DmaFence(kernel, { getDriverName: () => 'a', getTimelineName: () => 'b' }).put()
  expect(general.leaks.fences).toBe(0)
})
