// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, type VirtualScheduler, WwClass } from '@iolayers/kernel'
import { type DmaFence, DmaResv, type DmaResvInit, DmaResvUsage } from '../../src/index.ts'
import { createFenceRig, expectAllReleased, type FenceRig } from './dma-fence-support.ts'

export const USAGES: readonly DmaResvUsage[] = Object.values(DmaResvUsage)

/** One reservation object, without a buffer. */
export interface ResvRig extends FenceRig {
  readonly resv: DmaResv
  readonly wwClass: WwClass
  /** Plain code in a task that holds the lock. */
  locked<T>(body: () => T, resv?: DmaResv): T
  /** A fence in a context of its own, or the one that is given; the reservation object has the only reference on a new one. */
  add(usage: DmaResvUsage, fence?: DmaFence): DmaFence
  end(): void
}

export function createResvRig(init: DmaResvInit = {}, scheduler?: VirtualScheduler): ResvRig {
  const rig = createFenceRig(scheduler)
  const wwClass = new WwClass('reservation_ww_class')
  const resv = new DmaResv(rig.kernel, wwClass, init)
  const locked = <T>(body: () => T, of = resv): T =>
    rig.run(
      (function* (): Op<T> {
        yield* of.lock(null)
        try {
          return body()
        } finally {
          of.unlock()
        }
      })(),
    )
  return {
    ...rig,
    resv,
    wwClass,
    locked,
    add: (usage, given) => {
      const fence = given ?? rig.fence()
      locked(() => {
        resv.reserveFences(1)
        resv.addFence(fence, usage)
      })
      if (given === undefined) fence.put()
      return fence
    },
    end: () => {
      resv.fini()
      expectAllReleased(rig)
    },
  }
}
