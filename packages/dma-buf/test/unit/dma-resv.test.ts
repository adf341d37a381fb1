// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, joinTask, type Op, sleep, WwAcquireCtx, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { DmaFence, DmaResvUsage, dmaResvUsageRw } from '../../src/index.ts'
import { createRig, errorCode, expectNothingOutstanding, fenceOps } from '../support.ts'

function setup(init: Parameters<typeof createRig>[0] = {}) {
  const rig = createRig(init)
  const resv = rig.core.createResv()
  const fence = (context = rig.core.fenceContextAlloc(1), seqno = 1): DmaFence => {
    const made = new DmaFence(rig.kernel, fenceOps)
    made.init(context, seqno)
    return made
  }
  /** Runs plain code in a task that holds the lock. */
  const locked = <T>(body: () => T): T =>
    rig.run(
      (function* (): Op<T> {
        yield* resv.lock(null)
        try {
          return body()
        } finally {
          resv.unlock()
        }
      })(),
    )
  const add = (made: DmaFence, usage: DmaResvUsage): void =>
    locked(() => {
      resv.reserveFences(1)
      resv.addFence(made, usage)
    })
  const listed = (usage: DmaResvUsage): DmaFence[] =>
    locked(() => {
      const seen: DmaFence[] = []
      resv.forEachFence(usage, (one) => seen.push(one))
      return seen
    })
  return { rig, resv, fence, locked, add, listed }
}

const usages = Object.values(DmaResvUsage)

describe('dma_resv: lock', () => {
  it('knows who holds it', () => {
    const { rig, resv, locked } = setup()
    expect(resv.held).toBe(false)
    locked(() => {
      expect(resv.held).toBe(true)
      expect(resv.tryLock()).toBe(false)
    })
    const other = function* (): Op<void> {
      expect(resv.tryLock()).toBe(true)
      const spy = rig.scheduler.spawn(
        'spy',
        (function* (): Op<boolean> {
          return resv.held
        })(),
      )
      expect(yield* joinTask(rig.scheduler, spy)).toBe(false)
      resv.unlock()
    }
    rig.run(other())
    expectNothingOutstanding(rig)
  })

  it('refuses changes and iteration without it', () => {
    const { rig, resv, fence } = setup()
    const body = function* (): Op<void> {
      expect(errorCode(() => resv.reserveFences(1))).toBe('assertion')
      expect(errorCode(() => resv.addFence(fence(), DmaResvUsage.READ))).toBe('assertion')
      expect(errorCode(() => resv.replaceFences(1, fence(), 0))).toBe('assertion')
      expect(errorCode(() => resv.forEachFence(3, () => {}))).toBe('assertion')
    }
    rig.run(body())
  })

  it('can be interrupted, and takes several in one transaction', () => {
    const { rig, resv } = setup()
    const second = rig.core.createResv()
    const holder = function* (): Op<void> {
      const ctx = new WwAcquireCtx(rig.core.reservationWwClass)
      expect(yield* resv.lock(ctx)).toBe(0)
      expect(yield* resv.lock(ctx)).toBe(-Errno.EALREADY)
      expect(yield* second.lockInterruptible(ctx)).toBe(0)
      const waiter = rig.scheduler.spawn('waiter', resv.lockInterruptible(null))
      yield* yieldNow(rig.scheduler)
      waiter.signal()
      expect(yield* joinTask(rig.scheduler, waiter)).toBe(-Errno.ERESTARTSYS)
      resv.unlock()
      second.unlock()
      ctx.fini()
    }
    rig.run(holder())
    expectNothingOutstanding(rig)
  })

  it('breaks a lock cycle: the younger transaction backs off and starts again', () => {
    const { rig, resv: a } = setup()
    const b = rig.core.createResv()
    const backoffs: string[] = []
    const transaction = function* (name: string, first: typeof a, second: typeof a): Op<void> {
      const ctx = new WwAcquireCtx(rig.core.reservationWwClass)
      yield* first.lock(ctx)
      yield* yieldNow(rig.scheduler)
      if ((yield* second.lock(ctx)) === -Errno.EDEADLK) {
        backoffs.push(name)
        first.unlock()
        yield* second.lockSlow(ctx)
        expect(yield* first.lock(ctx)).toBe(0)
      }
      first.unlock()
      second.unlock()
      ctx.fini()
    }
    rig.scheduler.spawn('older', transaction('older', a, b))
    rig.scheduler.spawn('younger', transaction('younger', b, a))
    rig.scheduler.runUntilIdle()
    expect(backoffs).toEqual(['younger'])
    expectNothingOutstanding(rig)
  })
})

