// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scenario } from '@iolayers/weave'
import { scenarios } from '@iolayers/weave/scenarios'
import type { Bench, BenchInit, BenchRow } from '../bench.ts'
import { allocatedBytesPerOperation } from '../measure/allocation.ts'
import { interleave, median, summarize } from '../measure/slices.ts'
import { WovenSchedules } from '../rigs/woven-schedules.ts'

const GOAL_PER_SECOND = 10_000
const NS_PER_SECOND = 1e9

interface Effort {
  readonly schedules: number
  readonly warmUpSlices: number
  readonly slices: number
  readonly allocationRounds: number
}

const FULL: Effort = { schedules: 1000, warmUpSlices: 3, slices: 15, allocationRounds: 15 }
const SMOKE: Effort = { schedules: 20, warmUpSlices: 0, slices: 3, allocationRounds: 3 }
/** Few enough that most rounds see no collection. */
const ALLOCATION_SCHEDULES = 10

export const weave: Bench = {
  name: 'weave',
  summary: 'schedules a second of scenario H2, token to queue, with every checker on',
  async run(init: BenchInit): Promise<readonly BenchRow[]> {
    const effort = init.smoke ? SMOKE : FULL
    const searches = searchesOf(scenarioOf('H2'))
    const pieces = searches.map((search) => () => search.run(effort.schedules))
    interleave(pieces, effort.warmUpSlices)
    const samples = interleave(pieces, effort.slices)
    return searches.map((search, index) => rowOf(search, samples[index] ?? [], effort))
  },
}

function scenarioOf(id: string): Scenario {
  const found = scenarios.find((scenario) => scenario.id === id)
  if (found === undefined) throw new Error(`weave has no scenario ${id}`)
  return found
}

function searchesOf(scenario: Scenario): WovenSchedules[] {
  const searches: WovenSchedules[] = []
  for (const search of ['random', 'exhaustive'] as const) {
    for (const policy of ['fence', 'drain'] as const) {
      searches.push(new WovenSchedules({ scenario, design: 'ours', policy, search }))
    }
    const policy = scenario.mutantPolicy
    searches.push(new WovenSchedules({ scenario, design: 'mutant', policy, search }))
  }
  return searches
}

function rowOf(search: WovenSchedules, samples: readonly number[], effort: Effort): BenchRow {
  const medianNs = median(samples)
  const schedulesPerSecond = Math.round(NS_PER_SECOND / medianNs)
  return {
    name: search.name,
    goal: `${GOAL_PER_SECOND} schedules a second on one core`,
    met: schedulesPerSecond >= GOAL_PER_SECOND,
    measured: summarize(samples),
    // Nothing does the same without the layers.
    bareNs: 0,
    addedNs: medianNs,
    allocatedBytes: allocatedBytesPerOperation(
      () => search.run(ALLOCATION_SCHEDULES),
      effort.allocationRounds,
    ),
    hash: search.hash(),
    also: { schedulesPerSecond },
  }
}
