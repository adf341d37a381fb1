// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { joinTask, KernelError, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createSeqReader,
  createSingleReader,
  SEQ_SKIP,
  SEQ_START_TOKEN,
  SeekWhence,
} from '../../src/index.ts'
import { closeSequence, openSequence, SeqBench } from '../seq-support.ts'

const { SEEK_SET } = SeekWhence
const [EIO, ENOMEM] = [-5, -12]

const lines = (count: number): string[] => Array.from({ length: count }, (_, i) => `record ${i}\n`)

describe('seq_file', () => {
  for (const size of [1, 3, 9, 10, 64, 4096, 1 << 20]) {
    it(`reads of ${size} give all records in order, then nothing`, () => {
      const { bench, sequence, reader } = openSequence(lines(50))
      expect(bench.readToEnd(reader, size)).toBe(sequence.text())
      expect(bench.read(reader, size)).toBe('')
      expect(reader.file.posBytes).toBe(sequence.text().length)
      expect(reader.bufferBytes).toBe(4096)
      closeSequence(sequence, reader)
    })
  }

  it('fills a read from what is left over and whole records, but does not split one for it', () => {
    const { bench, sequence, reader } = openSequence(['aaaa', 'bbbb', 'cccc', 'dddd'])
    expect(bench.read(reader, 6)).toBe('aaaabb')
    expect(bench.read(reader, 6)).toBe('bbcccc')
    expect(bench.read(reader, 6)).toBe('dddd')
    closeSequence(sequence, reader)
  })

  it('shows no more records than are asked for', () => {
    const { bench, sequence, reader } = openSequence(['aaaa', 'bbbb', 'cccc'])
    expect(bench.read(reader, 4)).toBe('aaaa')
    expect(sequence.shows).toBe(1)
    expect(bench.read(reader, 5)).toBe('bbbbc')
    expect(sequence.shows).toBe(3)
    closeSequence(sequence, reader)
  })

  it('a read of nothing calls nothing', () => {
    const { bench, sequence, reader } = openSequence(['a'])
    expect(bench.read(reader, 0)).toBe('')
    expect(sequence.starts).toBe(0)
    closeSequence(sequence, reader)
  })

  it('a sequence without records, or with none to show, is an empty file', () => {
    for (const records of [[], [''], ['skip!'], ['', 'skip!', '', 'skip!']]) {
      const { bench, sequence, reader } = openSequence(records)
      expect(bench.read(reader, 64)).toBe('')
      closeSequence(sequence, reader)
    }
  })

  it('the buffer doubles from a page until one large record fits', () => {
    const large = 'L'.repeat(20_000)
    const { bench, sequence, reader } = openSequence(['small', large, 'end'])
    expect(bench.read(reader, 1 << 20)).toBe('small')
    expect(reader.bufferBytes).toBe(4096)
    expect(bench.read(reader, 1 << 20)).toBe(`${large}end`)
    expect(reader.bufferBytes).toBe(32_768)
    expect(bench.read(reader, 64)).toBe('')
    closeSequence(sequence, reader)
  })

  it('a record of a page less one byte fits, one of a page does not', () => {
    for (const [length, buffer] of [
      [4095, 4096],
      [4096, 8192],
      [8191, 8192],
      [8192, 16_384],
    ] as const) {
      const { bench, sequence, reader } = openSequence(['x'.repeat(length)])
      expect(bench.readToEnd(reader, 1000)).toBe(sequence.text())
      expect(reader.bufferBytes).toBe(buffer)
      closeSequence(sequence, reader)
    }
  })

  it('a record that overflows what is left of the buffer comes with the next read', () => {
    const record = 'r'.repeat(3000)
    const { bench, sequence, reader } = openSequence([record, record, record])
    for (let i = 0; i < 3; i += 1) expect(bench.read(reader, 1 << 20)).toBe(record)
    expect(bench.read(reader, 1 << 20)).toBe('')
    expect(reader.bufferBytes).toBe(4096)
    closeSequence(sequence, reader)
  })

  it('a record that no buffer may hold is ENOMEM, and the records before it stay readable', () => {
    const { bench, sequence, reader } = openSequence(['first', 'x'.repeat(20_000), 'last'], 16_384)
    expect(bench.read(reader, 64)).toBe('first')
    expect(bench.read(reader, 64)).toBe(ENOMEM)
    expect(bench.read(reader, 64)).toBe(ENOMEM)
    expect(bench.lseek(reader, 100, SEEK_SET)).toBe(ENOMEM)
    expect(bench.read(reader, 64)).toBe('first')
    closeSequence(sequence, reader)
  })

  it('the largest buffer is one that may be used', () => {
    const { bench, sequence, reader } = openSequence(['x'.repeat(16_383)], 16_384)
    expect(bench.readToEnd(reader, 1 << 20).length).toBe(16_383)
    expect(reader.bufferBytes).toBe(16_384)
    closeSequence(sequence, reader)
  })

  it('SEQ_SKIP drops a record with what it wrote, wherever it stands', () => {
    const { bench, sequence, reader } = openSequence([
      'skip!',
      'a',
      'skip!',
      'skip!',
      'b',
      '',
      'c',
      'skip!',
    ])
    expect(bench.read(reader, 64)).toBe('abc')
    for (const size of [1, 2]) {
      bench.lseek(reader, 0, SEEK_SET)
      expect(bench.readToEnd(reader, size)).toBe('abc')
    }
    for (let pos = 0; pos < 3; pos += 1) {
      expect(bench.read(reader, 64, pos)).toBe('abc'.slice(pos))
    }
    closeSequence(sequence, reader)
  })

  it('an error of show comes after the records before it, again and again', () => {
    const { bench, sequence, reader } = openSequence(['a', 'b', 'fail!', 'c'])
    expect(bench.read(reader, 64)).toBe('ab')
    expect(bench.read(reader, 64)).toBe(EIO)
    expect(bench.read(reader, 64)).toBe(EIO)
    sequence.records = ['a', 'b', 'mended', 'c']
    expect(bench.read(reader, 64)).toBe('mendedc')
    closeSequence(sequence, reader)
  })

  it('an error at once is that of the first read', () => {
    const { bench, sequence, reader } = openSequence(['fail!', 'a'])
    expect(bench.read(reader, 64)).toBe(EIO)
    expect(reader.file.posBytes).toBe(0)
    closeSequence(sequence, reader)
  })

  it('errors of start and next come after the records before them', () => {
    for (let broken = 0; broken <= 3; broken += 1) {
      const { bench, sequence, reader } = openSequence(['a', 'b', 'c'])
      sequence.brokenAt = broken
      if (broken > 0) expect(bench.read(reader, 64)).toBe('abc'.slice(0, broken))
      expect(bench.read(reader, 64)).toBe(EIO)
      sequence.brokenAt = -1
      expect(bench.read(reader, 64)).toBe('abc'.slice(broken))
      closeSequence(sequence, reader)
    }
  })

  it('an error thrown by show is its errno, any other ends in the reader with the walk stopped', () => {
    const bench = new SeqBench()
    let error: Error = new KernelError('ENXIO', 'gone')
    const reader = createSingleReader(bench, {
      name: 'thrower',
      priv: null,
      show: (seq) => {
        seq.puts('half')
        throw error
      },
    })
    expect(bench.read(reader, 64)).toBe(-6)
    error = new TypeError('a bug in show')
    expect(() => bench.read(reader, 64)).toThrow('a bug in show')
    error = new KernelError('ENXIO', 'gone')
    expect(bench.read(reader, 64)).toBe(-6)
    reader.file.put()
  })

  it('show may not give a number that is no errno', () => {
    const bench = new SeqBench()
    const reader = createSingleReader(bench, { name: 'odd', priv: null, show: () => -9999 })
    expect(() => bench.read(reader, 64)).toThrow('no errno')
    reader.file.put()
  })

  it('helps a next that forgets to move the position', () => {
    const bench = new SeqBench()
    const reader = createSeqReader(bench, {
      name: 'stuck',
      priv: null,
      seqOps: {
        start: (seq) => (seq.index < 3 ? { at: seq.index } : null),
        next: (_seq, current) => (current.at < 2 ? { at: current.at + 1 } : null),
        stop: () => {},
        show: (seq, current) => seq.printf('%d,', current.at),
      },
    })
    expect(bench.readToEnd(reader, 1)).toBe('0,1,2,')
    reader.file.put()
  })

  it('drops what next and stop write beyond the buffer', () => {
    const bench = new SeqBench()
    const flood = 'f'.repeat(5000)
    const reader = createSeqReader(bench, {
      name: 'flood',
      priv: null,
      seqOps: {
        start: (seq) => (seq.index < 2 ? 'record' : null),
        next: (seq) => {
          seq.puts(flood)
          seq.index += 1
          return seq.index < 2 ? 'record' : null
        },
        stop: (seq) => {
          seq.puts(flood)
        },
        show: (seq, record) => seq.puts(record),
      },
    })
    expect(bench.readToEnd(reader, 100)).toBe('recordrecord')
    reader.file.put()
  })

  it('drops what start writes where there is no record', () => {
    const bench = new SeqBench()
    const reader = createSeqReader(bench, {
      name: 'chatty',
      priv: null,
      seqOps: {
        start: (seq) => {
          seq.puts(`at ${seq.index}: `)
          return seq.index === 0 ? 'record' : null
        },
        next: () => null,
        stop: () => {},
        show: (seq, record) => seq.puts(record),
      },
    })
    expect(bench.readToEnd(reader, 100)).toBe('at 0: record')
    reader.file.put()
  })

  it('lets show sleep, one read at a time', () => {
    const { bench, sequence, reader } = openSequence(lines(20))
    sequence.sleeps = true
    const { scheduler } = bench
    const { file } = reader
    const { read } = file.ops
    const got: string[] = []
    function* readAll(): Op<void> {
      const target = new Uint8Array(13)
      for (;;) {
        const count = read === undefined ? 0 : yield* read(file, target, 0, 13)
        if (count === 0) return
        got.push(new TextDecoder().decode(target.subarray(0, count)))
      }
    }
    function* both(): Op<void> {
      const other = scheduler.spawn('a', readAll())
      yield* readAll()
      yield* joinTask(scheduler, other)
    }
    scheduler.runSync('b', both())
    expect(got.join('')).toBe(sequence.text())
    expect(scheduler.outstanding()).toEqual([])
    closeSequence(sequence, reader)
  })

  it('a heading is shown for the start token', () => {
    const bench = new SeqBench()
    const reader = createSeqReader(bench, {
      name: 'table',
      priv: [1, 2],
      seqOps: {
        start: (seq, rows) => (seq.index === 0 ? SEQ_START_TOKEN : (rows[seq.index - 1] ?? null)),
        next: (seq, _row, rows) => rows[seq.index++] ?? null,
        stop: () => {},
        show: (seq, row) => seq.puts(row === SEQ_START_TOKEN ? 'rows\n' : `${row}\n`),
      },
    })
    expect(bench.readToEnd(reader, 3)).toBe('rows\n1\n2\n')
    reader.file.put()
  })
})

