// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { readAndMove } from './common.ts'

/** Initialises its fence when it is made. */
class InitsEarly extends MapGeneration {
  constructor(...args: ConstructorParameters<typeof MapGeneration>) {
    super(...args)
    this.fence.init(this.fencePoint.context, this.fencePoint.seqno)
    this.fenceVisible = true
  }

  override initFence(): void {}
}

export const f01: Scenario = {
  id: 'F1',
  hazards: ['F1'],
  title: 'a fence that reclaim may wait for, and then an allocation',
  happenedIn: 'v2 to v5',
  step: 'the drain fence is initialised with the map, long before its slot is reserved',
  survives:
    'the slot is reserved first, then the fence is initialised and added, with nothing in between that can fail or allocate',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: InitsEarly } },
  setup: readAndMove,
}
