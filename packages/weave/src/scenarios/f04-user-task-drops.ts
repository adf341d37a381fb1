// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer, reclaim } from './common.ts'
import { OneReference } from './designs.ts'

export const f04: Scenario = {
  id: 'F4',
  hazards: ['F4'],
  title: 'all I/O is done, and only the user task can say so',
  happenedIn: 'v3 to v5, with DEFER_TASKRUN',
  step: 'the reference that holds the drain up is dropped by the task that submitted, when it next enters the kernel',
  survives:
    '`active` is dropped by the completion of the command; what a user task still holds keeps no drain up',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter, stack } = world
    stack.transfers.submitted(0, 2)
    function* userTask(): Op<void> {
      const map = yield* user.token.getMap()
      yield* user.submit(map, { op: 'read', lba: 0, blocks: 2 })
      yield* weave.userSpace.stay()
      map.put()
    }
    function* evict(): Op<void> {
      yield* invalidate(exporter)
      yield* reclaim(exporter)
    }
    return {
      actors: { 'user task': userTask(), exporter: evict() },
      finish: () => giveBack(world),
    }
  },
}
