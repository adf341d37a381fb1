// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createKernel,
  createVirtualScheduler,
  fifoStrategy,
  joinTask,
  type Op,
  WwClass,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  DmaFence,
  DmaFenceArray,
  DmaFenceCallback,
  type DmaFenceSlot,
  DmaResv,
  DmaResvUsage,
  dmaFenceGetRcuSafe,
  dmaFenceLater,
} from '../../src/index.ts'
import { errorCode, fenceOps } from '../support.ts'
import { createFenceRig, expectAllReleased } from './dma-fence-support.ts'

describe('dma_fence: sequence numbers', () => {
  it('of 32 bits wrap: what is less than 2^31 ahead is later', () => {
    const rig = createFenceRig()
    const make = (seqno: number): DmaFence => rig.fence({ context: 7, seqno })
    const [old, young] = [make(0xffff_fffe), make(3)]
    expect([young.isLater(old), old.isLater(young), old.isLater(old)]).toEqual([true, false, false])
    expect(young.isLaterOrSame(old)).toBe(true)
    expect(make(0x8000_0000).isLater(make(1))).toBe(true)
    expect(make(0x8000_0002).isLater(make(1))).toBe(false)
  })

  it('of init64 do not', () => {
    const rig = createFenceRig()
    const make = (seqno: number): DmaFence => {
      const fence = new DmaFence(rig.kernel, fenceOps)
      fence.init64(7, seqno)
      return fence
    }
    expect(make(2 ** 52).isLater(make(1))).toBe(true)
    expect(make(3).isLater(make(0xffff_fffe))).toBe(false)
  })

  it('are whole numbers', () => {
    const rig = createFenceRig()
    for (const seqno of [-1, 0.5, 2 ** 53]) {
      expect(errorCode(() => rig.fence({ seqno }))).toBe('assertion')
    }
  })

  it('tell the later of two, unless that one has signalled', () => {
    const rig = createFenceRig()
    const [first, second] = [rig.fence({ context: 7 }), rig.fence({ context: 7, seqno: 2 })]
    expect([dmaFenceLater(first, second), dmaFenceLater(second, first)]).toEqual([second, second])
    first.signal()
    expect(dmaFenceLater(first, second)).toBe(second)
    second.signal()
    expect(dmaFenceLater(first, second)).toBe(null)
  })
})

describe('dma_fence: what it is asked and told', () => {
  it('signals as of a time that the hardware gives, once', () => {
    const { scheduler, fence: make } = createFenceRig()
    const fence = make()
    scheduler.advance(1000)
    fence.signalTimestamp(400)
    fence.signalTimestamp(500)
    expect([fence.timestampNs, fence.status]).toEqual([400, 1])
  })

  it('is described with its names while it is pending, and without them after', () => {
    const rig = createFenceRig()
    const fence = rig.fence({ context: 7, seqno: 9 })
    expect(fence.describe()).toBe('7:9 timeline driver unsignalled')
    fence.signal()
    expect(fence.describe()).toBe('7:9   signalled')
  })

  it('passes a deadline to its driver, and no more once it has signalled', () => {
    const rig = createFenceRig()
    const told: number[] = []
    let over = false
    const fence = rig.fence({
      ops: { setDeadline: (_, deadlineNs) => told.push(deadlineNs), signaled: () => over },
    })
    rig.fence().setDeadline(1)
    fence.setDeadline(100)
    over = true
    fence.setDeadline(200)
    expect([told, fence.signaledFlag]).toEqual([[100], true])
    fence.setDeadline(300)
    expect(told).toEqual([100])
  })

  it('needs its driver no more once it has signalled, unless that is told of its release', () => {
    const rig = createFenceRig()
    const bare = new DmaFence(rig.kernel, fenceOps)
    bare.init(1, 1)
    expect(bare.ops).toBe(fenceOps)
    bare.signal()
    expect(bare.ops).toBe(null)
    expect([bare.isSignaled(), bare.driverName, bare.enableSignaling()]).toEqual([
      true,
      'detached-driver',
      false,
    ])
    const released = rig.fence()
    released.signal()
    expect(released.ops).not.toBe(null)
  })

  it('runs the other callbacks and wakes who waits when a callback throws', () => {
    const raised: string[] = []
    const scheduler = createVirtualScheduler({
      strategy: fifoStrategy(),
      onUnhandled: (error, source) => raised.push(`${source}: ${String(error)}`),
    })
    const rig = createFenceRig(scheduler)
    const fence = rig.fence()
    const waiter = scheduler.spawn('waiter', fence.wait(false, 1000))
    rig.run(yieldNow(scheduler))
    const seen: string[] = []
    fence.addCallback(
      new DmaFenceCallback(() => {
        throw new Error('broken')
      }),
    )
    fence.addCallback(new DmaFenceCallback(() => seen.push('second')))
    fence.signal()
    expect(rig.run(joinTask(scheduler, waiter))).toBe(1000)
    expect([seen, raised]).toEqual([['second'], ['a dma_fence callback: Error: broken']])
    fence.put()
    expectAllReleased(rig)
  })

  it('finds no error of its own before it is set, and refuses one that comes late', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    fence.setError(-5)
    expect([fence.status, fence.error]).toEqual([0, -5])
    fence.signal()
    expect(fence.status).toBe(-5)
    expect(errorCode(() => fence.setError(-6))).toBe('assertion')
    expect(fence.status).toBe(-5)
  })
})

