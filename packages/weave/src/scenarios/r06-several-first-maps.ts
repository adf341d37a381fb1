// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MapGeneration, Token } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** Does not look again when it has the lock. */
class MakesItsOwn extends Token {
  protected override takeRaced(): MapGeneration | null {
    return null
  }
}

export const r06: Scenario = {
  id: 'R6',
  hazards: ['R6'],
  title: 'two first I/Os make a map each',
  happenedIn: 'feared since v2: exactly one create for many first I/Os',
  step: 'who has waited for the reservation lock does not look whether a map is there by now',
  survives: 'the map is looked up again under the lock: the first one makes it, the others take it',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: MakesItsOwn } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user } = world
    return {
      actors: { submitter: readBlocks(user), 'io worker': readBlocks(user, 1) },
      finish: () => giveBack(world),
    }
  },
}
