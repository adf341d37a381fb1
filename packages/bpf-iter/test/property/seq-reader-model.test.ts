// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSeqReader, SeekWhence } from '../../src/index.ts'
import { SeqBench, type TestRecord, TestSequence } from '../seq-support.ts'

type Step =
  | { readonly kind: 'read'; readonly size: number }
  | { readonly kind: 'pread'; readonly size: number; readonly pos: number }
  | { readonly kind: 'lseek' | 'llseek'; readonly offset: number; readonly whence: number }

const record: fc.Arbitrary<TestRecord> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 20, unit: fc.constantFrom('a', 'b', '\n') }) },
  { weight: 2, arbitrary: fc.constantFrom<TestRecord>('', 'skip!') },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 4000, max: 9000 }).map((length) => 'L'.repeat(length)),
  },
)
const failing = fc.oneof(
  { weight: 8, arbitrary: record },
  { weight: 1, arbitrary: fc.constant('fail!') },
)
const size = fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 10_000 }))
const pos = fc.oneof(fc.integer({ min: -5, max: 100 }), fc.integer({ min: 0, max: 30_000 }))
const whence = fc.constantFrom(0, 0, 1, 1, 2)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), size }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('pread' as const), size, pos: fc.nat(200) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('lseek' as const, 'llseek' as const),
      offset: pos,
      whence,
    }),
  },
)

const [EIO, EINVAL] = [-5, -22]

/** The file as one text, and a position in it. */
class Model {
  readonly text: string
  /** Whether the text ends in a record that cannot be shown. */
  readonly broken: boolean
  pos = 0

  constructor(sequence: TestSequence) {
    this.text = sequence.text()
    this.broken = sequence.records.includes('fail!')
  }

  checkRead(got: string | number, size: number, pos: number): void {
    if (size === 0) expect(got).toBe('')
    else if (pos < this.text.length) {
      expect(typeof got).toBe('string')
      const text = String(got)
      expect(text.length).toBeGreaterThan(0)
      expect(text.length).toBeLessThanOrEqual(size)
      expect(text).toBe(this.text.slice(pos, pos + text.length))
    } else expect(got).toBe(this.broken ? EIO : '')
  }

  sought(offset: number, whence: number): number {
    const pos = offset + (whence === SeekWhence.SEEK_CUR ? this.pos : 0)
    return whence > 1 || pos < 0 ? EINVAL : pos
  }
}

function replay(records: readonly TestRecord[], steps: readonly Step[], sleeps: boolean): void {
  const bench = new SeqBench()
  const sequence = new TestSequence(records)
  sequence.sleeps = sleeps
  const model = new Model(sequence)
  const reader = createSeqReader(bench, {
    name: 'model',
    seqOps: sequence.ops(bench.scheduler),
    priv: sequence,
  })
  for (const one of steps) {
    if (one.kind === 'read') {
      const got = bench.read(reader, one.size)
      model.checkRead(got, one.size, model.pos)
      if (typeof got === 'string') model.pos += got.length
    } else if (one.kind === 'pread') {
      model.checkRead(bench.read(reader, one.size, one.pos), one.size, one.pos)
    } else if (one.kind === 'llseek') {
      const expected = model.sought(one.offset, one.whence)
      if (expected < 0) continue
      const { file } = reader
      expect(file.ops.llseek?.(file, one.offset, one.whence)).toBe(expected)
      model.pos = expected
    } else {
      const expected = model.sought(one.offset, one.whence)
      const got = bench.lseek(reader, one.offset, one.whence)
      const fails = model.broken && expected > model.text.length
      expect(got).toBe(fails ? EIO : expected)
      if (fails) model.pos = 0
      else if (got >= 0) model.pos = got
    }
    expect(reader.file.posBytes).toBe(model.pos)
    expect(sequence.stops).toBe(sequence.starts)
  }
  model.pos = 0
  bench.lseek(reader, 0, SeekWhence.SEEK_SET)
  if (!model.broken) expect(bench.readToEnd(reader, 100)).toBe(model.text)
  reader.file.put()
}

describe('seq_file against a naive model', () => {
  it('reads, preads and seeks of any sizes and offsets give the concatenation of the records', () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 12 }),
        fc.array(step, { maxLength: 20 }),
        fc.boolean(),
        replay,
      ),
      { numRuns: 500 },
    )
  })

  it('a record that cannot be shown hides nothing before it, and is met by whatever comes to it', () => {
    fc.assert(
      fc.property(
        fc.array(failing, { maxLength: 12 }),
        fc.array(step, { maxLength: 20 }),
        fc.boolean(),
        replay,
      ),
      { numRuns: 500 },
    )
  })
})
