// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, type Op, yieldNow } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SetupFlags, SqeFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'
import type { Outcome } from '../twin.ts'

const RUNS = 250
const BYTES = 512
const { ECANCELED, EINVAL, EIO, ENOENT, ETIME } = Errno

type Kind = 'ok' | 'late' | 'again' | 'short' | 'fail' | 'nop' | 'nop-fail' | 'timeout' | 'cancel'

interface Entry {
  readonly kind: Kind
  /** How it is linked to the next of its chain. */
  readonly hard: boolean
  readonly isAsync: boolean
  /** Of a timeout: completions that end it. Of a cancellation: which timeout, counted back. */
  readonly count: number
}

interface Chain {
  readonly entries: readonly Entry[]
  /** The entry with IO_DRAIN, or with an operation that there is not; -1 for none. */
  readonly drainAt: number
  readonly badAt: number
}

interface Program {
  readonly setup: number
  readonly seed: number
  /** Chains that are submitted together. */
  readonly batches: readonly (readonly Chain[])[]
}

/** A chain with the user data of its first entry. */
interface Placed extends Chain {
  readonly firstId: number
}

const entry = fc.record<Entry>({
  kind: fc.constantFrom(
    'ok',
    'late',
    'again',
    'short',
    'fail',
    'nop',
    'nop-fail',
    'timeout',
    'cancel',
  ),
  hard: fc.boolean(),
  isAsync: fc.boolean(),
  count: fc.integer({ min: 0, max: 3 }),
})

const chain = fc
  .tuple(fc.array(entry, { minLength: 1, maxLength: 4 }), fc.nat(7), fc.nat(11))
  .map(([entries, drain, bad]): Chain => {
    const badAt = bad < entries.length ? bad : -1
    return { entries, badAt, drainAt: badAt < 0 && drain < entries.length ? drain : -1 }
  })

