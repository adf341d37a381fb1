// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { it1 } from '../../src/scenarios/it1-retry-on-first.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of the iterator over buffers', () => {
  it('IT1: the mutant forgets a buffer with its reference; ours does not', () => {
    expectScenario(it1, 'leak')
  })
})
