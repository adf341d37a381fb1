// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { cpus } from 'node:os'
import type { Bench, BenchInit, BenchRow } from './bench.ts'
import { choicePoints } from './rows/choice-points.ts'
import { eviction } from './rows/eviction.ts'
import { iterList } from './rows/iter-list.ts'
import { ringRead } from './rows/ring-read.ts'
import { weave } from './rows/weave.ts'

export const BENCHES: readonly Bench[] = [ringRead, iterList, weave, choicePoints, eviction]

export interface BenchReport {
  readonly version: 1
  readonly machine: { readonly cpu: string; readonly cores: number; readonly platform: string }
  readonly node: string
  readonly smoke: boolean
  readonly rows: readonly BenchRow[]
}

/** Runs benches one after the other. */
export async function runBenches(benches: readonly Bench[], init: BenchInit): Promise<BenchReport> {
  const rows: BenchRow[] = []
  for (const bench of benches) {
    rows.push(...(await bench.run(init)))
  }
  const [cpu] = cpus()
  return {
    version: 1,
    machine: {
      cpu: cpu?.model ?? 'unknown',
      cores: cpus().length,
      platform: `${process.platform} ${process.arch}`,
    },
    node: process.version,
    smoke: init.smoke,
    rows,
  }
}

/** The benches of these names, all for none. Undefined for a name that is not there. */
export function selectBenches(names: readonly string[]): readonly Bench[] | undefined {
  if (names.length === 0) return BENCHES
  const found = names.map((name) => BENCHES.find((bench) => bench.name === name))
  return found.every((bench) => bench !== undefined) ? found : undefined
}
