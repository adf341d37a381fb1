// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng, joinTask, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type DmaFenceChain,
  dmaFenceChainContained,
  dmaFenceChainFindSeqno,
  dmaFenceChainWalk,
  MAX_SCHEDULE_TIMEOUT,
  toDmaFenceChain,
} from '../../src/index.ts'
import { errorCode } from '../support.ts'
import {
  createFenceRig,
  expectAllReleased,
  FenceChains,
  type FenceRig,
} from './dma-fence-support.ts'

function found(chain: DmaFenceChain, seqno: number) {
  const link = dmaFenceChainFindSeqno(chain, seqno)
  link?.put()
  return link
}

describe('dma_fence_chain: finding a sequence number', () => {
  it('gives the link of every number, itself, the one before, and EINVAL for what is to come', () => {
    const rig = createFenceRig()
    const fc = new FenceChains(rig, 64)
    expect(found(fc.tail, 0)).toBe(fc.tail)
    for (const [i, chain] of fc.chains.entries()) {
      expect(found(fc.tail, i + 1)).toBe(chain)
      expect(found(chain, i + 1)).toBe(chain)
      expect(errorCode(() => found(chain, i + 2))).toBe('EINVAL')
      if (i > 0) expect(found(chain, i)).toBe(fc.chains[i - 1])
    }
    fc.end()
  })

  it('gives nothing to wait for when the number has signalled', () => {
    const fc = new FenceChains(createFenceRig(), 2)
    fc.signal(0)
    expect(found(fc.tail, 1)).toBe(null)
    fc.end()
  })

  it('gives the earlier link that is pending when the number signalled out of order', () => {
    const fc = new FenceChains(createFenceRig(), 3)
    fc.signal(1)
    // A wait for 2 is one for 1 too, and the link of 2 has been taken out on the way.
    expect(found(fc.tail, 2)).toBe(fc.link(0))
    fc.end()
  })

  it('gives the link that reaches the number where numbers have gaps', () => {
    const fc = new FenceChains(createFenceRig(), 64, (i) => 2 * i + 2)
    for (const [i, chain] of fc.chains.entries()) {
      expect(found(fc.tail, 2 * i + 1)).toBe(chain)
      expect(found(chain, 2 * i + 2)).toBe(chain)
    }
    fc.end()
  })

  it('refuses a fence that is no chain, save for number 0', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(errorCode(() => dmaFenceChainFindSeqno(fence, 1))).toBe('EINVAL')
    expect(dmaFenceChainFindSeqno(fence, 0)).toBe(fence)
    expect(fence.references).toBe(2)
    fence.put()
    fence.put()
    expectAllReleased(rig)
  })

  it('ends the search where the timeline began', () => {
    const rig = createFenceRig()
    const plain = rig.fence()
    const chain = rig.chain(plain, rig.fence(), 7)
    expect(found(chain, 3)).toBe(chain)
    dmaFenceChainContained(chain).signal()
    plain.signal()
    chain.put()
    expectAllReleased(rig)
  })
})

