// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer, reclaim } from './common.ts'
import { OneReference } from './designs.ts'

export const f02: Scenario = {
  id: 'F2',
  hazards: ['F2'],
  title: 'reclaim waits for the drain of a map that who allocates holds up',
  happenedIn: 'v2 to v5',
  step: 'who has imported a map holds its drain up, and then allocates',
  survives:
    'no drain waits for who holds a pointer: `active` is taken in the preparation, where nothing is allocated and nothing waits',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    function* submitter(): Op<void> {
      const map = yield* user.token.getMap()
      // A bio or a tag, for which memory has to be found.
      yield* weave.pause()
      yield* reclaim(exporter)
      map.put()
    }
    return {
      actors: { submitter: submitter(), exporter: invalidate(exporter) },
      finish: () => giveBack(world),
    }
  },
}
