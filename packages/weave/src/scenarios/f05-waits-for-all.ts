// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import { DmaFence, DmaResvUsage, MAX_SCHEDULE_TIMEOUT } from '@iolayers/dma-buf'
import { type Op, WwAcquireCtx } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** Waits under the lock for every fence that there is. */
class WaitsForAll extends Token {
  protected override *waitForExporter(): Op<void> {
    yield* this.dmabuf.resv.waitTimeout(DmaResvUsage.BOOKKEEP, true, MAX_SCHEDULE_TIMEOUT)
  }
}

const restoreFenceOps = {
  getDriverName: (): string => 'gpu',
  getTimelineName: (): string => 'gpu restore',
}

export const f05: Scenario = {
  id: 'F5',
  hazards: ['F5'],
  title: 'a map is made under the lock that the GPU needs before its fence can signal',
  happenedIn: 'v4, seen as a hung task',
  step: 'making a map waits under the lock for fences of all classes',
  survives:
    'only the KERNEL fences of the exporter are waited for under the lock: those never depend on it',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: WaitsForAll } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter, stack } = world
    const { resv } = exporter.dmabuf
    const fence = new DmaFence(weave.kernel, restoreFenceOps)
    yield* resv.lock(null)
    resv.reserveFences(1)
    fence.init(stack.core.fenceContextAlloc(1), 1)
    resv.addFence(fence, DmaResvUsage.BOOKKEEP)
    resv.unlock()
    function* restore(): Op<void> {
      // A transaction: it could make another one give way, and who has none does not.
      const ctx = new WwAcquireCtx(stack.core.reservationWwClass)
      yield* resv.lock(ctx)
      resv.unlock()
      ctx.fini()
      fence.signal()
      fence.put()
    }
    return {
      actors: { submitter: readBlocks(user), 'gpu restore': restore() },
      finish: () => giveBack(world),
    }
  },
}
