// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, WwAcquireCtx, WwClass } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  DmaFence,
  DmaFenceCallback,
  DmaResv,
  DmaResvUsage,
  dmaFenceWaitAnyTimeout,
} from '../../src/index.ts'
import { errorCode } from '../support.ts'
import { createFenceRig, type FenceRig } from './dma-fence-support.ts'

function setup() {
  const rig = createFenceRig()
  const wwClass = new WwClass('reservation_ww_class')
  const resv = new DmaResv(rig.kernel, wwClass)
  const early = (): DmaFence =>
    new DmaFence(rig.kernel, {
      getDriverName: () => 'early',
      getTimelineName: () => 'early',
      reserveBeforeInit: true,
    })
  const locked = (body: () => void): void =>
    rig.run(
      (function* (): Op<void> {
        yield* resv.lock(null)
        try {
          body()
        } finally {
          resv.unlock()
        }
      })(),
    )
  return { rig, wwClass, resv, early, locked }
}

function initialiseHere(fence: DmaFence, seqno = 1): void {
  fence.init(50, seqno)
}

function addHere(resv: DmaResv, fence: DmaFence): void {
  resv.addFence(fence, DmaResvUsage.BOOKKEEP)
}

const headings = (rig: FenceRig) => rig.found.map(({ message }) => message.split('\n')[0])

describe('checked mode: the order reserve, initialise, add', () => {
  it('is silent when it is kept, over several reservation objects and after an unlock (F1)', () => {
    const { rig, resv, early, locked } = setup()
    const other = new DmaResv(rig.kernel, new WwClass('other'))
    const fence = early()
    locked(() => {
      resv.reserveFences(1)
      initialiseHere(fence)
      addHere(resv, fence)
    })
    // Known by then: others may add it wherever they reserve.
    const body = function* (): Op<void> {
      yield* other.lock(null)
      other.reserveFences(1)
      addHere(other, fence)
      other.unlock()
    }
    rig.run(body())
    expect(rig.found).toEqual([])
  })

  it('reports a fence that was initialised before its slot was reserved, with both stacks (F1)', () => {
    const { rig, resv, early, locked } = setup()
    const fence = early()
    initialiseHere(fence)
    locked(() => {
      resv.reserveFences(1)
      addHere(resv, fence)
    })
    expect(headings(rig)).toEqual([
      'fence 50:1 was initialised too early: its slot was reserved only after that',
    ])
    const lines = rig.found[0]?.message.split('\n') ?? []
    expect(lines[lines.indexOf('  initialised at:') + 1]).toContain('initialiseHere')
    expect(lines[lines.indexOf('  added at:') + 1]).toContain('addHere')
  })

  it('reports a fence whose slot was reserved under another hold of the lock (F1)', () => {
    const { rig, resv, early, locked } = setup()
    const [fence, pending] = [early(), early()]
    locked(() => {
      resv.reserveFences(1)
      initialiseHere(pending)
      addHere(resv, pending)
    })
    initialiseHere(fence, 2)
    locked(() => addHere(resv, fence))
    expect(headings(rig)).toEqual([
      'fence 50:2 was initialised too early: no slot was reserved for it',
    ])
  })

  it('lets fences pass whose drivers promise no order, or that somebody waits for already', () => {
    const { rig, resv, early, locked } = setup()
    const [job, known] = [rig.fence(), early()]
    initialiseHere(known)
    known.addCallback(new DmaFenceCallback(() => {}))
    locked(() => {
      resv.reserveFences(2)
      addHere(resv, job)
      addHere(resv, known)
    })
    expect(rig.found).toEqual([])
  })

  it('asserts that a fence is initialised when it is added', () => {
    const { resv, early, locked } = setup()
    locked(() => {
      resv.reserveFences(1)
      expect(errorCode(() => addHere(resv, early()))).toBe('assertion')
    })
  })

  it('reports a container in a reservation object', () => {
    const { rig, resv, locked } = setup()
    locked(() => {
      resv.reserveFences(1)
      addHere(resv, rig.array([rig.fence()]))
    })
    expect(headings(rig)).toEqual([
      expect.stringMatching(/^dma_fence_array \d+:1 was added to a dma_resv/),
    ])
  })
})

