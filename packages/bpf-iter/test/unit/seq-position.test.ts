// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { describe, expect, it } from 'vitest'
import { SeekWhence } from '../../src/index.ts'
import { closeSequence, errnoOf, openSequence } from '../seq-support.ts'

const { SEEK_SET, SEEK_CUR, SEEK_END } = SeekWhence
const [EIO, EINVAL] = [-5, -22]

describe('seq_file positions', () => {
  it('SEEK_SET and SEEK_CUR land anywhere, in a record, between two, past the end', () => {
    const { bench, sequence, reader } = openSequence(['aaa', '', 'bbb', 'skip!', 'ccc'])
    const text = sequence.text()
    for (let pos = 0; pos <= 12; pos += 1) {
      expect(bench.lseek(reader, pos, SEEK_SET)).toBe(pos)
      expect(bench.read(reader, 64)).toBe(text.slice(pos))
    }
    expect(bench.lseek(reader, 2, SEEK_SET)).toBe(2)
    expect(bench.lseek(reader, 3, SEEK_CUR)).toBe(5)
    expect(bench.lseek(reader, -1, SEEK_CUR)).toBe(4)
    expect(bench.read(reader, 3)).toBe('bbc')
    expect(bench.lseek(reader, 0, SEEK_CUR)).toBe(7)
    expect(bench.read(reader, 64)).toBe('cc')
    closeSequence(sequence, reader)
  })

  it('refuses SEEK_END, unknown ways, and positions before the beginning', () => {
    const { bench, sequence, reader } = openSequence(['abc'])
    bench.read(reader, 2)
    for (const [offset, whence] of [
      [0, SEEK_END],
      [0, 3],
      [0, -1],
      [-1, SEEK_SET],
      [-3, SEEK_CUR],
      [0.5, SEEK_SET],
    ] as const) {
      expect(bench.lseek(reader, offset, whence)).toBe(EINVAL)
      const { file } = reader
      expect(errnoOf(() => file.ops.llseek?.(file, offset, whence) ?? 0)).toBe(EINVAL)
    }
    expect(bench.read(reader, 64)).toBe('c')
    closeSequence(sequence, reader)
  })

  it('a seek to where the file is walks nothing', () => {
    const { bench, sequence, reader } = openSequence(['abc', 'def'])
    bench.read(reader, 2)
    const { starts } = sequence
    expect(bench.lseek(reader, 2, SEEK_SET)).toBe(2)
    expect(bench.read(reader, 1)).toBe('c')
    expect(sequence.starts).toBe(starts)
    closeSequence(sequence, reader)
  })

  it('the plain llseek moves the position, and the next read walks', () => {
    const { bench, sequence, reader } = openSequence(['abc', 'def'])
    const { file } = reader
    bench.read(reader, 6)
    expect(file.ops.llseek?.(file, 4, SEEK_SET)).toBe(4)
    expect(file.ops.llseek?.(file, -2, SEEK_CUR)).toBe(2)
    expect(bench.read(reader, 64)).toBe('cdef')
    sequence.records = ['fail!']
    expect(file.ops.llseek?.(file, 3, SEEK_SET)).toBe(3)
    expect(bench.read(reader, 64)).toBe(EIO)
    closeSequence(sequence, reader)
  })

  it('a seek that fails leaves the file at its beginning', () => {
    for (const broken of [false, true]) {
      const { bench, sequence, reader } = openSequence(['abc', broken ? 'def' : 'fail!', 'ghi'])
      if (broken) sequence.brokenAt = 1
      bench.read(reader, 2)
      expect(bench.lseek(reader, 5, SEEK_SET)).toBe(EIO)
      expect(reader.file.posBytes).toBe(0)
      expect(bench.read(reader, 2)).toBe('ab')
      expect(bench.lseek(reader, 3, SEEK_SET)).toBe(3)
      closeSequence(sequence, reader)
    }
  })

  it('a seek grows the buffer for a large record on its way, and lands in one', () => {
    const large = 'L'.repeat(10_000)
    const { bench, sequence, reader } = openSequence(['abc', large, 'def'])
    expect(bench.lseek(reader, 10_002, SEEK_SET)).toBe(10_002)
    expect(reader.bufferBytes).toBe(16_384)
    expect(bench.read(reader, 64)).toBe('Ldef')
    expect(bench.lseek(reader, 5000, SEEK_SET)).toBe(5000)
    expect(bench.read(reader, 1 << 20)).toBe(`${'L'.repeat(5003)}def`)
    closeSequence(sequence, reader)
  })

  it('pread reads at its own position and leaves the file where it was', () => {
    const { bench, sequence, reader } = openSequence(['abc', 'def', 'ghi'])
    expect(bench.read(reader, 4)).toBe('abcd')
    expect(bench.read(reader, 64, 7)).toBe('hi')
    expect(bench.read(reader, 64, 0)).toBe('abcdefghi')
    expect(bench.read(reader, 64, 100)).toBe('')
    expect(reader.file.posBytes).toBe(4)
    expect(bench.read(reader, 64)).toBe('efghi')
    closeSequence(sequence, reader)
  })

  it('a read at the beginning sees the sequence afresh', () => {
    const { bench, sequence, reader } = openSequence(['abc', 'def'])
    expect(bench.read(reader, 2)).toBe('ab')
    sequence.records = ['new']
    expect(bench.read(reader, 64)).toBe('c')
    expect(bench.lseek(reader, 0, SEEK_SET)).toBe(0)
    expect(bench.read(reader, 64)).toBe('new')
    expect(bench.read(reader, 2, 0)).toBe('ne')
    expect(bench.read(reader, 1, 0)).toBe('n')
    closeSequence(sequence, reader)
  })
})