describe('dma_fence: tracepoints', () => {
  it('tell the life of a fence to who listens, with the names of its driver while it is pending', () => {
    const rig = createFenceRig()
    const seen: string[] = []
    const stop = rig.kernel.tracer.subscribe(
      (name) => name.startsWith('dma_fence_'),
      ({ point, values }) => seen.push([point, ...values].join(' ')),
    )
    const fence = rig.fence({ context: 7, seqno: 9, ops: { enableSignaling: () => true } })
    rig.run(fence.wait(false, 1))
    fence.signal()
    fence.put()
    stop()
    rig.fence()
    const pending = 'driver timeline 7 9'
    const over = 'detached-driver signaled-timeline 7 9'
    expect(seen).toEqual([
      `dma_fence_init ${pending}`,
      `dma_fence_enable_signal ${pending}`,
      `dma_fence_wait_start ${pending}`,
      `dma_fence_wait_end ${pending}`,
      `dma_fence_signaled ${over}`,
      `dma_fence_destroy ${over}`,
    ])
  })
})

describe('dma_fence without checked mode', () => {
  it('does the same, and looks at no order and no lives', () => {
    const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
    const kernel = createKernel({ scheduler })
    const resv = new DmaResv(kernel, new WwClass('reservation_ww_class'))
    const fence = new DmaFence(kernel, { ...fenceOps, reserveBeforeInit: true })
    fence.init(1, 1)
    const body = function* (): Op<number> {
      yield* resv.lock(null)
      resv.reserveFences(2)
      resv.addFence(fence, DmaResvUsage.READ)
      resv.addFence(new DmaFenceArray(kernel, [fence], { context: 2, seqno: 1 }), DmaResvUsage.READ)
      resv.reserveFences(8)
      const cookie = kernel.signalling.begin('job')
      const result = yield* resv.waitTimeout(DmaResvUsage.READ, false, 10)
      kernel.signalling.end(cookie)
      resv.unlock()
      return result
    }
    expect(scheduler.runSync('test', body())).toBe(0)
    expect(resv.fences).toBe(2)
    resv.fini()
    expect([fence.tryGet(), fence.references, kernel.reports]).toEqual([true, 2, []])
  })
})

describe('dma_fence_get_rcu_safe', () => {
  it('gives what is in the slot with a reference, or nothing', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(dmaFenceGetRcuSafe(rig.kernel, { fence: null })).toBe(null)
    expect(dmaFenceGetRcuSafe(rig.kernel, { fence })).toBe(fence)
    expect(fence.references).toBe(2)
  })

  it('looks again when the fence was replaced on the way, and keeps no reference on the old one', () => {
    const rig = createFenceRig()
    const [old, young] = [rig.fence(), rig.fence()]
    let looks = 0
    const slot: DmaFenceSlot = {
      get fence() {
        return ++looks === 1 ? old : young
      },
    }
    expect(dmaFenceGetRcuSafe(rig.kernel, slot)).toBe(young)
    expect([old.references, young.references]).toEqual([1, 2])
  })

  it('looks again when the last reference was gone', () => {
    const rig = createFenceRig()
    const [gone, young] = [rig.fence(), rig.fence()]
    rig.kernel.rcu.readLock()
    gone.put()
    let looks = 0
    const slot: DmaFenceSlot = {
      get fence() {
        return ++looks === 1 ? gone : young
      },
    }
    expect(dmaFenceGetRcuSafe(rig.kernel, slot)).toBe(young)
    rig.kernel.rcu.readUnlock()
  })
})
