// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { t01 } from '../../src/scenarios/t01-trace-after-put.ts'
import { t02 } from '../../src/scenarios/t02-trace-after-install.ts'
import { t03 } from '../../src/scenarios/t03-name-of-gone-driver.ts'
import { t04 } from '../../src/scenarios/t04-untold-descriptor.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of lifetimes in drivers/dma-buf', () => {
  it('T1: the mutant traces what is gone; ours does not', () => {
    expectScenario(t01, 'use-after-free')
  })

  it('T2: the mutant traces what another thread has closed; ours does not', () => {
    expectScenario(t02, 'use-after-free')
  })

  it('T3: the mutant asks a driver that is gone; ours does not', () => {
    expectScenario(t03, 'use-after-free')
  })

  it('T4: the mutant leaves a descriptor behind; ours does not', () => {
    expectScenario(t04, 'leak')
  })
})
