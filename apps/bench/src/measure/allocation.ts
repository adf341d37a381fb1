// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getHeapStatistics } from 'node:v8'

/**
 * Bytes allocated on the JavaScript heap per operation: the growth of the used heap over `work`, the least of some rounds, because a collection in a round makes
 * it smaller and background work of the engine makes it larger.
 */
export function allocatedBytesPerOperation(work: () => number, rounds: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const before = getHeapStatistics().used_heap_size
    const operations = work()
    const grown = getHeapStatistics().used_heap_size - before
    if (grown >= 0) least = Math.min(least, grown / operations)
  }
  return Number.isFinite(least) ? Math.round(least * 100) / 100 : 0
}
