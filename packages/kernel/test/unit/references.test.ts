// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AssertionFailure,
  createKernel,
  createVirtualScheduler,
  fifoStrategy,
  Kref,
  type Op,
  PercpuRef,
  RcuHead,
  REFCOUNT_SATURATED,
  RefCount,
  recordedStrategy,
} from '../../src/index.ts'

describe('RefCount', () => {
  it('counts, and tells the last drop', () => {
    const count = new RefCount(1)
    count.inc()
    expect(count.read()).toBe(2)
    expect(count.decAndTest()).toBe(false)
    expect(count.decAndTest()).toBe(true)
    expect(count.incNotZero()).toBe(false)
  })

  it('refuses use after zero and a drop too many', () => {
    const count = new RefCount(1)
    count.decAndTest()
    expect(() => count.inc()).toThrow(AssertionFailure)
    expect(() => count.decAndTest()).toThrow(AssertionFailure)
    expect(() => new RefCount(0)).toThrow(AssertionFailure)
  })

  it('saturates instead of wrapping, and is then never freed', () => {
    const count = new RefCount(0x7fff_ffff)
    count.inc()
    expect(count.read()).toBe(REFCOUNT_SATURATED)
    expect(count.decAndTest()).toBe(false)
    count.inc()
    expect(count.read()).toBe(REFCOUNT_SATURATED)
  })
})

describe('Kref', () => {
  it('releases once, on the last put', () => {
    const kref = new Kref()
    let released = 0
    expect(kref.getUnlessZero()).toBe(true)
    kref.get()
    expect(kref.references).toBe(3)
    expect(kref.put(() => released++)).toBe(false)
    expect(kref.put(() => released++)).toBe(false)
    expect(kref.put(() => released++)).toBe(true)
    expect(released).toBe(1)
    expect(kref.getUnlessZero()).toBe(false)
  })
})

describe('PercpuRef', () => {
  const make = (): { ref: PercpuRef; released: () => number } => {
    const kernel = createKernel({
      scheduler: createVirtualScheduler({ strategy: fifoStrategy() }),
    })
    let count = 0
    return { ref: new PercpuRef(kernel, 'test', () => count++), released: () => count }
  }

  it('lives until it is killed, and releases on the drop that reaches zero', () => {
    const { ref, released } = make()
    expect(ref.tryGetLive()).toBe(true)
    ref.get()
    ref.kill()
    expect(ref.isDying).toBe(true)
    expect(ref.tryGetLive()).toBe(false)
    expect(ref.tryGet()).toBe(true)
    ref.put()
    ref.put()
    expect(released()).toBe(0)
    ref.put()
    expect(released()).toBe(1)
    expect(ref.isZero).toBe(true)
    expect(ref.tryGet()).toBe(false)
    ref.exit()
  })

  it('is taken back before zero, begun anew after it, and dropped many at once', () => {
    const { ref, released } = make()
    ref.get()
    ref.kill()
    ref.resurrect()
    expect([ref.isDying, ref.count, ref.tryGetLive()]).toEqual([false, 2, true])
    ref.kill()
    expect(() => ref.putMany(3)).toThrow(AssertionFailure)
    expect(() => ref.putMany(0)).toThrow(AssertionFailure)
    ref.putMany(2)
    expect(released()).toBe(1)
    expect(() => ref.resurrect()).toThrow(AssertionFailure)
    ref.reinit()
    expect(() => ref.reinit()).toThrow(AssertionFailure)
    expect([ref.isDying, ref.count, ref.tryGetLive()]).toEqual([false, 1, true])
    ref.put()
    expect(() => make().ref.putMany(1)).toThrow(AssertionFailure)
    ref.kill()
    expect(released()).toBe(2)
    ref.exit()
    expect(() => ref.reinit()).toThrow(AssertionFailure)
  })

  it('is taken without a look at its life by who must not fail while it is dying', () => {
    const { ref, released } = make()
    ref.kill()
    expect(ref.tryGet()).toBe(false)
    ref.reinit()
    expect(ref.tryGet()).toBe(true)
    ref.kill()
    expect(ref.tryGet()).toBe(true)
    ref.put()
    ref.put()
    expect(released()).toBe(2)
  })

  it('confirms the kill after a grace period', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const kernel = createKernel({ scheduler })
    let confirmed = false
    const ref = new PercpuRef(kernel, 'test', () => undefined)
    kernel.rcu.readLock()
    ref.kill(() => (confirmed = true))
    scheduler.runUntilIdle()
    expect(confirmed).toBe(false)
    kernel.rcu.readUnlock()
    scheduler.runUntilIdle()
    expect(confirmed).toBe(true)
  })

  it('releases inside kill when nobody holds it', () => {
    const { ref, released } = make()
    ref.kill()
    expect(released()).toBe(1)
  })

  it('refuses a second kill, a drop too many, an exit with references, and use after exit', () => {
    const { ref } = make()
    expect(() => ref.exit()).toThrow(AssertionFailure)
    expect(() => ref.put()).toThrow(AssertionFailure)
    const other = make().ref
    other.kill()
    expect(() => other.kill()).toThrow(AssertionFailure)
    expect(() => other.put()).toThrow(AssertionFailure)
    expect(() => other.get()).toThrow(AssertionFailure)
    other.exit()
    expect(() => other.tryGet()).toThrow(AssertionFailure)
    expect(() => other.tryGetLive()).toThrow(AssertionFailure)
  })
})

