// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createKernel,
  createVirtualScheduler,
  fifoStrategy,
  type Kernel,
  type KernelInit,
  type Op,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { createGeneralCheckers, type GeneralCheckers } from '../../src/check/general.ts'
import type { LeakProbe } from '../../src/check/leaks.ts'
import type { WaitKnowledge } from '../../src/check/wait-graph.ts'
import type { Fault } from '../../src/search/contracts.ts'

export interface Bench {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly general: GeneralCheckers
  readonly probes: LeakProbe[]
  spawn(name: string, body: () => Op<void>): void
  /** Runs to the end or to the first fault, as the harness of weave does; without leaks. */
  run(): Fault | null
}

class Found extends Error {}

/** One run, first come first served, with all general checkers. */
export function createBench(init: KernelInit = {}, known?: WaitKnowledge): Bench {
  let fault: Fault | null = null
  const scheduler = createVirtualScheduler({
    strategy: fifoStrategy(),
    stepsMax: 5000,
    observer: {
      stepBegins: () => {},
      stepEnded: (item) => {
        for (const checker of general.checkers) fault ??= checker.afterStep?.(item) ?? null
        if (fault !== null) throw new Found()
      },
    },
  })
  const kernel = createKernel({ scheduler }, { checked: true, ...init })
  const probes: LeakProbe[] = []
  const general = createGeneralCheckers({ scheduler, kernel, probes, ...(known && { known }) })
  const run: Bench['run'] = () => {
    try {
      scheduler.runUntilIdle()
    } catch (error) {
      return fault ?? general.explain(error)
    }
    return general.waits.atEnd()
  }
  const spawn: Bench['spawn'] = (name, body) => {
    scheduler.spawn(name, body())
  }
  return { scheduler, kernel, general, probes, spawn, run }
}
