// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { DmaResvUsage, MAX_SCHEDULE_TIMEOUT, toDmaFenceArray } from '../../src/index.ts'
import { createResvRig, USAGES } from './dma-resv-support.ts'

describe('dma_resv by itself', () => {
  it('is locked, unlocked and ended with nothing in it', () => {
    const rig = createResvRig()
    rig.locked(() => expect(rig.resv.held).toBe(true))
    expect([rig.resv.isLocked, rig.resv.fences]).toEqual([false, 0])
    expect(rig.resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(true)
    rig.end()
  })
})

describe.each(Object.entries(DmaResvUsage))('dma_resv, a fence of class %s', (_name, usage) => {
  it('is pending for its class until it signals, and for none below', () => {
    const rig = createResvRig()
    const fence = rig.add(usage)
    for (const asked of USAGES) expect(rig.resv.testSignaled(asked)).toBe(asked < usage)
    fence.signal()
    for (const asked of USAGES) expect(rig.resv.testSignaled(asked)).toBe(true)
    rig.end()
  })

  it('is met once by an iteration with the lock, with its class', () => {
    const rig = createResvRig()
    const fence = rig.add(usage)
    for (const asked of USAGES) {
      const seen: unknown[] = []
      rig.locked(() => rig.resv.forEachFence(asked, (one, its) => seen.push([one, its])))
      expect(seen).toEqual(asked >= usage ? [[fence, usage]] : [])
    }
    rig.end()
  })

  it('is met by an iteration without the lock, again when that starts again, with its class', () => {
    const rig = createResvRig()
    const fence = rig.add(usage)
    const cursor = rig.resv.iterBegin(usage)
    expect(cursor.firstUnlocked()).toBe(fence)
    expect([cursor.isRestarted, cursor.usage]).toEqual([true, usage])
    // Grows: the same fence on another list.
    rig.locked(() => rig.resv.reserveFences(8))
    expect(cursor.nextUnlocked()).toBe(fence)
    expect([cursor.isRestarted, cursor.usage, fence.references]).toEqual([true, usage, 2])
    expect(cursor.nextUnlocked()).toBe(null)
    expect([cursor.isRestarted, fence.references]).toEqual([false, 1])
    cursor.end()
    rig.end()
  })

  it('is the one that get_fences and get_singleton give, with a reference', () => {
    const rig = createResvRig()
    const fence = rig.add(usage)
    for (const asked of USAGES) {
      const fences = rig.resv.getFences(asked)
      const one = rig.resv.getSingleton(asked, rig.contexts)
      expect([fences, one]).toEqual(asked >= usage ? [[fence], fence] : [[], null])
      for (const got of [...fences, one]) got?.put()
    }
    expect(fence.references).toBe(1)
    fence.signal()
    expect(rig.resv.getFences(usage)).toEqual([])
    expect(rig.resv.getSingleton(usage, rig.contexts)).toBe(null)
    rig.end()
  })

  it('is waited for by its class and those above', () => {
    const rig = createResvRig()
    const fence = rig.add(usage)
    for (const asked of USAGES) {
      expect(rig.run(rig.resv.waitTimeout(asked, true, 0))).toBe(asked < usage ? 1 : 0)
      expect(rig.run(rig.resv.waitTimeout(asked, true, 10))).toBe(asked < usage ? 10 : 0)
    }
    fence.signal()
    expect(rig.run(rig.resv.waitTimeout(usage, true, MAX_SCHEDULE_TIMEOUT))).toBe(
      MAX_SCHEDULE_TIMEOUT,
    )
    rig.end()
  })
})

describe('dma_resv: classes', () => {
  it('a BOOKKEEP fence keeps nobody waiting who only reads, writes or moves (F10)', () => {
    const rig = createResvRig()
    const drain = rig.add(DmaResvUsage.BOOKKEEP)
    for (const asked of [DmaResvUsage.KERNEL, DmaResvUsage.WRITE, DmaResvUsage.READ]) {
      expect(rig.run(rig.resv.waitTimeout(asked, false, 0))).toBe(1)
    }
    expect(rig.run(rig.resv.waitTimeout(DmaResvUsage.BOOKKEEP, false, 0))).toBe(0)
    drain.signal()
    rig.end()
  })

  it('two generations in one context replace each other, in two they are both kept (F9)', () => {
    const rig = createResvRig()
    const context = rig.contexts.fenceContextAlloc(1)
    const first = rig.fence({ context, seqno: 1 })
    const second = rig.fence({ context, seqno: 2 })
    rig.add(DmaResvUsage.BOOKKEEP, first)
    rig.add(DmaResvUsage.BOOKKEEP, second)
    second.signal()
    expect([first.status, rig.resv.testSignaled(DmaResvUsage.BOOKKEEP)]).toEqual([0, true])
    rig.add(DmaResvUsage.BOOKKEEP)
    const last = rig.add(DmaResvUsage.BOOKKEEP)
    last.signal()
    expect(rig.resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(false)
    first.put()
    second.put()
    rig.end()
  })

  it('several fences are one array for get_singleton', () => {
    const rig = createResvRig()
    const fences = USAGES.map((usage) => rig.add(usage))
    const one = rig.resv.getSingleton(DmaResvUsage.READ, rig.contexts)
    expect(toDmaFenceArray(one)?.fences).toEqual(fences.slice(0, 3))
    one?.enableSignaling()
    for (const fence of fences) fence.signal()
    rig.scheduler.runUntilIdle()
    expect(one?.signaledFlag).toBe(true)
    one?.put()
    rig.end()
  })

  it('are described one fence a line, up to READ unless more is asked for', () => {
    const rig = createResvRig()
    const fences = USAGES.map((usage) => rig.add(usage, rig.fence({ context: 70 + usage })))
    fences[1]?.signal()
    const lines = [
      '\tkernel fence:70:1 timeline driver unsignalled\n',
      '\twrite fence:71:1   signalled\n',
      '\tread fence:72:1 timeline driver unsignalled\n',
      '\tbookkeep fence:73:1 timeline driver unsignalled\n',
    ]
    expect(rig.locked(() => rig.resv.describe())).toBe(lines.slice(0, 3).join(''))
    expect(rig.locked(() => rig.resv.describe(DmaResvUsage.BOOKKEEP))).toBe(lines.join(''))
    for (const fence of fences) fence.put()
    rig.end()
  })

  it('tell the fences of a class when they are hoped for', () => {
    const rig = createResvRig()
    const told: number[] = []
    for (const usage of USAGES) {
      const ops = { setDeadline: () => told.push(usage) }
      const fence = rig.add(usage, rig.fence({ ops }))
      fence.put()
    }
    rig.resv.setDeadline(DmaResvUsage.WRITE, 5)
    expect(told).toEqual([DmaResvUsage.KERNEL, DmaResvUsage.WRITE])
    rig.end()
  })
})
