// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, KernelError, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { MAX_STALE_IMPORTS, RwFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'
import type { Outcome } from '../twin.ts'

const AGAIN: Outcome = { kind: 'fail-now', result: -Errno.EAGAIN }
const STALE: Outcome = { kind: 'fail-now', result: -Errno.ESTALE }

describe('attempts that do not succeed at once', () => {
  const once = (bench: Bench, outcomes: readonly Outcome[]): void => {
    let at = 0
    bench.twin.decide = () => outcomes[at++] ?? { kind: 'now' }
  }

  it('R6: -EAGAIN goes to a worker, whether it comes at once or later', () => {
    const cases: Outcome[] = [AGAIN, { kind: 'fail-later', result: -Errno.EAGAIN, issued: false }]
    for (const outcome of cases) {
      const bench = new Bench()
      bench.register()
      bench.read(0)
      bench.complete(1)
      once(bench, [outcome])
      bench.read(1)
      expect(bench.complete(1)).toEqual([[1, 512]])
      expect(bench.ring.stats.asyncWork).toBe(2)
      bench.finish()
    }
  })

  it('R6: -EAGAIN is the answer where NOWAIT was asked for, or from the form that may sleep', () => {
    const bench = new Bench()
    bench.register()
    bench.read(1, 0, 512, RwFlags.NOWAIT)
    expect(bench.complete(1)).toEqual([[1, -Errno.EAGAIN]])
    expect(bench.twin.attempts).toBe(0)
    bench.read(2)
    bench.complete(1)
    bench.twin.decide = () => AGAIN
    bench.read(3, 0, 512, RwFlags.NOWAIT)
    bench.read(4)
    expect(new Map(bench.complete(2))).toEqual(
      new Map([
        [3, -Errno.EAGAIN],
        [4, -Errno.EAGAIN],
      ]),
    )
    expect(bench.twin.attempts).toBe(4)
    bench.finish()
  })

  it('R1, R-MQ-8: a map that died before anything went out is imported afresh, with one reference', () => {
    const bench = new Bench()
    const token = bench.register()
    bench.read(0)
    bench.complete(1)
    let dies = true
    bench.twin.decide = () => {
      if (!dies) return { kind: 'now' }
      dies = false
      token.invalidate()
      return STALE
    }
    bench.read(1)
    expect(bench.complete(1)).toEqual([[1, 512]])
    expect(token.maps.map((map) => map.refs)).toEqual([0, 0])
    expect(bench.ring.stats.staleImports).toBe(1)
    bench.finish()
  })

  it('R1: a map that died while its I/O waited for a worker is not used again', () => {
    const bench = new Bench({ workers: 1 })
    const token = bench.register()
    bench.read(0)
    bench.complete(1)
    once(bench, [AGAIN])
    bench.read(1)
    bench.ring.submit()
    token.invalidate()
    bench.run(bench.ring.waitCqes(1))
    expect(bench.reap()).toEqual([[1, 512]])
    expect([token.maps.length, bench.ring.stats.staleImports]).toEqual([2, 0])
    bench.finish()
  })

  it('R8: an I/O keeps the one map that it imported, while those after it get the next', () => {
    const bench = new Bench()
    const token = bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.ring.submit()
    token.invalidate()
    bench.read(2)
    bench.ring.submit()
    bench.scheduler.runUntilIdle()
    expect(token.maps.map((map) => map.refs)).toEqual([1, 1])
    for (const end of bench.twin.held.splice(0)) end()
    expect(bench.complete(2)).toEqual([
      [1, 512],
      [2, 512],
    ])
    expect(token.maps.map((map) => map.refs)).toEqual([0, 0])
    bench.finish()
  })

  it('R7: after eight fresh imports it is ESTALE; NOWAIT gets EAGAIN at the first', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.attempts = 0
    bench.twin.decide = () => STALE
    bench.read(1)
    expect(bench.complete(1)).toEqual([[1, -Errno.ESTALE]])
    expect([bench.twin.attempts, MAX_STALE_IMPORTS]).toEqual([9, 8])
    bench.read(2, 0, 512, RwFlags.NOWAIT)
    expect(bench.complete(1)).toEqual([[2, -Errno.EAGAIN]])
    bench.finish()
  })

  it('R2, R-MQ-8: once a fragment was handed over, a dead map is terminal and nothing is sent again', () => {
    const outcomes: Outcome[] = [
      { kind: 'fail-later', result: -Errno.ESTALE, issued: true },
      { kind: 'fail-now', result: -Errno.ESTALE, issued: true },
      { kind: 'fail-later', result: -Errno.EAGAIN, issued: true },
    ]
    for (const outcome of outcomes) {
      const bench = new Bench()
      bench.register()
      bench.read(0)
      bench.complete(1)
      once(bench, [outcome])
      bench.twin.attempts = 0
      bench.read(1)
      expect(bench.complete(1)).toEqual([[1, 'result' in outcome ? outcome.result : 0]])
      expect(bench.twin.attempts).toBe(1)
      bench.finish()
    }
  })

  it('R5: every other status comes through as it is, and an interruption as EINTR', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    for (const errno of [Errno.EIO, Errno.ENOSPC, Errno.ETIMEDOUT, Errno.EREMOTEIO]) {
      once(bench, [{ kind: 'fail-later', result: -errno, issued: true }])
      bench.read(1)
      expect(bench.complete(1)).toEqual([[1, -errno]])
    }
    once(bench, [{ kind: 'fail-now', result: -Errno.ERESTARTSYS }])
    bench.read(2)
    expect(bench.complete(1)).toEqual([[2, -Errno.EINTR]])
    bench.finish()
  })

  it('a map that cannot be made ends the I/O with the errno of that', () => {
    for (const code of ['ETIME', 'ENOENT', 'ENOMEM', 'ERESTARTSYS'] as const) {
      const bench = new Bench()
      bench.register().failure = new KernelError(code, 'no map')
      bench.read(1)
      const expected = code === 'ERESTARTSYS' ? 'EINTR' : code
      expect(bench.complete(1)).toEqual([[1, -Errno[expected]]])
      bench.finish()
    }
  })
})

describe('workers', () => {
  it('are bounded, and take up no more than are needed', () => {
    const bench = new Bench({ workers: 2 })
    bench.register()
    let inside = 0
    let most = 0
    const token = bench.token
    const makeMap = token.getMap.bind(token)
    token.getMap = function* () {
      inside += 1
      most = Math.max(most, inside)
      yield* sleep(bench.scheduler, 1000)
      inside -= 1
      return yield* makeMap()
    }
    for (let i = 0; i < 8; i += 1) bench.read(i)
    expect(bench.complete(8).length).toBe(8)
    expect(most).toBe(2)
    bench.finish()
  })

  it('one that sleeps does not hold up what another could run', () => {
    const bench = new Bench({ workers: 4 })
    const token = bench.register()
    bench.read(0)
    bench.complete(1)
    const makeMap = token.getMap.bind(token)
    let calls = 0
    token.getMap = function* () {
      calls += 1
      yield* sleep(bench.scheduler, calls === 1 ? 1e9 : 1)
      return yield* makeMap()
    }
    token.invalidate()
    // Both are queued while one idle worker is woken and has not run yet.
    bench.read(1)
    bench.read(2)
    const from = bench.scheduler.nowNs()
    expect(bench.complete(1)).toEqual([[2, 512]])
    expect(bench.scheduler.nowNs() - from).toBeLessThan(1e9)
    bench.run(bench.ring.waitCqes(1))
    expect(bench.reap()).toEqual([[1, 512]])
    bench.finish()
  })
})
