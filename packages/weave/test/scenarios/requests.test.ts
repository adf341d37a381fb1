// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, it } from 'vitest'
import { f09 } from '../../src/scenarios/f09-shared-context.ts'
import { f10 } from '../../src/scenarios/f10-over-wide-class.ts'
import { f11 } from '../../src/scenarios/f11-data-order.ts'
import { f12 } from '../../src/scenarios/f12-no-slot.ts'
import { h01 } from '../../src/scenarios/h01-batch-forgets.ts'
import { p01 } from '../../src/scenarios/p01-swallowed-writes.ts'
import { p04 } from '../../src/scenarios/p04-base-and-offset.ts'
import { r03 } from '../../src/scenarios/r03-every-refusal-a-retry.ts'
import { r04 } from '../../src/scenarios/r04-takes-twice.ts'
import { s01 } from '../../src/scenarios/s01-unlinked-list.ts'
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

  it('F10: the mutant holds up who has nothing to do with it; ours does not', () => {
    expectScenario(f10, 'error')
  })

  it('F11: the mutant writes what the GPU has half written; ours waits where asked to', () => {
    expectScenario(f11, 'data')
  })

  it('S1: the mutant writes descriptors over the end of their page; ours links pages', () => {
    expectScenario(s01, 'descriptors')
  })

  it('P1: the mutant exporter swallows what is read; ours does not', () => {
    expectScenario(p01, 'data')
  })
})