describe('single_open', () => {
  it('is a file of one record, of any size, with a state of its own', () => {
    const bench = new SeqBench()
    const state = { text: 'x'.repeat(5000), released: 0 }
    const reader = createSingleReader(bench, {
      name: 'single',
      priv: state,
      show: (seq, priv) => seq.puts(priv.text) && 0,
      release: (priv) => {
        priv.released += 1
      },
    })
    expect(bench.readToEnd(reader, 999)).toBe(state.text)
    expect(bench.lseek(reader, 4999, SEEK_SET)).toBe(4999)
    expect(bench.read(reader, 64)).toBe('x')
    state.text = 'short'
    expect(bench.read(reader, 64, 0)).toBe('short')
    reader.file.put()
    expect(state.released).toBe(1)
  })

  it('takes the size of its buffer, so that the record is shown once', () => {
    const bench = new SeqBench()
    let shows = 0
    const reader = createSingleReader(bench, {
      name: 'sized',
      priv: null,
      bufferBytes: 16_384,
      show: (seq) => {
        shows += 1
        seq.puts('x'.repeat(16_000))
        return 0
      },
    })
    expect(bench.readToEnd(reader, 1 << 20).length).toBe(16_000)
    expect([shows, reader.bufferBytes]).toEqual([1, 16_384])
    reader.file.put()
  })

  it('may be skipped', () => {
    const bench = new SeqBench()
    const reader = createSingleReader(bench, { name: 'none', priv: null, show: () => SEQ_SKIP })
    expect(bench.read(reader, 64)).toBe('')
    expect(bench.lseek(reader, 3, SEEK_SET)).toBe(3)
    reader.file.put()
  })
})
