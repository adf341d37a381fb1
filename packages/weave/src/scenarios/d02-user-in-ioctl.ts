// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer } from './common.ts'
import { OneReference } from './designs.ts'

export const d02: Scenario = {
  id: 'D2',
  hazards: ['D2'],
  title: 'the drain waits for a user task that waits for the lock in another driver',
  happenedIn: 'v6 and v7, with IOPOLL and DEFER_TASKRUN',
  step: 'a drain in place waits for a reference that only the user task drops',
  survives: 'completions drop `active` where they arrive, and ask no task for anything',
  mutantPolicy: 'drain',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter, stack } = world
    const { resv } = exporter.dmabuf
    stack.transfers.submitted(0, 2)
    function* userTask(): Op<void> {
      const map = yield* user.token.getMap()
      yield* user.submit(map, { op: 'read', lba: 0, blocks: 2 })
      // An ioctl of the GPU, before the ring is entered again.
      yield* resv.lock(null)
      resv.unlock()
      map.put()
    }
    return {
      actors: { 'user task': userTask(), exporter: invalidate(exporter) },
      finish: () => giveBack(world),
    }
  },
}
