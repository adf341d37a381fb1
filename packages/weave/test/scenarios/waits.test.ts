// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { d01 } from '../../src/scenarios/d01-parked-request.ts'
import { d02 } from '../../src/scenarios/d02-user-in-ioctl.ts'
import { f02 } from '../../src/scenarios/f02-reclaim-cycle.ts'
import { f03 } from '../../src/scenarios/f03-starved-signal.ts'
import { f04 } from '../../src/scenarios/f04-user-task-drops.ts'
import { f05 } from '../../src/scenarios/f05-waits-for-all.ts'
import { f06 } from '../../src/scenarios/f06-signal-after-unmap.ts'
import { f08 } from '../../src/scenarios/f08-zero-timeout.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of fences, locks and drains', () => {
  it('F2: the mutant waits for ever; ours does not', () => {
    expectScenario(f02, 'deadlock')
  })

  it('F3: the mutant waits for ever; ours does not', () => {
    expectScenario(f03, 'deadlock')
  })

  it('F4: the mutant waits for a user task; ours does not', () => {
    expectScenario(f04, 'user-dependency')
  })

  it('F5: the mutant waits for ever; ours does not', () => {
    expectScenario(f05, 'deadlock')
  })

  it('F6: the mutant waits for ever; ours does not', () => {
    expectScenario(f06, 'deadlock')
  })

  it('F8: the mutant reads into bytes that are still being copied; ours does not', () => {
    expectScenario(f08, 'data')
  })

  it('D1: the mutant waits for ever; ours does not', () => {
    expectScenario(d01, 'deadlock')
  })

  it('D2: the mutant waits for ever; ours does not', () => {
    expectScenario(d02, 'deadlock')
  })
})
