// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { readAndRelease } from './common.ts'

/** Nothing says that it is closing. */
class NeverCloses extends Token {
  protected override refuseIfClosing(): void {}
}

export const h14: Scenario = {
  id: 'H14',
  hazards: ['H14'],
  title: 'an I/O makes a map while its registration ends',
  happenedIn: 'v5; v6 answers with a flag and ENOENT',
  step: 'nothing says that the registration is closing, so that an import may still make a map',
  survives:
    'a closing registration refuses new maps under the lock under which it killed the last one',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: NeverCloses } },
  setup: readAndRelease,
}
