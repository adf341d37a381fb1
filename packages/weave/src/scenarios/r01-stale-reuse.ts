// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Attempts } from '@iolayers/io-uring/parts'
import type { Scenario } from '../run/scenario.ts'
import { ringReadAndMove } from './common.ts'

/** Goes on with the map that it has, dead or not. */
class KeepsTheDeadMap extends Attempts {
  protected override dropDeadMap(): void {}
}

export const r01: Scenario = {
  id: 'R1',
  hazards: ['R1'],
  title: 'every further attempt meets the same dead map',
  happenedIn: 'v4 and v5',
  step: 'another attempt goes on with the map of the first',
  survives: 'a dead map is dropped before another attempt, which imports afresh',
  mutantPolicy: 'fence',
  mutant: { ring: { attempts: KeepsTheDeadMap } },
  *setup(weave) {
    return yield* ringReadAndMove(weave, { blocks: 2 })
  },
}
