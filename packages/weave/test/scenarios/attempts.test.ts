// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { r01 } from '../../src/scenarios/r01-stale-reuse.ts'
import { r02 } from '../../src/scenarios/r02-partial-submission.ts'
import { r05 } from '../../src/scenarios/r05-again-for-all.ts'
import { r07 } from '../../src/scenarios/r07-no-bound.ts'
import { r08 } from '../../src/scenarios/r08-mixed-generations.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of attempts', () => {
  it('R1: the mutant tries the dead map until it gives up; ours imports afresh', () => {
    expectScenario(r01, 'status')
  })

  it('R2: the mutant sends a block twice; ours ends', () => {
    expectScenario(r02, 'transferred-twice')
  })

  it('R5: the mutant says AGAIN to who may wait; ours does not', () => {
    expectScenario(r05, 'assertion')
  })

  it('R7: the mutant imports for as long as the exporter evicts; ours ends', () => {
    expectScenario(r07, 'livelock')
  })

  it('R8: the mutant mixes maps in one I/O; ours does not', () => {
    expectScenario(r08, 'mixed-generations')
  })
})
