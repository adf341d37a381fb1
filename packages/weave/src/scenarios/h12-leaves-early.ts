// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** Has a way out for what should not be, which forgets the last part. */
class LeavesEarly extends Token {
  protected override detach(): void {
    if (this.generations > 1) return
    super.detach()
  }
}

export const h12: Scenario = {
  id: 'H12',
  hazards: ['H12'],
  title: 'a registration that had more than one map is never let go',
  happenedIn: 'v3 to v6',
  step: 'a state that was thought impossible is met with a warning and an early return, before the attachment is let go',
  survives:
    'there is one way out of a registration, and it lets everything go; impossible states are assertions',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: LeavesEarly } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    return {
      actors: {
        submitter: readBlocks(user),
        'io worker': readBlocks(user, 1),
        exporter: exporter.move(),
      },
      finish: () => giveBack(world),
    }
  },
}
