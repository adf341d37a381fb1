// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type DmaFenceArray,
  DmaFenceCallback,
  dmaFenceIsContainer,
  dmaFenceMatchContext,
  toDmaFenceArray,
} from '../../src/index.ts'
import { errorCode } from '../support.ts'
import { createFenceRig, expectAllReleased, type FenceRig } from './dma-fence-support.ts'

/** An array of three, and the three, with a reference on each. */
function three(signalOnAny: boolean) {
  const rig = createFenceRig()
  const fences = [rig.fence(), rig.fence(), rig.fence()] as const
  for (const fence of fences) fence.get()
  const array = rig.array(fences, signalOnAny)
  return { rig, fences, array }
}

function end(
  rig: FenceRig,
  held: readonly { signal(): void; put(): void }[],
  array: DmaFenceArray,
) {
  for (const fence of held) {
    fence.signal()
    fence.put()
  }
  rig.scheduler.runUntilIdle()
  array.put()
  expectAllReleased(rig)
}

describe('dma_fence_array', () => {
  it.each([true, false])('of all signals with the last of them, asked to signal: %s', (asked) => {
    const { rig, fences, array } = three(false)
    if (asked) expect(array.enableSignaling()).toBe(true)
    for (const fence of fences) {
      expect(array.isSignaled()).toBe(false)
      fence.signal()
    }
    expect(array.status).toBe(1)
    end(rig, fences, array)
  })

  it.each([true, false])('of any signals with the first of them, asked to signal: %s', (asked) => {
    const { rig, fences, array } = three(true)
    if (asked) expect(array.enableSignaling()).toBe(true)
    expect(array.isSignaled()).toBe(false)
    fences[1].signal()
    expect(array.status).toBe(1)
    end(rig, fences, array)
  })

  it('tells those who wait after the signal of a fence, not inside it', () => {
    const { rig, fences, array } = three(false)
    let seen = 0
    array.addCallback(new DmaFenceCallback(() => seen++))
    for (const fence of fences) fence.signal()
    expect(seen).toBe(0)
    rig.scheduler.runUntilIdle()
    expect([seen, array.signaledFlag]).toEqual([1, true])
    end(rig, fences, array)
  })

  it('is over at once when enough of its fences were when it was asked', () => {
    for (const signalOnAny of [false, true]) {
      const { rig, fences, array } = three(signalOnAny)
      fences[0].signal()
      expect(array.enableSignaling()).toBe(!signalOnAny)
      fences[1].signal()
      fences[2].signal()
      rig.scheduler.runUntilIdle()
      expect(array.status).toBe(1)
      end(rig, fences, array)
    }
  })

  it('ends with the first error of its fences', () => {
    const { rig, fences, array } = three(false)
    array.enableSignaling()
    fences[2].signalWithError(-Errno.EIO)
    fences[0].signalWithError(-Errno.ENOMEM)
    expect(array.error).toBe(0)
    fences[1].signal()
    rig.scheduler.runUntilIdle()
    expect(array.status).toBe(-Errno.EIO)
    end(rig, fences, array)
  })

  it('takes the error of a fence that had ended when it was asked', () => {
    const { rig, fences, array } = three(false)
    for (const fence of fences) fence.signalWithError(-Errno.EIO)
    expect(array.enableSignaling()).toBe(false)
    expect(array.status).toBe(-Errno.EIO)
    end(rig, fences, array)
  })

  it('takes an error also when it is looked at before it could tell', () => {
    const { rig, fences, array } = three(true)
    array.enableSignaling()
    fences[0].signalWithError(-Errno.EIO)
    expect(array.status).toBe(-Errno.EIO)
    fences[1].signalWithError(-Errno.ENOMEM)
    rig.scheduler.runUntilIdle()
    expect(array.status).toBe(-Errno.EIO)
    end(rig, fences, array)
  })

  it('lives as long as callbacks of its fences may come, whoever lets go of it', () => {
    const { rig, fences, array } = three(true)
    array.enableSignaling()
    fences[0].signal()
    rig.scheduler.runUntilIdle()
    array.put()
    expect(array.references).toBe(2)
    fences[1].signal()
    fences[2].signal()
    for (const fence of fences) fence.put()
    expectAllReleased(rig)
  })

  it('passes on what is hoped for to all of its fences', () => {
    const rig = createFenceRig()
    const told: number[] = []
    const ops = { setDeadline: (_: unknown, deadlineNs: number) => void told.push(deadlineNs) }
    const array = rig.array([rig.fence({ ops }), rig.fence({ ops }), rig.fence()])
    array.setDeadline(5)
    array.fences[0]?.signal()
    array.setDeadline(6)
    expect(told).toEqual([5, 5, 6])
    for (const fence of array.fences) fence.signal()
    array.put()
    expectAllReleased(rig)
  })

  it('knows itself and its context, and whether all of its fences are of one', () => {
    const rig = createFenceRig()
    const array = rig.array([rig.fence({ context: 50 }), rig.fence({ context: 50, seqno: 2 })])
    const other = rig.fence({ context: 51 })
    expect([toDmaFenceArray(array), toDmaFenceArray(other), toDmaFenceArray(null)]).toEqual([
      array,
      null,
      null,
    ])
    expect([dmaFenceIsContainer(array), dmaFenceIsContainer(other)]).toEqual([true, false])
    expect([dmaFenceMatchContext(array, 50), dmaFenceMatchContext(array, array.context)]).toEqual([
      true,
      false,
    ])
    expect([dmaFenceMatchContext(other, 51), dmaFenceMatchContext(other, 50)]).toEqual([
      true,
      false,
    ])
    expect([array.driverName, array.timelineName]).toEqual(['dma_fence_array', 'unbound'])
    other.put()
    array.put()
    expectAllReleased(rig)
  })

  it('holds at least one fence, and no containers: checked mode reports them', () => {
    const rig = createFenceRig()
    expect(errorCode(() => rig.array([]))).toBe('assertion')
    const nested = rig.array([rig.array([rig.fence()])])
    expect(rig.found.map(({ check, message }) => `${check}: ${message}`)).toEqual([
      expect.stringContaining('dma-fence: a dma_fence_array holds a container'),
    ])
    nested.put()
    expect(rig.live()).toBe(0)
  })
})