describe('checked mode: where a fence depends on the running code', () => {
  it('reports waits for fences, also for those that have signalled', () => {
    const { rig, resv } = setup()
    const fence = rig.fence()
    fence.signal()
    const body = function* (): Op<void> {
      const cookie = rig.kernel.signalling.begin('job')
      yield* fence.wait(false, 10)
      yield* dmaFenceWaitAnyTimeout([fence], false, 10)
      yield* resv.waitTimeout(DmaResvUsage.READ, false, 10)
      rig.kernel.signalling.end(cookie)
    }
    rig.run(body())
    expect(headings(rig)).toEqual([
      'a fence is waited for (dma_fence_wait) where a fence depends on this context (job)',
      'a fence is waited for (dma_fence_wait_any) where a fence depends on this context (job)',
    ])
  })

  it('reports every way to wait for a reservation lock, with both stacks, and not the try', () => {
    const { rig, wwClass, resv } = setup()
    const ways: ((ctx: WwAcquireCtx) => Op<unknown>)[] = [
      (ctx) => resv.lock(ctx),
      (ctx) => resv.lockInterruptible(ctx),
      (ctx) => resv.lockSlow(ctx),
      (ctx) => resv.lockSlowInterruptible(ctx),
      function* (ctx) {
        resv.tryLock(ctx)
      },
    ]
    const body = function* signalsAndLocks(): Op<void> {
      for (const lock of ways) {
        const ctx = new WwAcquireCtx(wwClass)
        const cookie = rig.kernel.signalling.begin('job')
        yield* lock(ctx)
        rig.kernel.signalling.end(cookie)
        expect(resv.isLocked).toBe(true)
        resv.unlock()
        expect(resv.isLocked).toBe(false)
        ctx.fini()
      }
    }
    rig.run(body())
    expect(headings(rig)).toEqual(
      Array(4).fill(
        'a lock is taken under which fences are waited for (reservation_ww_class) where a fence depends on this context (job)',
      ),
    )
    const stacks = rig.found[0]?.message.split('begun at:') ?? []
    expect(stacks.map((stack) => stack.includes('signalsAndLocks'))).toEqual([true, true])
  })

  it('reports that slots are reserved', () => {
    const { rig, resv, locked } = setup()
    locked(() => {
      const cookie = rig.kernel.signalling.begin('job')
      resv.reserveFences(1)
      rig.kernel.signalling.end(cookie)
    })
    expect(headings(rig)).toEqual([expect.stringContaining('memory is allocated')])
  })

  it('counts the callbacks of a fence in', () => {
    const { rig } = setup()
    const fence = rig.fence()
    fence.addCallback(new DmaFenceCallback(() => rig.kernel.signalling.mightAlloc('kmalloc')))
    fence.signal()
    expect(headings(rig)).toEqual([
      'memory is allocated (kmalloc) where a fence depends on this context (dma_fence_signal)',
    ])
    rig.kernel.signalling.mightAlloc('kmalloc')
    expect(rig.found).toHaveLength(1)
  })
})

describe('checked mode: lives of fences', () => {
  it('a fence is not looked at after a grace period since its last put (H5, H8)', () => {
    const { rig } = setup()
    const fence = rig.fence()
    const { rcu } = rig.kernel
    rcu.readLock()
    fence.put()
    // The reader that saw it before may find out that it is gone.
    expect([fence.tryGet(), fence.isSignaled()]).toEqual([false, false])
    rcu.readUnlock()
    const uses = [
      () => fence.tryGet(),
      () => fence.isSignaled(),
      () => fence.enableSignaling(),
      () => fence.addCallback(new DmaFenceCallback(() => {})),
      () => rig.run(fence.wait(false, 0)),
    ]
    for (const use of uses) expect(errorCode(use)).toBe('assertion')
    rcu.readLock()
    expect(errorCode(() => fence.tryGet())).toBe('assertion')
    rcu.readUnlock()
  })

  it('the last put of a pending fence that somebody waits for is reported, and ends the wait', () => {
    const { rig } = setup()
    const fence = rig.fence({ context: 50, seqno: 3 })
    fence.addCallback(new DmaFenceCallback(() => {}))
    fence.put()
    expect(headings(rig)).toEqual([
      'fence 50:3 lost its last reference while somebody waited for it',
    ])
    const quiet = rig.fence()
    quiet.enableSignaling()
    quiet.put()
    expect(rig.found).toHaveLength(1)
  })
})
