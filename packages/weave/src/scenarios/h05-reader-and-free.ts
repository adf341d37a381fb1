// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { readMappedAndMove } from './common.ts'

/** Frees at the last put. */
class FreesAtOnce extends MapGeneration {
  protected override freeAfterGrace(): void {
    this.free()
  }
}

export const h05: Scenario = {
  id: 'H5',
  hazards: ['H5'],
  title: 'a map is freed between a lookup and its reference',
  happenedIn: 'v2 to v6; fixed in v7',
  step: 'a map is freed at the last put, and not after a grace period',
  survives:
    'lookups stand in an RCU section, and a map is freed a grace period after its last put: whoever found it can still ask it for a reference, and is refused',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: FreesAtOnce } },
  setup: readMappedAndMove,
}
