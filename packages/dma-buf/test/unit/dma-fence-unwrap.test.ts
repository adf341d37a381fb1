// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type DmaFence,
  DmaFenceUnwrap,
  dmaFenceDedupArray,
  dmaFenceUnwrapMerge,
  toDmaFenceArray,
} from '../../src/index.ts'
import { createFenceRig, expectAllReleased, type FenceRig, unwrapped } from './dma-fence-support.ts'

function end(rig: FenceRig, fences: readonly DmaFence[]): void {
  for (const fence of fences) fence.put()
  expectAllReleased(rig)
}

/** With a reference for who holds it beside the container. */
function shared(fence: DmaFence): DmaFence {
  fence.get()
  return fence
}

describe('dma_fence_unwrap', () => {
  it('walks a chain of an array of one fence, and leaves every count as it was', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    const chain = rig.chain(null, rig.array([fence]))
    expect(unwrapped(chain)).toEqual([fence])
    fence.signal()
    end(rig, [chain])
  })

  it('gives a fence that is no container as it is, and nothing for nothing', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(unwrapped(fence)).toEqual([fence])
    expect(unwrapped(null)).toEqual([])
    end(rig, [fence])
  })

  it('gives every fence of an array once, in order', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence()]
    const array = rig.array(fences)
    expect(unwrapped(array)).toEqual(fences)
    end(rig, [array])
  })

  it('gives every fence of a chain once, newest first, with one below it that is no link', () => {
    const rig = createFenceRig()
    const [f1, f2, f3] = [rig.fence(), rig.fence(), rig.fence()]
    const chain = rig.chain(rig.chain(f1, f2, 1), f3, 2)
    expect(unwrapped(chain)).toEqual([f3, f2, f1])
    end(rig, [chain])
  })

  it('gives every fence of a chain of arrays', () => {
    const rig = createFenceRig()
    const [f1, f2, f3] = [rig.fence(), rig.fence(), rig.fence()]
    const chain = rig.chain(rig.chain(null, rig.array([f1, f2]), 1), rig.array([f3]), 2)
    expect(unwrapped(chain)).toEqual([f3, f1, f2])
    end(rig, [chain])
  })

  it('can be left in the middle, begun again, and asked past its end', () => {
    const rig = createFenceRig()
    const [f1, f2] = [rig.fence(), rig.fence()]
    const chain = rig.chain(rig.chain(null, f1, 1), f2, 2)
    const cursor = new DmaFenceUnwrap()
    expect(cursor.next()).toBe(null)
    expect(cursor.first(chain)).toBe(f2)
    expect(cursor.first(chain)).toBe(f2)
    expect(cursor.next()).toBe(f1)
    cursor.end()
    cursor.end()
    expect(cursor.next()).toBe(null)
    expect(chain.references).toBe(1)
    end(rig, [chain])
  })
})

