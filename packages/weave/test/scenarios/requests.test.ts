// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { f09 } from '../../src/scenarios/f09-shared-context.ts'
import { f12 } from '../../src/scenarios/f12-no-slot.ts'
import { h01 } from '../../src/scenarios/h01-batch-forgets.ts'
import { p04 } from '../../src/scenarios/p04-base-and-offset.ts'
import { r03 } from '../../src/scenarios/r03-every-refusal-a-retry.ts'
import { r04 } from '../../src/scenarios/r04-takes-twice.ts'
import { s04 } from '../../src/scenarios/s04-frees-by-flag.ts'
import { s05 } from '../../src/scenarios/s05-whole-page-sync.ts'
import { s06 } from '../../src/scenarios/s06-one-way-sync.ts'
import { expectScenario } from './expect-scenario.ts'

describe('scenarios of requests and their maps', () => {
  it('H1: the mutant never lets go of its map; ours does', () => {
    expectScenario(h01, 'active-count')
  })

  it('F9: the mutant loses the fence of a map with DMA in flight; ours does not', () => {
    expectScenario(f09, 'dma-after-drain')
  })

  it('F12: the mutant leaves a map usable whose pages are given away; ours does not', () => {
    expectScenario(f12, 'dma-after-drain')
  })

  it('R3: the mutant tries for ever; ours ends', () => {
    expectScenario(r03, 'livelock')
  })

  it('R4: the mutant holds its map for ever; ours does not', () => {
    expectScenario(r04, 'active-count')
  })

  it('S4: the mutant loses descriptors; ours does not', () => {
    expectScenario(s04, 'leak')
  })

  it('S5: the mutant takes bytes from the device under DMA; ours does not', () => {
    expectScenario(s05, 'dma-device-access')
  })

  it('S6: the mutant reads into bytes that the CPU owns; ours does not', () => {
    expectScenario(s06, 'dma-device-access')
  })

  it('P4: the mutant reads into the wrong bytes; ours does not', () => {
    expectScenario(p04, 'data')
  })
})
