// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { availableParallelism } from 'node:os'

/** Maps the items with at most `lanes` of them at work; the results keep the order of the items. */
export async function mapPool(items, work, lanes = Math.min(4, availableParallelism())) {
  const results = new Array(items.length)
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const i = next++
      results[i] = await work(items[i])
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane))
  return results
}
