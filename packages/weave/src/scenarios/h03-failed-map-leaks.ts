// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { mapAndRemove } from './common.ts'

/** Leaves what it had mapped when the rest fails. */
class ForgetsTheMapping extends Token {
  protected override undoMap(): void {}
}

export const h03: Scenario = {
  id: 'H3',
  hazards: ['H3'],
  title: 'a map that cannot be finished leaves its mapping behind',
  happenedIn: 'RFC v2',
  step: 'a failure after the buffer was mapped does not unmap it',
  survives: 'every failure after the mapping takes it back, under the same hold of the lock',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: ForgetsTheMapping } },
  setup: mapAndRemove,
}
