// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { SearchKind } from '@iolayers/weave'
import { describe, expect, it } from 'vitest'
import { runJob } from '../../src/weave/job.ts'

const SEEDS = Array.from({ length: 64 }, (_, at) => at + 1)

/** The canary fails in its first schedule whatever the search; its words say which lock that schedule took first. */
function waysOf(scheduler: SearchKind | null): string {
  const ways = SEEDS.map((seed) => {
    const counts = { mutantSchedules: 1, oursExhaustive: 0, oursSeeds: 1, failures: 1 }
    const effort = { scheduler, seed, ...counts }
    const result = runJob({ kind: 'ours', scenario: 'canary', policy: 'fence', effort }, () => {})
    if (result.kind !== 'ours') throw new Error('not what was asked for')
    const first = /order that can deadlock: mutex (first|second)/.exec(
      result.verdict.fault?.message ?? '',
    )
    if (first === null) throw new Error(`not the canary: ${result.verdict.fault?.message}`)
    return first[1]
  })
  return ways.join(' ')
}

describe('one side of a scenario', () => {
  it('ours is searched by the scheduler that was asked for', () => {
    expect(waysOf('pct')).not.toBe(waysOf('random'))
  })

  it('ours is searched at random where none was', () => {
    expect(waysOf(null)).toBe(waysOf('random'))
  })
})
