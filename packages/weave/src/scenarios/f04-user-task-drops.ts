// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SetupFlags } from '@iolayers/io-uring'
import { Completion, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { reclaim } from '../stack/reclaim.ts'
import type { RingIo } from '../stack/ring-user.ts'
import { invalidate, ringWithMap } from './common.ts'
import { OneReference } from './designs.ts'

const READ: readonly RingIo[] = [{ op: 'read', lba: 0, blocks: 2 }]

export const f04: Scenario = {
  id: 'F4',
  hazards: ['F4'],
  title: 'all I/O is done, and only the user task can say so',
  happenedIn: 'v3 to v5, with IOPOLL',
  step: 'the drain waits for the pointers of requests, which a polled ring lets go of when its task looks',
  survives:
    '`active` is dropped by the completion of the command; what a user task still holds keeps no drain up',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const { user, exporter, finish } = yield* ringWithMap(weave, { flags: SetupFlags.IOPOLL })
    const reaped = new Completion(weave.scheduler, 'the user task has looked')
    function* userTask(): Op<void> {
      const lostBefore = user.submit(READ)
      yield* weave.userSpace.stay()
      yield* user.finish(READ, lostBefore)
      reaped.complete()
    }
    function* evict(): Op<void> {
      yield* invalidate(exporter)
      yield* reclaim(exporter)
    }
    return {
      actors: { 'user task': userTask(), exporter: evict() },
      *finish() {
        yield* reaped.wait()
        yield* finish()
      },
    }
  },
}
