// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, WorkItem } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { reclaim } from '../stack/reclaim.ts'
import { giveBack, invalidate, oneBuffer, readBlocks } from './common.ts'
import { SignalsFromWork } from './designs.ts'

/** As many as there are workers. */
const RECLAIMERS = 2

export const f03: Scenario = {
  id: 'F3',
  hazards: ['F3'],
  title: 'all workers wait in reclaim for the fence that one of them would signal',
  happenedIn: 'v3 to v5',
  step: 'the drain fence is signalled from a work item of the system work queue',
  survives:
    'whoever drops the last `active` signals the fence itself, in the completion path; unmapping has a queue with a rescuer',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { tokens: { generation: SignalsFromWork } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    const { systemWq } = weave.kernel
    function* evict(): Op<void> {
      yield* invalidate(exporter)
      for (let n = 0; n < RECLAIMERS; n++) {
        systemWq.queue(new WorkItem(`reclaim ${n}`, () => reclaim(exporter)))
      }
    }
    return {
      actors: { submitter: readBlocks(user), exporter: evict() },
      finish: () => giveBack(world),
    }
  },
}
