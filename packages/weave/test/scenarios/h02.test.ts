// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { h02 } from '../../src/scenarios/h02-create-invalidate-window.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios', () => {
  it('H2: the mutant touches pages that were given away; ours does not', () => {
    expectScenario(h02, 'dma-after-drain')
  })
})
