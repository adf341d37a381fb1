// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import type { Scenario } from '../run/scenario.ts'
import { readMappedAndMove } from './common.ts'

/** Looks whether there is a reference, and then takes one. */
class LooksThenCounts extends MapGeneration {
  override tryGet(): boolean {
    if (this.refCount.read() === 0) return false
    const { scheduler } = this.owner.kernel
    if (scheduler.exploring) scheduler.choicePoint('dmabuf map: seen, not yet counted')
    this.refCount.inc()
    return true
  }
}

export const h08: Scenario = {
  id: 'H8',
  hazards: ['H8'],
  title: 'the last reference goes between a look at the count and the increment',
  happenedIn: 'v3 to v5',
  step: 'the count is looked at and then incremented, in two steps',
  survives: 'the look and the increment are one step (refcount_inc_not_zero)',
  mutantPolicy: 'fence',
  mutant: { tokens: { generation: LooksThenCounts } },
  setup: readMappedAndMove,
}
