// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DrainPolicy, FencePolicy } from '@iolayers/blk-mq-token/parts'
import { DmaResvUsage, MAX_SCHEDULE_TIMEOUT } from '@iolayers/dma-buf'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer, readBlocks } from './common.ts'
import { SignalsAfterUnmap } from './designs.ts'

/** A fence that every reader and writer of the buffer waits for. */
class WriteClass extends FencePolicy {
  protected override readonly usage: DmaResvUsage = DmaResvUsage.WRITE
}

export const f07: Scenario = {
  id: 'F7',
  hazards: ['F7'],
  title: 'who reads the buffer under the lock waits for a drain that needs the lock',
  happenedIn: 'drafts after v4, with WRITE',
  step: 'the drain fence is of class WRITE, and signals from the worker that unmaps',
  survives:
    'the fence is BOOKKEEP, which readers and writers do not wait for, and signals without the lock',
  mutantPolicy: 'fence',
  mutant: {
    tokens: {
      generation: SignalsAfterUnmap,
      policies: { fence: new WriteClass(new DrainPolicy()) },
    },
  },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    const { resv } = exporter.dmabuf
    function* restore(): Op<void> {
      yield* resv.lock(null)
      yield* resv.waitTimeout(DmaResvUsage.READ, false, MAX_SCHEDULE_TIMEOUT)
      resv.unlock()
    }
    return {
      actors: {
        submitter: readBlocks(user),
        exporter: invalidate(exporter),
        'gpu restore': restore(),
      },
      finish: () => giveBack(world),
    }
  },
}
