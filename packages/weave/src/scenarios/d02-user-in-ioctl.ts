// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SetupFlags } from '@iolayers/io-uring'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import type { RingIo } from '../stack/ring-user.ts'
import { invalidate, ringWithMap, underLock } from './common.ts'
import { OneReference } from './designs.ts'

const READ: readonly RingIo[] = [{ op: 'read', lba: 0, blocks: 2 }]

export const d02: Scenario = {
  id: 'D2',
  hazards: ['D2'],
  title: 'the drain waits for a user task that waits for the lock in another driver',
  happenedIn: 'v6 and v7, with IOPOLL',
  step: 'a drain in place waits for the pointers of requests, which a polled ring lets go of when its task looks',
  survives: 'completions drop `active` where they arrive, and ask no task for anything',
  mutantPolicy: 'drain',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const { user, exporter, finish } = yield* ringWithMap(weave, { flags: SetupFlags.IOPOLL })
    function* userTask(): Op<void> {
      const lostBefore = user.submit(READ)
      try {
        // An ioctl of the GPU, before the ring is entered again.
        yield* underLock(exporter, weave.pause())
      } finally {
        yield* user.finish(READ, lostBefore)
      }
    }
    return { actors: { 'user task': userTask(), exporter: invalidate(exporter) }, finish }
  },
}
