// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getHeapStatistics } from 'node:v8'

/**
 * Bytes allocated on the JavaScript heap per operation: how much the used heap (v8.getHeapStatistics) grew over `work`, less what
 * looking costs. The median of the rounds in which no collection made it shrink; NaN when there was none.
 */
export function allocatedBytesPerOperation(work: () => number, rounds: number): number {
  let operations = 0
  const looking = medianGrowth(() => undefined, rounds)
  const growth = medianGrowth(() => {
    operations = work()
  }, rounds)
  return Math.round((Math.max(0, growth - looking) / operations) * 100) / 100
}

function medianGrowth(work: () => void, rounds: number): number {
  const grown: number[] = []
  for (let round = 0; round < rounds; round++) {
    const before = getHeapStatistics().used_heap_size
    work()
    const growth = getHeapStatistics().used_heap_size - before
    if (growth >= 0) grown.push(growth)
  }
  grown.sort((a, b) => a - b)
  return grown[grown.length >> 1] ?? Number.NaN
}
