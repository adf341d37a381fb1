// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { DmaResv, DmaResvUsage } from '../../src/index.ts'
import { errorCode } from '../support.ts'
import { createResvRig, USAGES } from './dma-resv-support.ts'

describe('dma_resv: a walk with the lock', () => {
  it('gives every fence, signalled or not, and says that it began with the first', () => {
    const rig = createResvRig()
    const fences = [rig.add(1), rig.add(3), rig.add(0)]
    fences[2]?.signal()
    rig.locked(() => {
      const cursor = rig.resv.iterBegin(DmaResvUsage.READ)
      expect([cursor.first(), cursor.isRestarted, cursor.usage]).toEqual([fences[0], true, 1])
      expect([cursor.next(), cursor.isRestarted, cursor.usage]).toEqual([fences[2], false, 0])
      expect(cursor.next()).toBe(null)
      expect(cursor.next()).toBe(null)
      cursor.end()
    })
    rig.end()
  })

  it('is refused without it', () => {
    const rig = createResvRig()
    const cursor = rig.resv.iterBegin(DmaResvUsage.READ)
    const body = function* (): Op<void> {
      expect(errorCode(() => cursor.first())).toBe('assertion')
      expect(errorCode(() => cursor.next())).toBe('assertion')
      expect(errorCode(() => rig.resv.describe())).toBe('assertion')
      expect(errorCode(() => rig.resv.copyFences(rig.resv))).toBe('assertion')
    }
    rig.run(body())
  })
})

describe('dma_resv: a walk without the lock', () => {
  it('gives what is pending, with one reference at a time', () => {
    const rig = createResvRig()
    const fences = [rig.add(0), rig.add(1), rig.add(2), rig.add(3)]
    fences[1]?.signal()
    const cursor = rig.resv.iterBegin(DmaResvUsage.READ)
    expect(cursor.firstUnlocked()).toBe(fences[0])
    expect(cursor.nextUnlocked()).toBe(fences[2])
    expect(fences.map((fence) => fence.references)).toEqual([1, 1, 2, 1])
    cursor.end()
    cursor.end()
    expect(fences.map((fence) => fence.references)).toEqual([1, 1, 1, 1])
    expect(cursor.firstUnlocked()).toBe(fences[0])
    cursor.end()
    rig.end()
  })

  it('does not see what is added to a slot behind its end, and starts again when the list was replaced', () => {
    const rig = createResvRig()
    const first = rig.add(0)
    const cursor = rig.resv.iterBegin(DmaResvUsage.BOOKKEEP)
    expect(cursor.firstUnlocked()).toBe(first)
    const second = rig.add(0)
    expect([cursor.nextUnlocked(), cursor.isRestarted]).toEqual([null, false])
    expect(cursor.firstUnlocked()).toBe(first)
    const more = [rig.add(0), rig.add(0), rig.add(0)]
    expect([cursor.nextUnlocked(), cursor.isRestarted]).toEqual([first, true])
    for (const fence of [second, ...more]) {
      expect([cursor.nextUnlocked(), cursor.isRestarted]).toEqual([fence, false])
    }
    expect(cursor.nextUnlocked()).toBe(null)
    rig.end()
  })

  it('holds its fence over a replacement, and goes on behind it', () => {
    const rig = createResvRig()
    const context = rig.contexts.fenceContextAlloc(1)
    const old = rig.add(2, rig.fence({ context, seqno: 1 }))
    old.put()
    const other = rig.add(2)
    const cursor = rig.resv.iterBegin(DmaResvUsage.READ)
    expect(cursor.firstUnlocked()).toBe(old)
    rig.add(2, rig.fence({ context, seqno: 2 })).put()
    expect(old.references).toBe(1)
    expect(cursor.nextUnlocked()).toBe(other)
    expect(rig.live()).toBe(2)
    cursor.end()
    rig.end()
  })
})

describe('dma_resv: copies', () => {
  it('have the pending fences of the source in their classes, and nothing of their own', () => {
    const rig = createResvRig()
    const fences = USAGES.map((usage) => rig.add(usage))
    fences[1]?.signal()
    const target = new DmaResv(rig.kernel, rig.wwClass)
    const own = rig.fence()
    rig.locked(() => {
      target.reserveFences(1)
      target.addFence(own, DmaResvUsage.KERNEL)
      target.copyFences(rig.resv)
    }, target)
    own.put()
    expect(rig.live()).toBe(4)
    const seen: unknown[] = []
    rig.locked(
      () => target.forEachFence(DmaResvUsage.BOOKKEEP, (...pair) => seen.push(pair)),
      target,
    )
    expect(seen).toEqual([
      [fences[0], 0],
      [fences[2], 2],
      [fences[3], 3],
    ])
    target.fini()
    rig.end()
  })

  it('of nothing are empty', () => {
    const rig = createResvRig()
    const empty = new DmaResv(rig.kernel, rig.wwClass)
    rig.add(0)
    rig.locked(() => rig.resv.copyFences(empty))
    expect([rig.resv.fences, rig.live()]).toEqual([0, 0])
    rig.end()
  })

  it('fail with ENOMEM as a whole, and so does gathering', () => {
    let fail = false
    const rig = createResvRig({ failReserveFences: () => fail })
    rig.add(0)
    const target = new DmaResv(rig.kernel, rig.wwClass, { failReserveFences: () => fail })
    rig.locked(() => target.copyFences(rig.resv), target)
    fail = true
    expect(errorCode(() => rig.locked(() => target.copyFences(rig.resv), target))).toBe('ENOMEM')
    expect(errorCode(() => rig.resv.getFences(DmaResvUsage.READ))).toBe('ENOMEM')
    expect(target.fences).toBe(1)
    target.fini()
    rig.end()
  })
})

describe('dma_resv: drivers that are asked', () => {
  it('a look that finds the list rearranged meanwhile looks again', () => {
    const rig = createResvRig()
    let asked = 0
    const grow = (): boolean => {
      asked++
      if (asked > 1) return false
      const fence = rig.fence()
      rig.resv.reserveFences(8)
      rig.resv.addFence(fence, DmaResvUsage.KERNEL)
      fence.put()
      return true
    }
    rig.add(0, rig.fence({ ops: { signaled: grow } })).put()
    rig.locked(() => expect(rig.resv.testSignaled(DmaResvUsage.KERNEL)).toBe(false))
    expect(asked).toBeGreaterThan(0)
    rig.end()
  })
})
