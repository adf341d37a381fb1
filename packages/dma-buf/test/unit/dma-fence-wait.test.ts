// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, joinTask, type Op, sleep, Timer, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  dmaFencePrivateStub,
  dmaFenceWaitAnyTimeout,
  MAX_SCHEDULE_TIMEOUT,
} from '../../src/index.ts'
import { errorCode } from '../support.ts'
import { createFenceRig, expectAllReleased, type FenceRig } from './dma-fence-support.ts'

/** Signals fence `index` at `delayNs`. */
function* signalLater(rig: FenceRig, fence: { signal(): void }, delayNs: number): Op<void> {
  yield* sleep(rig.scheduler, delayNs)
  fence.signal()
}

describe('dma_fence: a wait', () => {
  it('of timeout 0 only looks: 0 while pending, which is no error, and 1 once signalled (F8)', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(rig.run(fence.wait(false, 0))).toBe(0)
    fence.signal()
    expect(rig.run(fence.wait(false, 0))).toBe(1)
    fence.put()
    expectAllReleased(rig)
  })

  it('runs out first, and ends with the timer that signals the second time', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(rig.run(fence.wait(false, 1))).toBe(0)
    const timer = new Timer(rig.scheduler, 'signals', () => fence.signal())
    timer.arm(1)
    expect(rig.run(fence.wait(false, 1000))).toBe(999)
    fence.put()
    expectAllReleased(rig)
  })

  it('refuses a negative timeout', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(errorCode(() => rig.run(fence.wait(false, -1)))).toBe('assertion')
    expect(errorCode(() => rig.run(dmaFenceWaitAnyTimeout([fence], false, -1)))).toBe('assertion')
    fence.put()
  })
})

describe('dma_fence: stubs', () => {
  it('have signalled whenever one is asked for, at the time that was given', () => {
    const rig = createFenceRig()
    const stubs = Array.from({ length: 64 }, (_, i) => dmaFencePrivateStub(rig.kernel, i))
    for (const [i, stub] of stubs.entries()) {
      expect([stub.isSignaled(), stub.status, stub.timestampNs]).toEqual([true, 1, i])
      expect(stub.describe()).toBe('0:0   signalled')
      stub.put()
    }
    expectAllReleased(rig)
  })
})

describe('dma_fence: waiting for any of several', () => {
  it('ends with the first that signals, and says which', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence(), rig.fence()]
    rig.scheduler.spawn('signaller', signalLater(rig, fences[1]!, 40))
    expect(rig.run(dmaFenceWaitAnyTimeout(fences, false, 100))).toEqual({ result: 60, index: 1 })
    for (const fence of fences) fence.put()
    expectAllReleased(rig)
  })

  it('gives the whole timeout when one has signalled before', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence()]
    fences[1]?.signal()
    for (const timeoutNs of [100, MAX_SCHEDULE_TIMEOUT]) {
      const waited = rig.run(dmaFenceWaitAnyTimeout(fences, true, timeoutNs))
      expect(waited).toEqual({ result: timeoutNs, index: 1 })
    }
    for (const fence of fences) fence.put()
    expectAllReleased(rig)
  })

  it('only looks with a timeout of 0, also at the hardware', () => {
    const rig = createFenceRig()
    let over = false
    const fences = [rig.fence(), rig.fence({ ops: { signaled: () => over } })]
    expect(rig.run(dmaFenceWaitAnyTimeout(fences, false, 0))).toEqual({ result: 0, index: -1 })
    over = true
    expect(rig.run(dmaFenceWaitAnyTimeout(fences, false, 0))).toEqual({ result: 1, index: 1 })
    for (const fence of fences) fence.put()
    expectAllReleased(rig)
  })

  it('ends with 0 when the time ran out and -ERESTARTSYS on a signal, and leaves no callback behind', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence()]
    expect(rig.run(dmaFenceWaitAnyTimeout(fences, true, 10))).toEqual({ result: 0, index: -1 })
    const wait = dmaFenceWaitAnyTimeout(fences, true, MAX_SCHEDULE_TIMEOUT)
    const waiter = rig.scheduler.spawn('waiter', wait)
    rig.run(yieldNow(rig.scheduler))
    waiter.signal()
    expect(rig.run(joinTask(rig.scheduler, waiter))).toEqual({
      result: -Errno.ERESTARTSYS,
      index: -1,
    })
    // A callback left behind would be reported with the last put of a pending fence.
    for (const fence of fences) fence.put()
    expectAllReleased(rig)
  })

  it('refuses none', () => {
    const rig = createFenceRig()
    expect(errorCode(() => rig.run(dmaFenceWaitAnyTimeout([], false, 1)))).toBe('assertion')
  })
})
