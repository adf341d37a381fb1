// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, joinTask, sleep, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { DmaFence, DmaFenceCallback, MAX_SCHEDULE_TIMEOUT } from '../../src/index.ts'
import { createRig, errorCode, expectNothingOutstanding, fenceOps } from '../support.ts'

function setup() {
  const rig = createRig()
  const make = (ops: ConstructorParameters<typeof DmaFence>[1] = fenceOps): DmaFence => {
    const fence = new DmaFence(rig.kernel, ops)
    fence.init(rig.core.fenceContextAlloc(1), 1)
    return fence
  }
  return { rig, make }
}

describe('dma_fence: signalling', () => {
  it('signals once, with the time on the virtual clock', () => {
    const { rig, make } = setup()
    const fence = make()
    expect(fence.status).toBe(0)
    expect(fence.timestampNs).toBe(0)
    rig.run(sleep(rig.scheduler, 5000))
    fence.signal()
    rig.run(sleep(rig.scheduler, 5000))
    expect(fence.checkAndSignal()).toBe(true)
    expect(fence.status).toBe(1)
    expect(fence.timestampNs).toBe(5000)
    expectNothingOutstanding(rig)
  })

  it('keeps the error that it was signalled with, and the first one only', () => {
    const { make } = setup()
    const fence = make()
    fence.signalWithError(-Errno.EIO)
    fence.signalWithError(-Errno.ENOMEM)
    expect([fence.error, fence.status]).toEqual([-Errno.EIO, -Errno.EIO])
    expect(errorCode(() => fence.setError(-Errno.EIO))).toBe('assertion')
    expect(errorCode(() => make().setError(5))).toBe('assertion')
    expect(errorCode(() => make().setError(-4096))).toBe('assertion')
  })

  it('is initialised once, and before it is used', () => {
    const { rig, make } = setup()
    const bare = new DmaFence(rig.kernel, fenceOps)
    expect(errorCode(() => bare.signal())).toBe('assertion')
    expect(errorCode(() => bare.enableSignaling())).toBe('assertion')
    expect(errorCode(() => make().init(1, 1))).toBe('assertion')
  })

  it('asks the driver whether the work is over', () => {
    const { make } = setup()
    let over = false
    const fence = make({ ...fenceOps, signaled: () => over })
    expect(fence.isSignaled()).toBe(false)
    over = true
    expect(fence.isSignaled()).toBe(true)
  })

  it('does not ask a driver for its name once it may be gone', () => {
    const { make } = setup()
    const fence = make()
    expect([fence.driverName, fence.timelineName]).toEqual(['driver', 'timeline'])
    fence.signal()
    expect([fence.driverName, fence.timelineName]).toEqual(['detached-driver', 'signaled-timeline'])
  })

  it('orders fences of one context by sequence number', () => {
    const { rig, make } = setup()
    const [first, second] = [new DmaFence(rig.kernel, fenceOps), new DmaFence(rig.kernel, fenceOps)]
    first.init(7, 1)
    second.init(7, 2)
    expect([second.isLater(first), first.isLater(second), first.isLater(first)]).toEqual([
      true,
      false,
      false,
    ])
    expect(first.isLaterOrSame(first)).toBe(true)
    expect(errorCode(() => make().isLater(first))).toBe('assertion')
  })

  it('gives out contexts that nobody else has', () => {
    const { rig } = setup()
    expect(rig.core.fenceContextAlloc(3)).toBe(1)
    expect(rig.core.fenceContextAlloc(1)).toBe(4)
    expect(errorCode(() => rig.core.fenceContextAlloc(0))).toBe('assertion')
  })
})

describe('dma_fence: callbacks', () => {
  it('calls those added early, in order, and refuses those that come late', () => {
    const { make } = setup()
    const fence = make()
    const seen: string[] = []
    const callback = (name: string): DmaFenceCallback =>
      new DmaFenceCallback((signalled) => seen.push(`${name} ${signalled.status}`))
    expect(fence.addCallback(callback('a'))).toBe(true)
    expect(fence.addCallback(callback('b'))).toBe(true)
    fence.signal()
    expect(fence.addCallback(callback('late'))).toBe(false)
    fence.signal()
    expect(seen).toEqual(['a 1', 'b 1'])
  })

  it('does not call one that was removed, at whatever place on the list', () => {
    for (const removed of [0, 1, 2]) {
      const { make } = setup()
      const fence = make()
      const seen: number[] = []
      const callbacks = [0, 1, 2].map((i) => new DmaFenceCallback(() => seen.push(i)))
      for (const callback of callbacks) fence.addCallback(callback)
      expect(fence.removeCallback(callbacks[removed]!)).toBe(true)
      expect(fence.removeCallback(callbacks[removed]!)).toBe(false)
      fence.signal()
      expect(seen).toEqual([0, 1, 2].filter((i) => i !== removed))
      expect(fence.removeCallback(callbacks[(removed + 1) % 3]!)).toBe(false)
    }
  })

  it('lets a callback remove one that is still to come, and be used again', () => {
    const { make } = setup()
    const [fence, other] = [make(), make()]
    const seen: string[] = []
    const second = new DmaFenceCallback(() => seen.push('second'))
    const first = new DmaFenceCallback(() => {
      seen.push('first')
      fence.removeCallback(second)
    })
    fence.addCallback(first)
    fence.addCallback(second)
    expect(errorCode(() => other.addCallback(second))).toBe('assertion')
    expect(other.removeCallback(second)).toBe(false)
    fence.signal()
    other.addCallback(second)
    other.signal()
    expect(seen).toEqual(['first', 'second'])
  })

  it('enables signalling once, and signals when the driver says that the work is over', () => {
    const { make } = setup()
    let calls = 0
    const slow = make({ ...fenceOps, enableSignaling: () => ++calls > 0 })
    slow.addCallback(new DmaFenceCallback(() => {}))
    slow.addCallback(new DmaFenceCallback(() => {}))
    expect([calls, slow.signalingEnabled]).toEqual([1, true])
    const done = make({ ...fenceOps, enableSignaling: () => false })
    expect(done.addCallback(new DmaFenceCallback(() => {}))).toBe(false)
    expect(done.status).toBe(1)
    const inside = make({
      ...fenceOps,
      enableSignaling: (fence) => {
        fence.signal()
        return true
      },
    })
    expect(inside.enableSignaling()).toBe(false)
  })
})