const program = fc.record<Program>({
  setup: fc.constantFrom(
    0,
    SetupFlags.COOP_TASKRUN,
    SetupFlags.DEFER_TASKRUN | SetupFlags.SINGLE_ISSUER,
  ),
  seed: fc.nat(1000),
  batches: fc.array(fc.array(chain, { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 4,
  }),
})

const OUTCOMES: Partial<Record<Kind, Outcome>> = {
  ok: { kind: 'now', result: BYTES },
  late: { kind: 'later', result: BYTES },
  short: { kind: 'later', result: 100 },
  fail: { kind: 'fail-later', result: -EIO, issued: true },
}

/** Results that follow from the entry alone; undefined for those that depend on when. */
const RESULTS: Partial<Record<Kind, number>> = {
  ok: BYTES,
  late: BYTES,
  again: BYTES,
  short: 100,
  fail: -EIO,
  nop: 0,
  'nop-fail': -EIO,
}

class Run {
  readonly bench: Bench
  readonly placed: Placed[] = []
  readonly #byId: Entry[] = []
  readonly #timeouts: number[] = []
  /** Which timeout a cancellation names. */
  readonly targets = new Map<number, number>()

  constructor({ setup, seed }: Program) {
    const flags = setup | SetupFlags.SUBMIT_ALL
    this.bench = new Bench({ entries: 64, workers: 2, flags }, seed)
    this.bench.twin.decide = (form, posBytes) => {
      const kind = this.#byId[posBytes / BYTES]?.kind ?? 'ok'
      if (kind !== 'again') return OUTCOMES[kind] ?? { kind: 'now' }
      if (form === 'plain') return { kind: 'fail-now', result: -Errno.EAGAIN }
      return { kind: 'later', result: BYTES }
    }
  }

  prepare(chain: Chain): void {
    this.placed.push({ ...chain, firstId: this.#byId.length })
    chain.entries.forEach((entry, i) => {
      const sqe = this.#prepOne(entry)
      let flags = i === chain.entries.length - 1 ? 0 : linkOf(entry)
      if (entry.isAsync) flags |= SqeFlags.ASYNC
      if (i === chain.drainAt) flags |= SqeFlags.IO_DRAIN
      const { ring } = this.bench
      ring.setSqeFlags(sqe, flags | (ring.sqes.getUint8(sqe * 64 + 1) & SqeFlags.FIXED_FILE))
      if (i === chain.badAt) ring.sqes.setUint8(sqe * 64, 255)
    })
  }

  #prepOne(entry: Entry): number {
    const { ring } = this.bench
    const id = this.#byId.length
    this.#byId.push(entry)
    const sqe = ring.getSqe()
    if (entry.kind === 'nop' || entry.kind === 'nop-fail') {
      ring.prepNopResult(sqe, entry.kind === 'nop' ? 0 : -EIO, id)
    } else if (entry.kind === 'timeout') {
      this.#timeouts.push(id)
      ring.prepTimeout(sqe, this.bench.userAddr, entry.count, 0, id)
    } else if (entry.kind === 'cancel') {
      const target = this.#timeouts.at(-1 - entry.count) ?? 999
      this.targets.set(id, target)
      ring.prepCancel(sqe, target, 0, id)
    } else ring.prepReadFixed(sqe, 0, id * BYTES, 0, 0, BYTES, id)
    return sqe
  }

  *main(batches: Program['batches']): Op<(readonly [number, number])[]> {
    const { bench } = this
    bench.timespec(3000)
    bench.ring.registerFiles([bench.file])
    const segments = [{ frame: 1, offsetBytes: 0, lengthBytes: 4096 }]
    yield* bench.ring.registerBuffers([{ segments }])
    let total = 0
    for (const batch of batches) {
      for (const chain of batch) this.prepare(chain)
      total += bench.ring.submit()
      for (let i = 0; i < 3; i += 1) yield* yieldNow(bench.scheduler)
    }
    expect(total).toBe(this.#byId.length)
    yield* bench.ring.waitCqes(total)
    const ends = bench.reap()
    yield* bench.ring.close()
    expect([bench.ring.cqReady, bench.ring.inflight]).toEqual([0, 0])
    return ends
  }
}

function linkOf(entry: Entry): number {
  return entry.hard ? SqeFlags.IO_HARDLINK : SqeFlags.IO_LINK
}

/** What the results of a chain have to be, given those that depend on when. */
function expectedResults(chain: Placed, results: ReadonlyMap<number, number>): number[] {
  let broken = false
  return chain.entries.map((entry, i) => {
    if (chain.badAt >= 0) return i === chain.badAt ? -EINVAL : -ECANCELED
    if (broken) return -ECANCELED
    const res = RESULTS[entry.kind] ?? results.get(chain.firstId + i) ?? Number.NaN
    if ((res < 0 || res === 100) && !entry.hard) broken = true
    return res
  })
}

function checkDependent(entry: Entry, res: number, othersBefore: number): void {
  if (entry.kind === 'timeout') {
    expect([-ETIME, -ECANCELED, 0]).toContain(res)
    if (res === 0) expect(othersBefore).toBeGreaterThanOrEqual(Math.max(1, entry.count))
  }
  if (entry.kind === 'cancel') expect([0, -ENOENT, -ECANCELED]).toContain(res)
}

/** Of the chains, the first and last place at which they completed, against what drains say. */
function checkDrains(placed: readonly Placed[], place: ReadonlyMap<number, number>): void {
  const spans = placed.map((chain) => {
    const at = chain.entries.map((_, i) => place.get(chain.firstId + i) ?? Number.NaN)
    expect([...at].sort((a, b) => a - b)).toEqual(at)
    return { from: at[0] ?? Number.NaN, to: at.at(-1) ?? Number.NaN, failed: chain.badAt >= 0 }
  })
  placed.forEach((chain, k) => {
    const before = placed[k - 1]
    const isDrained = chain.drainAt >= 0 || (before !== undefined && before.drainAt > 0)
    const span = spans[k]
    if (!isDrained || span === undefined || span.failed) return
    spans.forEach((other, j) => {
      if (j < k) expect(other.to).toBeLessThan(span.from)
      if (j > k && !other.failed) expect(other.from).toBeGreaterThan(span.to)
    })
  })
}

/** A cancellation that found its timeout is the one reason for which a timeout that has begun ends with ECANCELED. */
function checkCancels(run: Run, results: ReadonlyMap<number, number>): void {
  const found = new Map<number, number>()
  for (const [id, target] of run.targets) {
    if (results.get(id) === 0) found.set(target, (found.get(target) ?? 0) + 1)
  }
  for (const [target, times] of found) {
    expect([times, results.get(target)]).toEqual([1, -ECANCELED])
  }
}

function check(run: Run, ends: readonly (readonly [number, number])[]): void {
  const results = new Map(ends)
  expect(results.size).toBe(ends.length)
  const place = new Map(ends.map(([id], i) => [id, i]))
  const timeouts = new Set<number>()
  for (const chain of run.placed) {
    chain.entries.forEach((entry, i) => {
      if (entry.kind === 'timeout') timeouts.add(chain.firstId + i)
    })
  }
  for (const chain of run.placed) {
    const got = chain.entries.map((_, i) => results.get(chain.firstId + i))
    expect(got).toEqual(expectedResults(chain, results))
    if (chain.badAt >= 0) continue
    chain.entries.forEach((entry, i) => {
      const at = place.get(chain.firstId + i) ?? 0
      // A timeout that never began counts as any other entry.
      const others = ([id, res]: readonly [number, number]): boolean =>
        !timeouts.has(id) || (res !== 0 && res !== -ETIME)
      const before = ends.slice(0, at).filter(others).length
      checkDependent(entry, got[i] ?? Number.NaN, before)
    })
  }
  checkDrains(run.placed, place)
  checkCancels(run, results)
}

describe('the ring against a model', () => {
  it(`${RUNS} programs of chains, drains, timeouts and cancellations: each entry ends once, as and when it has to`, () => {
    fc.assert(
      fc.property(program, (it) => {
        const run = new Run(it)
        const ends = run.bench.run(run.main(it.batches))
        check(run, ends)
        run.bench.finish()
      }),
      { numRuns: RUNS },
    )
  })
})
