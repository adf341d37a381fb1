// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { d03 } from '../../src/scenarios/d03-lost-command.ts'
import { f13 } from '../../src/scenarios/f13-reset-allocates.ts'
import { h15 } from '../../src/scenarios/h15-removal-order.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of controllers that fail and go away', () => {
  it('H15: the mutant waits for what only it would do next; ours goes away', () => {
    expectScenario(h15, 'stuck')
  })

  it('D3: the mutant holds the exporter up for ever; ours resets the controller', () => {
    expectScenario(d03, 'stuck')
  })

  it('F13: the mutant allocates where drain fences wait for it; ours does not', () => {
    expectScenario(f13, 'dma-fence')
  })
})
