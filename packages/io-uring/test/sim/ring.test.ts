// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createPrng, Errno, joinTask, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { MAX_STALE_IMPORTS } from '../../src/index.ts'
import { Bench, SIZE } from '../bench.ts'
import type { Outcome } from '../twin.ts'

const SEEDS = 300
const IOS = 24
const BLOCK = 512

/** What an attempt may do, -ESTALE and -EAGAIN at every place included. */
function outcomes(below: (bound: number) => number): (form: 'plain' | 'wait') => Outcome {
  return () => {
    switch (below(10)) {
      case 0:
        return { kind: 'fail-now', result: -Errno.EAGAIN }
      case 1:
        return { kind: 'fail-later', result: -Errno.EAGAIN, issued: false }
      case 2:
        return { kind: 'fail-now', result: -Errno.ESTALE }
      case 3:
        return { kind: 'fail-later', result: -Errno.ESTALE, issued: false }
      case 4:
        return { kind: 'fail-later', result: -Errno.ESTALE, issued: true }
      case 5:
        return { kind: 'fail-later', result: -Errno.EIO, issued: true }
      case 6:
        return { kind: 'now' }
      default:
        return { kind: 'later' }
    }
  }
}

const ALLOWED = new Set([BLOCK, -Errno.ESTALE, -Errno.EIO, -Errno.EAGAIN])

/**
 * Two submitters share a ring with fewer requests than they want, over a file that does anything, while the map goes away
 * again and again: every request ends once, with a result that it can have, and nothing is left.
 */
function simulate(seed: number): string {
  const bench = new Bench({ entries: 4, cqEntries: 8, workers: 2 }, seed)
  const prng = createPrng(seed)
  const token = bench.register()
  bench.twin.decide = outcomes((bound) => prng.below(bound))
  const results = new Map<number, number>()
  const { ring, scheduler } = bench
  const take = (): void => {
    for (const [id, res] of bench.reap()) {
      expect(results.has(id), `seed ${seed}: ${id} ended twice`).toBe(false)
      expect(ALLOWED.has(res), `seed ${seed}: ${id} ended with ${res}`).toBe(true)
      results.set(id, res)
    }
  }
  function* submitter(first: number): Op<void> {
    for (let id = first; id < first + IOS; ) {
      for (; id < first + IOS; id += 1) {
        const sqe = ring.getSqe()
        if (sqe < 0) break
        const at = (id * BLOCK) % SIZE
        ring.prepReadFixed(sqe, 0, at, 0, at, BLOCK, id)
      }
      const submitted = ring.submit()
      if (submitted < 0) expect(submitted).toBe(-Errno.EAGAIN)
      yield* yieldNow(scheduler)
      take()
    }
  }
  function* evictor(): Op<void> {
    for (let i = 0; i < 8; i += 1) {
      token.invalidate()
      yield* yieldNow(scheduler)
    }
  }
  function* main(): Op<void> {
    const tasks = [
      scheduler.spawn('a', submitter(0)),
      scheduler.spawn('b', submitter(IOS)),
      scheduler.spawn('evictor', evictor()),
    ]
    for (const task of tasks) yield* joinTask(scheduler, task)
    while (results.size < 2 * IOS) {
      ring.submit()
      if (ring.cqReady === 0) yield* ring.waitCqes(1)
      take()
    }
    yield* ring.close()
  }
  bench.run(main())
  checkBytes(bench, results, seed)
  const { stats } = ring
  expect(stats.submitted, `seed ${seed}`).toBe(2 * IOS)
  expect(stats.completed, `seed ${seed}`).toBe(2 * IOS)
  expect(stats.staleImports, `seed ${seed}`).toBeLessThanOrEqual(2 * IOS * MAX_STALE_IMPORTS)
  bench.finish()
  return `${scheduler.steps} ${[...results].join(' ')}`
}

function checkBytes(bench: Bench, results: Map<number, number>, seed: number): void {
  const view = bench.token.maps[0]?.segments[0]
  for (const [id, res] of results) {
    if (res !== BLOCK) continue
    const at = (id * BLOCK) % SIZE
    const read = view?.subarray(at, at + BLOCK)
    const written = bench.twin.bytes.subarray(at, at + BLOCK)
    if (read === undefined || Buffer.compare(read, written) !== 0) {
      throw new Error(`seed ${seed}: request ${id} read wrong bytes`)
    }
  }
}

describe('the ring on the virtual scheduler', () => {
  it(`R-MQ-7, R-MQ-8: ${SEEDS} seeds: every request ends once, nothing is left`, () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) simulate(seed)
  })

  it('the same seed makes the same run', () => {
    for (let seed = 1; seed <= 20; seed += 1) expect(simulate(seed)).toBe(simulate(seed))
  })
})
