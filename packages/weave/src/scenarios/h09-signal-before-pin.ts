// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { readAndRelease } from './common.ts'

/** Is gone when the last DMA is over, whatever the work that unmaps still needs. */
class WaitsForDrainOnly extends Token {
  protected override *waitForMaps(): Op<void> {
    for (const map of [...this.mapped]) yield* map.drained.wait()
  }
}

export const h09: Scenario = {
  id: 'H9',
  hazards: ['H9'],
  title: 'a registration ends between the last DMA and the work that unmaps',
  happenedIn: 'a prototype after v5',
  step: 'the end of a registration waits for the last DMA of its maps, and not until they are unmapped',
  survives:
    'every map pins its token from the moment it is made until it is unmapped; the end of a registration waits for that',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: WaitsForDrainOnly } },
  setup: readAndRelease,
}