describe('Rcu', () => {
  it('says whether a grace period has gone by since a moment', () => {
    const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
    const { rcu } = createKernel({ scheduler })
    expect(rcu.pollState(rcu.getState())).toBe(true)
    rcu.readLock()
    const state = rcu.getState()
    rcu.readLock()
    rcu.readUnlock()
    expect(rcu.pollState(state)).toBe(false)
    rcu.readUnlock()
    expect(rcu.pollState(state)).toBe(true)
    rcu.readLock()
    expect(rcu.pollState(state)).toBe(true)
    expect(rcu.pollState(rcu.getState())).toBe(false)
    rcu.readUnlock()
  })

  it('runs callbacks after the sections that were open have closed', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const { rcu } = createKernel({ scheduler })
    const log: string[] = []
    rcu.readLock()
    rcu.readLock()
    rcu.call(new RcuHead(() => log.push('freed')))
    scheduler.runUntilIdle()
    rcu.readUnlock()
    scheduler.runUntilIdle()
    expect(log).toEqual([])
    rcu.readUnlock()
    scheduler.runUntilIdle()
    expect(log).toEqual(['freed'])
    expect(() => rcu.readUnlock()).toThrow(AssertionFailure)
  })

  it('a grace period does not end inside a section that a choice point interrupted', () => {
    // The one choice: run the queued RCU callbacks nested, inside the section.
    const scheduler = createVirtualScheduler({ strategy: recordedStrategy([0]) })
    const { rcu } = createKernel({ scheduler })
    let freed = false
    rcu.readLock()
    rcu.call(new RcuHead(() => (freed = true)))
    scheduler.choicePoint('reader looks')
    expect(freed).toBe(false)
    rcu.readUnlock()
    scheduler.runUntilIdle()
    expect(freed).toBe(true)
  })

  it('callbacks of one grace period run in order, and one that throws does not stop the others', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const { rcu } = createKernel({ scheduler })
    const log: string[] = []
    rcu.call(new RcuHead(() => log.push('before')))
    rcu.readLock()
    rcu.call(
      new RcuHead(() => {
        throw new Error('bad callback')
      }),
    )
    rcu.call(new RcuHead(() => log.push('after')))
    rcu.readUnlock()
    expect(() => scheduler.runUntilIdle()).toThrow('bad callback')
    expect(log).toEqual(['before', 'after'])
    const again: RcuHead = new RcuHead(() => {
      if (log.push('again') < 5) rcu.call(again)
    })
    rcu.call(again)
    scheduler.runUntilIdle()
    expect(log).toEqual(['before', 'after', 'again', 'again', 'again'])
    expect(rcu.readers).toBe(0)
  })

  it('synchronize and barrier wait for earlier callbacks; a section may not sleep', () => {
    const scheduler = createVirtualScheduler({ seed: 3 })
    const { rcu } = createKernel({ scheduler })
    let freed = false
    rcu.call(new RcuHead(() => (freed = true)))
    scheduler.runSync('barrier', rcu.barrier())
    expect(freed).toBe(true)
    function* sleeps(): Op<void> {
      rcu.readLock()
      yield* rcu.synchronize()
    }
    expect(() => scheduler.runSync('sleeps', sleeps())).toThrow('scheduling while atomic')
    rcu.readUnlock()
    const head = new RcuHead(() => undefined)
    rcu.call(head)
    expect(() => rcu.call(head)).toThrow(AssertionFailure)
    scheduler.runUntilIdle()
  })
})
