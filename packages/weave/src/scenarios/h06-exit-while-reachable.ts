// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { readAndMove } from './common.ts'

/** Tears the count of `active` down when the map is unmapped. */
class ExitsEarly extends MapGeneration {
  protected override unmapDone(): void {
    this.activeRef.exit()
    super.unmapDone()
  }
}

export const h06: Scenario = {
  id: 'H6',
  hazards: ['H6'],
  title: 'a request asks for the addresses of a map whose count is gone',
  happenedIn: 'v3 to v7, where it works by an accident of the implementation',
  step: 'the count of active DMA ends when the map is unmapped, and not when it is freed',
  survives:
    'who holds only a software reference may ask for the addresses at any time, and is refused: the count ends with the map',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: ExitsEarly } },
  setup: readAndMove,
}
