// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DrainPolicy, FencePolicy } from '@iolayers/blk-mq-token/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** Warns, and leaves the map as it is. */
class LeavesTheMap extends FencePolicy {
  protected override *fallBack(): Op<void> {}
}

export const f12: Scenario = {
  id: 'F12',
  hazards: ['F12'],
  title: 'there is no memory for the slot of the drain fence',
  happenedIn: 'RFC v2',
  step: 'without a slot the invalidation returns, with the map still usable',
  survives:
    'without a slot the exporter waits in its call until the last DMA is over: slower, and as safe',
  mutantPolicy: 'fence',
  mutant: { tokens: { policies: { fence: new LeavesTheMap(new DrainPolicy()) } } },
  *setup(weave) {
    const world = yield* oneBuffer(weave, { failReserveFences: () => true })
    const { user, exporter } = world
    return {
      actors: { submitter: readBlocks(user), exporter: exporter.move() },
      finish: () => giveBack(world),
    }
  },
}
