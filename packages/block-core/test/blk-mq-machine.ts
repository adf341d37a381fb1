// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createKernel, createPrng, createVirtualScheduler, seededStrategy } from '@iolayers/kernel'
import type { Machine } from './support.ts'

/** One that gives up soon where something runs for ever. */
export function makeBoundedMachine(seed: number, exploring: boolean): Machine {
  const random = createPrng(seed)
  const strategy = {
    choose: (candidates: readonly unknown[]) => random.below(candidates.length),
    chooseNested: (candidates: readonly unknown[]) => random.below(candidates.length + 1) - 1,
  }
  const scheduler = createVirtualScheduler({
    strategy: exploring ? strategy : seededStrategy(seed),
    stepsMax: 50_000,
  })
  return { scheduler, kernel: createKernel({ scheduler }, { checked: true }) }
}
