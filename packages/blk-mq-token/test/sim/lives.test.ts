// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { ENDS, runLife } from '../life.ts'

describe('the lives of maps of one buffer', () => {
  it('R-MQ-2, R-MQ-6, R-MQ-7, H9, H14, H15: in any order of eviction, revocation, removal and release, for 1000 seeds', () => {
    const ends = new Set<string>()
    for (let seed = 1; seed <= 1000; seed++) {
      try {
        for (const end of runLife(seed).ends) ends.add(end)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    expect([...ends].sort()).toEqual(ENDS)
  })

  it('the same seed gives the same trace', () => {
    expect(runLife(17).trace).toBe(runLife(17).trace)
  })
})