describe('dma_resv: slots', () => {
  it('reserves one slot or more', () => {
    const { resv, locked } = setup()
    for (const count of [0, -1, 1.5]) {
      expect(errorCode(() => locked(() => resv.reserveFences(count)))).toBe('EINVAL')
    }
  })

  it('can be made to fail with ENOMEM, leaving what there was', () => {
    let fail = false
    const { resv, fence, add, locked, listed } = setup({ failReserveFences: () => fail })
    add(fence(), DmaResvUsage.READ)
    fail = true
    expect(errorCode(() => locked(() => resv.reserveFences(1)))).toBe('ENOMEM')
    expect(listed(DmaResvUsage.BOOKKEEP)).toHaveLength(1)
  })

  it('asserts that a slot was reserved under the same hold of the lock', () => {
    const { resv, fence, locked } = setup()
    expect(errorCode(() => locked(() => resv.addFence(fence(), 0)))).toBe('assertion')
    locked(() => resv.reserveFences(2))
    expect(errorCode(() => locked(() => resv.addFence(fence(), 0)))).toBe('assertion')
  })

  it('grows, and forgets fences that have signalled', () => {
    const { resv, fence, add } = setup()
    const fences = Array.from({ length: 9 }, () => fence())
    for (const one of fences.slice(0, 8)) add(one, DmaResvUsage.BOOKKEEP)
    expect(resv.fences).toBe(8)
    for (const one of fences.slice(0, 5)) one.signal()
    add(fences[8]!, DmaResvUsage.BOOKKEEP)
    expect(resv.fences).toBe(4)
    expect(resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(false)
  })

  it('drops its references when it ends', () => {
    const { resv, fence, add } = setup()
    const one = fence()
    add(one, DmaResvUsage.READ)
    one.put()
    expect(one.references).toBe(1)
    resv.fini()
    expect(one.references).toBe(0)
  })
})

describe('dma_resv: add and replace', () => {
  it('replaces a fence of the same context that is not later, and of this class or above', () => {
    const { rig, fence, add, listed } = setup()
    const context = rig.core.fenceContextAlloc(1)
    const [first, second, third] = [fence(context, 1), fence(context, 2), fence(context, 3)]
    add(first!, DmaResvUsage.READ)
    add(second!, DmaResvUsage.WRITE)
    expect(listed(DmaResvUsage.BOOKKEEP)).toEqual([second])
    // A weaker class does not take the place of a stronger one: both count.
    add(third!, DmaResvUsage.BOOKKEEP)
    expect(listed(DmaResvUsage.BOOKKEEP)).toEqual([second, third])
    expect(listed(DmaResvUsage.WRITE)).toEqual([second])
  })

  it('keeps a later fence of the same context', () => {
    const { rig, fence, add, listed } = setup()
    const context = rig.core.fenceContextAlloc(1)
    const [early, late] = [fence(context, 1), fence(context, 2)]
    add(late!, DmaResvUsage.READ)
    add(early!, DmaResvUsage.READ)
    expect(listed(DmaResvUsage.READ)).toEqual([late, early])
  })

  it('takes the slot of a fence that has signalled', () => {
    const { resv, fence, add } = setup()
    const [first, second] = [fence(), fence()]
    add(first!, DmaResvUsage.KERNEL)
    first!.signal()
    add(second!, DmaResvUsage.BOOKKEEP)
    expect(resv.fences).toBe(1)
  })

  it('replaces every fence of a context', () => {
    const { rig, resv, fence, add, locked, listed } = setup()
    const context = rig.core.fenceContextAlloc(1)
    const other = fence()
    add(fence(context, 1), DmaResvUsage.KERNEL)
    add(fence(context, 2), DmaResvUsage.BOOKKEEP)
    add(other, DmaResvUsage.WRITE)
    const replacement = fence()
    locked(() => resv.replaceFences(context, replacement, DmaResvUsage.READ))
    expect(listed(DmaResvUsage.BOOKKEEP)).toEqual([replacement, replacement, other])
    expect(listed(DmaResvUsage.WRITE)).toEqual([other])
  })
})

describe('dma_resv: usage classes', () => {
  it.each(usages)('class %d is seen by itself and the classes above it', (usage) => {
    const { rig, resv, fence, add, listed } = setup()
    const one = fence()
    add(one, usage)
    for (const asked of usages) {
      expect(listed(asked)).toEqual(asked >= usage ? [one] : [])
      expect(resv.testSignaled(asked)).toBe(asked < usage)
      expect(rig.run(resv.waitTimeout(asked, false, 0))).toBe(asked < usage ? 1 : 0)
    }
    one.signal()
    expect(resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(true)
    // Iteration under the lock still gives it; it is the caller's to look.
    expect(listed(DmaResvUsage.BOOKKEEP)).toEqual([one])
  })

  it('lets a writer wait for readers, and a reader for writers', () => {
    expect(dmaResvUsageRw(true)).toBe(DmaResvUsage.READ)
    expect(dmaResvUsageRw(false)).toBe(DmaResvUsage.WRITE)
  })
})

describe('dma_resv: waiting', () => {
  it('waits for one fence after the other, within one timeout', () => {
    const { rig, resv, fence, add } = setup()
    const [first, second] = [fence(), fence()]
    add(first!, DmaResvUsage.WRITE)
    add(second!, DmaResvUsage.READ)
    const signaller = function* (): Op<void> {
      yield* sleep(rig.scheduler, 100)
      first!.signal()
      yield* sleep(rig.scheduler, 200)
      second!.signal()
    }
    rig.scheduler.spawn('signaller', signaller())
    expect(rig.run(resv.waitTimeout(DmaResvUsage.READ, true, 1000))).toBe(700)
    expectNothingOutstanding(rig)
  })

  it('gives 0 when the time ran out, and ERESTARTSYS on a signal', () => {
    const { rig, resv, fence, add } = setup()
    const one = fence()
    add(one, DmaResvUsage.READ)
    expect(rig.run(resv.waitTimeout(DmaResvUsage.READ, false, 50))).toBe(0)
    const waiter = rig.scheduler.spawn('waiter', resv.waitTimeout(DmaResvUsage.READ, true, 1e9))
    rig.run(yieldNow(rig.scheduler))
    waiter.signal()
    expect(rig.run(joinTask(rig.scheduler, waiter))).toBe(-Errno.ERESTARTSYS)
    expect(rig.run(resv.waitTimeout(DmaResvUsage.WRITE, true, 77))).toBe(77)
    expectNothingOutstanding(rig)
  })

  it('starts again when the list was replaced while it waited', () => {
    const { rig, resv, fence, add } = setup()
    const [first, ...more] = Array.from({ length: 6 }, () => fence())
    add(first!, DmaResvUsage.READ)
    const waiter = rig.scheduler.spawn(
      'waiter',
      resv.waitTimeout(DmaResvUsage.READ, false, Number.POSITIVE_INFINITY),
    )
    rig.run(yieldNow(rig.scheduler))
    for (const one of more) add(one, DmaResvUsage.READ)
    first!.signal()
    rig.run(yieldNow(rig.scheduler))
    expect(waiter.state).toBe('parked')
    for (const one of more) one.signal()
    expect(rig.run(joinTask(rig.scheduler, waiter))).toBe(Number.POSITIVE_INFINITY)
    expectNothingOutstanding(rig)
  })
})