describe('dma_fence_unwrap_merge', () => {
  it('gives an array of two fences, each with a reference', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence()]
    const merged = dmaFenceUnwrapMerge(rig, fences)
    expect(unwrapped(merged)).toEqual(fences)
    expect(fences.map((fence) => fence.references)).toEqual([2, 2])
    expect([merged.seqno, rig.found]).toEqual([1, []])
    end(rig, [merged, ...fences])
  })

  it('gives one fence that came twice as itself', () => {
    const rig = createFenceRig()
    const fence = rig.fence()
    expect(dmaFenceUnwrapMerge(rig, [fence, fence])).toBe(fence)
    expect(fence.references).toBe(2)
    end(rig, [fence, fence])
  })

  it('gives the latest fence of each context by sequence number', () => {
    const rig = createFenceRig()
    const low = rig.contexts.fenceContextAlloc(2)
    const f1 = rig.fence({ context: low + 1, seqno: 1 })
    const f2 = rig.fence({ context: low + 1, seqno: 2 })
    const f3 = rig.fence({ context: low, seqno: 1 })
    const merged = dmaFenceUnwrapMerge(rig, [f1, f2, f3])
    expect(unwrapped(merged)).toEqual([f3, f2])
    end(rig, [merged, f1, f2, f3])
  })

  it('gives the same order whatever order the fences came in', () => {
    const rig = createFenceRig()
    const [f1, f2] = [rig.fence(), rig.fence()]
    const array = rig.array([shared(f1), shared(f2)])
    const chain = rig.chain(rig.chain(null, shared(f1), 1), shared(f2), 2)
    for (const inputs of [
      [array, chain],
      [chain, array],
    ]) {
      const merged = dmaFenceUnwrapMerge(rig, inputs)
      expect(unwrapped(merged)).toEqual([f1, f2])
      merged.put()
    }
    end(rig, [array, chain, f1, f2])
  })

  it('merges a fence with what had been merged before, each fence once', () => {
    const rig = createFenceRig()
    const [f1, f2] = [rig.fence(), rig.fence()]
    const f3 = dmaFenceUnwrapMerge(rig, [f1, f2])
    const f4 = rig.array([shared(f1), shared(f2)])
    const f5 = dmaFenceUnwrapMerge(rig, [f4, f3, f1])
    expect(unwrapped(f5)).toEqual([f1, f2])
    end(rig, [f5, f4, f3, f2, f1])
  })

  it('merges containers in which contexts meet, and keeps the latest of each', () => {
    const rig = createFenceRig()
    const low = rig.contexts.fenceContextAlloc(2)
    const f1 = rig.fence({ context: low, seqno: 2 })
    const f2 = rig.fence({ context: low + 1, seqno: 1 })
    const f3 = rig.fence({ context: low, seqno: 1 })
    const f4 = rig.array([shared(f1), shared(f2)])
    const f5 = rig.array([shared(f3), shared(f1)])
    const f6 = dmaFenceUnwrapMerge(rig, [f4, f5])
    expect(unwrapped(f6)).toEqual([f1, f2])
    end(rig, [f6, f5, f4, f3, f2, f1])
  })

  it('leaves out what has signalled, and gives the one fence that has not as itself', () => {
    const rig = createFenceRig()
    const [f1, f2, f3] = [rig.fence(), rig.fence(), rig.fence()]
    f1.signal()
    f3.signal()
    expect(dmaFenceUnwrapMerge(rig, [f1, null, f2, f3])).toBe(f2)
    end(rig, [f1, f2, f2, f3])
  })

  it('gives a stub that signalled with the last of them when nothing is pending', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence(), rig.fence()]
    const body = function* () {
      for (const fence of fences) {
        yield* sleep(rig.scheduler, 100)
        fence.signal()
      }
    }
    rig.run(body())
    const stub = dmaFenceUnwrapMerge(rig, [fences[2]!, fences[0]!, fences[1]!])
    expect([stub.status, stub.timestampNs, stub.context, stub.signalingEnabled]).toEqual([
      1,
      300,
      0,
      true,
    ])
    const none = dmaFenceUnwrapMerge(rig, [])
    expect([none.status, none.timestampNs]).toEqual([1, 0])
    end(rig, [stub, none, ...fences])
  })

  it('gives an array that signals when all of them have', () => {
    const rig = createFenceRig()
    const fences = [rig.fence(), rig.fence()]
    const merged = dmaFenceUnwrapMerge(rig, fences)
    merged.enableSignaling()
    fences[0]!.signal()
    expect(merged.isSignaled()).toBe(false)
    fences[1]!.signal()
    rig.scheduler.runUntilIdle()
    expect([merged.signaledFlag, toDmaFenceArray(merged)]).toEqual([true, merged])
    end(rig, [merged, ...fences])
  })
})

describe('dma_fence_dedup_array', () => {
  it('sorts by context, keeps the latest of each, and lets go of the others', () => {
    const rig = createFenceRig()
    const low = rig.contexts.fenceContextAlloc(2)
    const late = rig.fence({ context: low + 1, seqno: 0x1_0000_0001 })
    const early = rig.fence({ context: low + 1, seqno: 0xffff_ffff })
    const other = rig.fence({ context: low, seqno: 9 })
    const fences = [early, late, other, shared(late)]
    expect(dmaFenceDedupArray(fences)).toBe(2)
    expect(fences).toEqual([other, late])
    expect([early.references, late.references]).toEqual([0, 1])
    end(rig, fences)
  })

  it('leaves an array of none or one as it is', () => {
    const rig = createFenceRig()
    expect(dmaFenceDedupArray([])).toBe(0)
    const fence = rig.fence()
    expect(dmaFenceDedupArray([fence])).toBe(1)
    end(rig, [fence])
  })
})
