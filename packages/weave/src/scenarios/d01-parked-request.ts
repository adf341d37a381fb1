// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Completion, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer } from './common.ts'
import { OneReference } from './designs.ts'

export const d01: Scenario = {
  id: 'D1',
  hazards: ['D1'],
  title: 'the drain waits for a request that waits for a worker that waits for the lock',
  happenedIn: 'v6 and v7',
  step: 'a drain in place waits for whoever holds a pointer to the map',
  survives: 'a drain waits for `active` alone, which nobody holds while waiting',
  mutantPolicy: 'drain',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    const reissued = new Completion(weave.scheduler, 'a worker for the parked request')
    function* parked(): Op<void> {
      const map = yield* user.token.getMap()
      yield* reissued.wait()
      map.put()
    }
    function* worker(): Op<void> {
      const map = yield* user.token.getMap()
      map.put()
      reissued.complete()
    }
    return {
      actors: {
        'parked request': parked(),
        'io worker': worker(),
        exporter: invalidate(exporter),
      },
      finish: () => giveBack(world),
    }
  },
}