describe('dma_fence_chain: links', () => {
  it('hold one fence each, and go when it has signalled and nobody looks any more', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    fence.get()
    const chain = rig.chain(null, fence)
    expect(toDmaFenceChain(chain)).toBe(chain)
    expect(toDmaFenceChain(fence)).toBe(null)
    expect(dmaFenceChainContained(chain)).toBe(fence)
    expect([chain.driverName, chain.timelineName]).toEqual(['dma_fence_chain', 'unbound'])
    fence.signal()
    fence.put()
    expect(rig.live()).toBe(1)
    chain.put()
    expectAllReleased(rig)
  })

  it('go on with the timeline for a later number only; else a new one begins that is not behind', () => {
    const rig = createFenceRig()
    const first = rig.chain(null, rig.fence(), 5)
    first.get()
    const second = rig.chain(first, rig.fence(), 9)
    expect([second.context, second.seqno, second.prevSeqno]).toEqual([first.context, 9, 5])
    for (const [seqno, given] of [
      [9, 9],
      [3, 9],
    ] as const) {
      second.get()
      const other = rig.chain(second, rig.fence(), seqno)
      expect(other.context).not.toBe(second.context)
      expect([other.seqno, other.prevSeqno]).toEqual([given, 0])
      other.put()
    }
    first.put()
    second.put()
    expect(rig.live()).toBe(0)
  })

  it('hold no other chain', () => {
    const rig = createFenceRig()
    const chain = rig.chain(null, rig.fence())
    expect(errorCode(() => rig.chain(null, chain))).toBe('assertion')
    chain.put()
  })

  it('are taken out by a walk once they have signalled, and their fences let go', () => {
    const rig = createFenceRig()
    const fc = new FenceChains(rig, 5)
    const { tail } = fc
    for (const i of [1, 2, 3]) fc.signal(i)
    for (const i of [0, 1, 2, 3]) fc.link(i).put()
    fc.chains.splice(0, 4)
    tail.get()
    const before = dmaFenceChainWalk(tail)
    expect(before?.seqno).toBe(1)
    before?.put()
    for (const i of [1, 2, 3]) expect(fc.fences[i]?.references).toBe(1)
    fc.end()
  })

  it('may have another kind of fence below them, which ends the walk', () => {
    const rig = createFenceRig()
    const plain = rig.fence()
    plain.get()
    const chain = rig.chain(plain, rig.fence())
    chain.get()
    expect(dmaFenceChainWalk(chain)).toBe(plain)
    expect(dmaFenceChainWalk(plain)).toBe(null)
    plain.signal()
    chain.get()
    expect(dmaFenceChainWalk(chain)).toBe(null)
    dmaFenceChainContained(chain).signal()
    expect(chain.isSignaled()).toBe(true)
    chain.put()
    plain.put()
    expectAllReleased(rig)
  })

  it('pass on what is hoped for to everything that is pending', () => {
    const rig = createFenceRig()
    const told: number[] = []
    const make = (): ReturnType<FenceRig['fence']> =>
      rig.fence({ ops: { setDeadline: (_fence, deadlineNs) => told.push(deadlineNs) } })
    const fences = [make(), make(), make()]
    let chain: DmaFenceChain | null = null
    for (const [i, fence] of fences.entries()) chain = rig.chain(chain, fence, i + 1)
    fences[1]?.signal()
    chain?.setDeadline(77)
    expect(told).toEqual([77, 77])
    for (const fence of fences) fence.signal()
    chain?.put()
    expectAllReleased(rig)
  })

  it('end one by one however many there are, not one within the other', () => {
    const rig = createFenceRig()
    let chain: DmaFenceChain | null = null
    for (let i = 0; i < 100_000; i++) chain = rig.chain(chain, rig.fence(), i + 1)
    expect(rig.live()).toBe(100_000)
    chain?.put()
    expect(rig.live()).toBe(0)
  })

  it('stop ending where somebody else still holds one', () => {
    const fc = new FenceChains(createFenceRig(), 4)
    const held = fc.link(1)
    for (const i of [0, 2, 3]) fc.link(i).put()
    expect([fc.link(0).references, held.references]).toEqual([1, 1])
    fc.chains.splice(0, 4, held)
    fc.end()
  })
})

describe('dma_fence_chain: signalling', () => {
  it('forward: each link has signalled as soon as its fence has', () => {
    const fc = new FenceChains(createFenceRig(), 64)
    for (const [i, chain] of fc.chains.entries()) {
      fc.signal(i)
      expect(chain.isSignaled()).toBe(true)
      expect(fc.chains[i + 1]?.isSignaled() ?? false).toBe(false)
    }
    fc.end()
  })

  it('backward: no link has signalled before the first one, and then all have', () => {
    const fc = new FenceChains(createFenceRig(), 64)
    for (let i = 63; i >= 0; i--) {
      expect(fc.link(i).isSignaled()).toBe(false)
      fc.signal(i)
    }
    for (const chain of fc.chains) expect(chain.isSignaled()).toBe(true)
    fc.end()
  })

  const orders: Record<string, (indices: number[]) => number[]> = {
    forward: (indices) => indices,
    backward: (indices) => indices.reverse(),
    random: (indices) => {
      const prng = createPrng(7)
      return indices
        .map((i) => ({ i, key: prng.below(1 << 30) }))
        .sort((a, b) => a.key - b.key)
        .map(({ i }) => i)
    },
  }
  it.each(Object.keys(orders))(
    'a wait for the tail of 4096 links ends when all have signalled %s',
    (order) => {
      const rig = createFenceRig()
      const fc = new FenceChains(rig, 4096)
      const indices = orders[order]?.([...fc.fences.keys()]) ?? []
      const body = function* (): Op<void> {
        const waiter = rig.scheduler.spawn('wait', fc.tail.wait(false, MAX_SCHEDULE_TIMEOUT))
        for (const [n, i] of indices.entries()) {
          if (n % 512 === 0) {
            yield* fc.tail.wait(false, 1)
            expect(waiter.state).toBe('parked')
          }
          fc.signal(i)
        }
        expect(yield* joinTask(rig.scheduler, waiter)).toBe(MAX_SCHEDULE_TIMEOUT)
      }
      rig.run(body())
      expect(fc.tail.status).toBe(1)
      fc.end()
    },
  )

  it('says at once that it is over when everything was when it was asked', () => {
    const fc = new FenceChains(createFenceRig(), 3)
    for (const i of [0, 1, 2]) fc.signal(i)
    expect(fc.tail.enableSignaling()).toBe(false)
    fc.end()
  })
})
