// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { d05 } from '../../src/scenarios/d05-returns-before-drained.ts'
import { f01 } from '../../src/scenarios/f01-init-before-reserve.ts'
import { h03 } from '../../src/scenarios/h03-failed-map-leaks.ts'
import { h04 } from '../../src/scenarios/h04-error-holds-lock.ts'
import { h05 } from '../../src/scenarios/h05-reader-and-free.ts'
import { h06 } from '../../src/scenarios/h06-exit-while-reachable.ts'
import { h08 } from '../../src/scenarios/h08-check-then-increment.ts'
import { h09 } from '../../src/scenarios/h09-signal-before-pin.ts'
import { h10 } from '../../src/scenarios/h10-one-work-item.ts'
import { h12 } from '../../src/scenarios/h12-leaves-early.ts'
import { h13 } from '../../src/scenarios/h13-failed-attach-leaks.ts'
import { h14 } from '../../src/scenarios/h14-publish-while-closing.ts'
import { r06 } from '../../src/scenarios/r06-several-first-maps.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of the life of maps', () => {
  it('H3: the mutant leaves a mapping behind; ours does not', () => {
    expectScenario(h03, 'assertion')
  })

  it('H4: the mutant keeps the lock; ours does not', () => {
    expectScenario(h04, 'held-at-end')
  })

  it('H10: the mutant loses the unmapping of a map; ours does not', () => {
    expectScenario(h10, 'error')
  })

  it('H13: the mutant keeps a buffer that it was refused; ours does not', () => {
    expectScenario(h13, 'leak')
  })

  it('H5: the mutant frees a map under a lookup; ours does not', () => {
    expectScenario(h05, 'use-after-free')
  })

  it('H6: the mutant ends the count of active under who asks for it; ours does not', () => {
    expectScenario(h06, 'use-after-free')
  })

  it('H8: the mutant counts what is gone; ours does not', () => {
    expectScenario(h08, 'use-after-free')
  })

  it('H9: the mutant lets go of what the unmapping needs; ours does not', () => {
    expectScenario(h09, 'assertion')
  })

  it('H12: the mutant keeps its attachment for ever; ours does not', () => {
    expectScenario(h12, 'use-after-free')
  })

  it('H14: the mutant makes a map for a registration that has ended; ours does not', () => {
    expectScenario(h14, 'assertion')
  })

  it('F1: the mutant initialises its fence too early; ours does not', () => {
    expectScenario(f01, 'dma-fence')
  })

  it('D5: the mutant returns while DMA goes on; ours does not', () => {
    expectScenario(d05, 'dma-after-drain')
  })

  it('R6: the mutant makes two maps; ours makes one', () => {
    expectScenario(r06, 'assertion')
  })
})
