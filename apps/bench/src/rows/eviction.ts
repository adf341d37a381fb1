// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bench, BenchInit, BenchRow } from '../bench.ts'
import { median, summarize } from '../measure/slices.ts'
import { type EvictionsInit, type EvictionsResult, runEvictions } from '../rigs/evictions.ts'

const US = 1000
const IN_FLIGHT = 128

/** What the medium takes for a command, and for one of each hundred. */
const MEDIA = [
  { latencyNs: 10 * US, slowNs: 10 * US },
  { latencyNs: 100 * US, slowNs: 100 * US },
  { latencyNs: 100 * US, slowNs: 10_000 * US },
  { latencyNs: 1000 * US, slowNs: 1000 * US },
] as const

export const eviction: Bench = {
  name: 'eviction',
  summary: 'what an eviction costs the exporter and the I/O, by policy, in virtual time',
  async run({ smoke }: BenchInit): Promise<readonly BenchRow[]> {
    const media = smoke ? MEDIA.slice(0, 1) : MEDIA
    return media.flatMap((medium) => {
      const effort = smoke
        ? { inFlight: 4, evictions: 2, rounds: 10 }
        : { inFlight: IN_FLIGHT, evictions: 50, rounds: 200 }
      const everyNs = Math.round(medium.latencyNs * 3.7)
      const init = { ...medium, ...effort, everyNs }
      const quiet = runEvictions({ ...init, policy: 'fence', evictions: 0 })
      return (['fence', 'drain'] as const).map((policy) =>
        rowOf({ ...init, policy }, runEvictions({ ...init, policy }), quiet),
      )
    })
  },
}

/** `measured` is the exporter's call with the lock held; `bare` and `added` are of the median I/O. All of it is virtual time. */
function rowOf(init: EvictionsInit, evicted: EvictionsResult, quiet: EvictionsResult): BenchRow {
  const { policy, latencyNs, slowNs } = init
  const slow = slowNs === latencyNs ? '' : `, 1% ${slowNs / US} us`
  const bareNs = median(quiet.ioNs)
  return {
    name: `eviction ${policy}, ${latencyNs / US} us${slow}`,
    goal: 'a model: the memory is the exporter’s when the slowest command is over',
    met: Math.max(...evicted.ownNs) <= Math.max(latencyNs * 1.5, slowNs),
    measured: summarize(evicted.callNs),
    bareNs,
    addedNs: median(evicted.ioNs) - bareNs,
    allocatedBytes: 0,
    hash: '00000000',
    also: {
      inFlight: init.inFlight,
      exporterOwnsMedianNs: median(evicted.ownNs),
      exporterOwnsMaxNs: Math.max(...evicted.ownNs),
      ioP99Ns: percentile(evicted.ioNs, 0.99),
      ioP99QuietNs: percentile(quiet.ioNs, 0.99),
      resent: evicted.resent,
      slowdown: Math.round((evicted.totalNs / quiet.totalNs) * 1000) / 1000,
    },
  }
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
