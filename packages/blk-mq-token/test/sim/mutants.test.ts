// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { runLife } from '../life.ts'
import { mutants } from '../mutants.ts'
import { runNarrowLife } from '../narrow-life.ts'

const SEEDS = 1000

/** The first seed that fails, or 0. */
function firstFailure(run: (seed: number) => unknown): number {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      run(seed)
    } catch {
      return seed
    }
  }
  return 0
}

describe('a step put back to what a published version did', () => {
  for (const { id, parts, full = false, narrow = false } of mutants()) {
    it(`${id}: is found`, () => {
      const run = (seed: number): unknown =>
        narrow ? runNarrowLife(seed, parts) : runLife(seed, parts, () => full)
      expect(firstFailure(run)).toBeGreaterThan(0)
    })
  }

  it('and ours is not, where those were that need an exact moment', () => {
    expect(firstFailure((seed) => runNarrowLife(seed, {}))).toBe(0)
  })

  it('F12: and ours drains in place where fence slots run out', () => {
    for (let seed = 1; seed <= 100; seed++) runLife(seed, {}, () => true)
  })
})
