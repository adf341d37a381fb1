// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDmabufIterTarget, dmabufTextProgram, formatDmabuf } from '../../src/dmabuf/index.ts'
import type { IterContext } from '../../src/index.ts'
import { Bench, E2BIG, EAGAIN, type TestBuffer, TestSource } from '../support.ts'

type Verdict = 'show' | 'skip' | 'retry' | 'huge'

type Step =
  | { readonly kind: 'export'; readonly name: string }
  | { readonly kind: 'close'; readonly which: number }
  | { readonly kind: 'read'; readonly size: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('export' as const), name: fc.string() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('close' as const), which: fc.nat(30) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      size: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5000 })),
    }),
  },
)
const verdict = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Verdict>('show') },
  { weight: 1, arbitrary: fc.constantFrom<Verdict>('skip', 'retry', 'huge') },
)

/** What a reader should get, from plain lists: no references, no positions, no private state. */
class Model {
  /** Buffers that have users, newest first. */
  live: TestBuffer[] = []
  /** What the scan has still to come to; null before it begins. */
  ahead: TestBuffer[] | null = null
  current: TestBuffer | null = null
  held = ''

  read(size: number, next: () => Verdict): string | number {
    if (this.held === '') {
      const error = this.fill(size, next)
      if (this.held === '' && error !== 0) return error
    }
    const bytes = new TextEncoder().encode(this.held)
    const text = new TextDecoder('latin1').decode(bytes.subarray(0, size))
    this.held = new TextDecoder('latin1').decode(bytes.subarray(size))
    return text
  }

  fill(size: number, next: () => Verdict): number {
    if (this.ahead === null) {
      this.ahead = [...this.live]
      this.moveOn()
    }
    while (this.current !== null) {
      const verdict = next()
      if (verdict === 'retry') return EAGAIN
      if (verdict === 'huge') return E2BIG
      if (verdict === 'show') this.held += formatDmabuf(this.current)
      this.moveOn()
      if (this.held.length >= size) return 0
    }
    return 0
  }

  /** To the next buffer that still has users. */
  moveOn(): void {
    this.current = this.ahead?.find((b) => this.live.includes(b)) ?? null
    if (this.current === null) this.ahead = []
    else this.ahead = this.ahead?.slice(this.ahead.indexOf(this.current) + 1) ?? []
  }
}

function replay(initial: number, steps: readonly Step[], verdicts: readonly Verdict[]): void {
  const bench = new Bench()
  const source = new TestSource()
  const model = new Model()
  const script = (): (() => Verdict) => {
    let at = 0
    return () => verdicts[at++] ?? 'show'
  }
  const [ours, theirs] = [script(), script()]
  const add = (name: string): void => {
    model.live.unshift(source.export({ name: name.replaceAll(/[^ -~]/g, '\n') }))
  }
  for (let i = 0; i < initial; i += 1) add(`buffer ${i}`)
  const file = bench.open(createDmabufIterTarget(source), (context: IterContext<TestBuffer>) => {
    const verdict = ours()
    if (verdict === 'show') return dmabufTextProgram(context)
    context.meta.seq.puts(verdict === 'huge' ? 'x'.repeat(40_000) : verdict === 'retry' ? 'x' : '')
    return verdict === 'retry' ? 1 : 0
  })
  const check = (size: number): string | number => {
    const got = bench.read(file, size)
    expect(got).toBe(model.read(size, theirs))
    // One reference a user, and one of the iterator on the buffer where it stopped.
    for (const buffer of model.live) expect(buffer.refs).toBe(buffer === model.current ? 2 : 1)
    return got
  }
  for (const one of steps) {
    if (one.kind === 'export') add(one.name)
    else if (one.kind === 'read') check(one.size)
    else {
      const closed = model.live[one.which % Math.max(1, model.live.length)]
      if (closed === undefined) continue
      model.live = model.live.filter((b) => b !== closed)
      source.put(closed)
    }
  }
  // The verdicts run out, so it ends.
  for (let i = 0; i < 100_000; i += 1) if (check(100) === '') break
  expect(check(100)).toBe('')
  file.put()
  expect(source.list).toEqual(model.live)
  expect(source.list.every((b) => b.refs === 1)).toBe(true)
}

describe('dmabuf target against a naive model', () => {
  it('R-ITER-1, R-ITER-5, R-ITER-7: any interleaving of exports, closes, reads, retries and skips', () => {
    fc.assert(
      fc.property(fc.nat(12), fc.array(step, { maxLength: 30 }), fc.array(verdict), replay),
      { numRuns: 400 },
    )
  })

  it('R-ITER-1, R-ITER-4: closed part-way through, every count is as before', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.array(fc.integer({ min: 1, max: 300 })), (count, sizes) => {
        const bench = new Bench()
        const source = new TestSource()
        for (let i = 0; i < count; i += 1) source.export()
        const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
        let text = ''
        for (const size of sizes) text += String(bench.read(file, size))
        expect(source.text().startsWith(text)).toBe(true)
        file.put()
        expect(source.list.every((b) => b.refs === 1)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })
})
