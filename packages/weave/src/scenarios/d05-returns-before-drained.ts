// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DrainPolicy } from '@iolayers/blk-mq-token/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { readAndMove } from './common.ts'

/** Kills, and does not wait. */
class WaitsForNothing extends DrainPolicy {
  protected override *waitForHardware(): Op<void> {}
}

export const d05: Scenario = {
  id: 'D5',
  hazards: ['D5'],
  title: 'an invalidation returns while DMA goes on, and leaves no fence',
  happenedIn: 'v6 and v7 unmap after the call; at its worst',
  step: 'under the policy drain the call returns at once, with no fence in its place',
  survives:
    'drain returns when the last DMA is over; unmapping follows, and the exporter waits for it by itself',
  mutantPolicy: 'drain',
  mutant: { tokens: { policies: { drain: new WaitsForNothing() } } },
  setup: readAndMove,
}