describe('dma_fence: references', () => {
  it('tells the driver of the last put, and wakes who would wait for ever', () => {
    const { rig, make } = setup()
    const released: number[] = []
    const fence = make({ ...fenceOps, release: (self) => released.push(self.status) })
    const errors: number[] = []
    fence.addCallback(new DmaFenceCallback((self) => errors.push(self.error)))
    expect(fence.tryGet()).toBe(true)
    fence.put()
    expect(released).toEqual([])
    rig.kernel.rcu.readLock()
    expect(() => fence.put()).toThrow('lost its last reference while somebody waited for it')
    expect([released, errors]).toEqual([[-Errno.EDEADLK], [-Errno.EDEADLK]])
    expect(fence.tryGet()).toBe(false)
    rig.kernel.rcu.readUnlock()
    expect(errorCode(() => fence.tryGet())).toBe('assertion')
  })
})

describe('dma_fence: waiting', () => {
  it('gives the time that is left, and the timeout itself when there was nothing to wait for', () => {
    const { rig, make } = setup()
    const fence = make()
    const signaller = function* () {
      yield* sleep(rig.scheduler, 400)
      fence.signal()
    }
    const task = rig.scheduler.spawn('signaller', signaller())
    expect(rig.run(fence.wait(false, 1000))).toBe(600)
    expect(rig.run(fence.wait(true, 1000))).toBe(1000)
    expect(rig.run(fence.wait(true, 0))).toBe(1)
    rig.run(joinTask(rig.scheduler, task))
    expectNothingOutstanding(rig)
  })

  it('gives 0 when the time ran out, at once with a timeout of 0', () => {
    const { rig, make } = setup()
    const fence = make()
    expect(rig.run(fence.wait(false, 0))).toBe(0)
    expect(rig.run(fence.wait(false, 250))).toBe(0)
    expect(rig.run(fence.wait(true, 250))).toBe(0)
    expect(rig.scheduler.nowNs()).toBe(500)
    expect(fence.status).toBe(0)
    expectNothingOutstanding(rig)
  })

  it.each([MAX_SCHEDULE_TIMEOUT, 1e9])(
    'ends with ERESTARTSYS on a signal, timeout %d',
    (timeout) => {
      const { rig, make } = setup()
      const fence = make()
      const waiter = rig.scheduler.spawn('waiter', fence.wait(true, timeout))
      const deaf = rig.scheduler.spawn('deaf', fence.wait(false, timeout))
      rig.run(yieldNow(rig.scheduler))
      waiter.signal()
      deaf.signal()
      expect(rig.run(joinTask(rig.scheduler, waiter))).toBe(-Errno.ERESTARTSYS)
      expect(deaf.state).toBe('parked')
      fence.signal()
      expect(rig.run(joinTask(rig.scheduler, deaf))).toBe(timeout)
      expectNothingOutstanding(rig)
    },
  )

  it('sees a signal that was pending before the wait, and waits for ever without one', () => {
    const { rig, make } = setup()
    const fence = make()
    const body = function* () {
      rig.scheduler.current?.signal()
      return yield* fence.wait(true, MAX_SCHEDULE_TIMEOUT)
    }
    expect(rig.run(body())).toBe(-Errno.ERESTARTSYS)
    const waiter = rig.scheduler.spawn('waiter', fence.wait(true, MAX_SCHEDULE_TIMEOUT))
    rig.run(yieldNow(rig.scheduler))
    fence.signal()
    expect(rig.run(joinTask(rig.scheduler, waiter))).toBe(MAX_SCHEDULE_TIMEOUT)
    expectNothingOutstanding(rig)
  })
})
