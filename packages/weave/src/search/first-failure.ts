// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Program } from './contracts.ts'
import { type ExploreInit, explore } from './explore.ts'

/**
 * For each seed: how many schedules it took to the first that fails, or null when `init.schedules` were too few. An exhaustive search
 * knows no chance: it is run once, and its number stands for all seeds.
 */
export function schedulesToFirst(
  program: Program,
  init: Omit<ExploreInit, 'seed' | 'failuresMax' | 'fingerprints'>,
  seeds: readonly number[],
): readonly (number | null)[] {
  const first = (seed: number): number | null =>
    explore(program, { ...init, seed }).found?.schedule ?? null
  if (init.scheduler !== 'exhaustive') return seeds.map(first)
  const all = first(1)
  return seeds.map(() => all)
}

/** The lower median, where null is more than any number; null of none. */
export function medianSchedules(counts: readonly (number | null)[]): number | null {
  const sorted = counts.toSorted((a, b) => (a ?? Infinity) - (b ?? Infinity) || 0)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null
}
