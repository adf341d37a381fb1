// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { shortOfMemory } from '../stack/reclaim.ts'
import { RingUser } from '../stack/ring-user.ts'
import { invalidate } from './common.ts'
import { OneReference } from './designs.ts'

export const f02: Scenario = {
  id: 'F2',
  hazards: ['F2'],
  title: 'who has imported a map allocates, and reclaim waits for the drain of that map',
  happenedIn: 'v2 to v5',
  step: 'whoever has imported a map holds its drain up',
  survives:
    'no drain waits for who holds a pointer: `active` is taken in the preparation, where nothing is allocated and nothing waits',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const stack = weave.stack()
    const exporter = stack.exporter({ pages: 1 })
    const user = yield* RingUser.register(stack, exporter, {
      wrapFile: (file) => shortOfMemory(file, exporter),
    })
    function* read(): Op<void> {
      yield* user.io({ op: 'read', lba: 0, blocks: 2 })
    }
    return {
      actors: { submitter: read(), exporter: invalidate(exporter) },
      *finish() {
        yield* user.close()
        exporter.dmabuf.put()
      },
    }
  },
}
