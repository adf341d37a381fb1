// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scenario } from '../run/scenario.ts'
import { reclaim } from '../stack/reclaim.ts'
import { giveBack, invalidate, oneBuffer, readBlocks, underLock } from './common.ts'
import { SignalsAfterUnmap } from './designs.ts'

export const f06: Scenario = {
  id: 'F6',
  hazards: ['F6'],
  title: 'the GPU waits under the lock for a fence that signals only after unmapping',
  happenedIn: 'drafts after v4, with BOOKKEEP',
  step: 'the drain fence signals when the map is unmapped, for which a worker takes the reservation lock',
  survives:
    'the fence says that the last DMA is over, and signals then; unmapping needs the lock, and comes after',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: SignalsAfterUnmap } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    return {
      actors: {
        submitter: readBlocks(user),
        exporter: invalidate(exporter),
        'gpu restore': underLock(exporter, reclaim(exporter)),
      },
      finish: () => giveBack(world),
    }
  },
}
