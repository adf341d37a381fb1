// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { describe, expect, it } from 'vitest'
import { SeqFile } from '../../src/seq/seq-file.ts'

const held = (seq: SeqFile): string =>
  new TextDecoder().decode(seq.bytes.subarray(seq.fromBytes, seq.fromBytes + seq.countBytes))
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('seq_file buffer', () => {
  it('keeps nothing of a write that would fill the last byte, and stays overflowed', () => {
    for (const write of [
      (seq: SeqFile, text: string): number => seq.write(bytes(text)),
      (seq: SeqFile, text: string): number => seq.puts(text),
      (seq: SeqFile, text: string): number => seq.printf('%s', text),
    ]) {
      const seq = new SeqFile(8)
      expect(write(seq, '1234567')).toBe(0)
      expect([held(seq), seq.overflowed]).toEqual(['1234567', false])
      expect(write(seq, '')).toBe(0)
      expect(write(seq, '8')).toBe(-1)
      expect([seq.countBytes, seq.overflowed]).toEqual([8, true])
      expect(write(seq, '')).toBe(-1)
      seq.rewind(3)
      expect([held(seq), seq.overflowed]).toEqual(['123', false])
      expect(write(seq, '4567')).toBe(0)
      expect(write(seq, '4567')).toBe(-1)
    }
  })

  it('counts text as UTF-8', () => {
    const seq = new SeqFile(8)
    expect(seq.puts('né–')).toBe(0)
    expect(seq.countBytes).toBe(6)
    expect(seq.puts('é')).toBe(-1)
  })

  it('putc takes the last byte, which counts as overflow', () => {
    const seq = new SeqFile(4)
    for (const byte of bytes('abcd')) expect(seq.putc(byte)).toBe(0)
    expect(seq.overflowed).toBe(true)
    expect(seq.putc(0)).toBe(-1)
  })

  it('pads a column with spaces, and cuts nothing', () => {
    const seq = new SeqFile(64)
    for (const text of ['ab', 'too long', '']) {
      seq.setWidth(5)
      seq.puts(text)
      expect(seq.pad('|')).toBe(0)
    }
    seq.setWidth(2)
    seq.pad()
    expect(held(seq)).toBe('ab   |too long|     |  ')
    seq.setWidth(100)
    expect(seq.pad()).toBe(-1)
    expect(seq.overflowed).toBe(true)
  })

  it('escapes the named characters, or all of the text, in octal', () => {
    const seq = new SeqFile(64)
    seq.escape('a b\tc\\é\n', ' \t\n\\')
    expect(held(seq)).toBe('a\\040b\\011c\\134é\\012')
    seq.empty()
    seq.escape('aé', '')
    expect(held(seq)).toBe('\\141\\303\\251')
    expect(seq.escape(' '.repeat(20), ' ')).toBe(-1)
    expect(seq.overflowed).toBe(true)
  })

  it('hands out what it holds in pieces', () => {
    const seq = new SeqFile(16)
    seq.puts('0123456789')
    const target = new Uint8Array(8)
    expect(seq.drain(target, 1, 4)).toBe(4)
    expect([held(seq), seq.fromBytes]).toEqual(['456789', 4])
    seq.skip(2)
    expect(seq.drain(target, 5, 3)).toBe(3)
    expect([...target]).toEqual([0, ...bytes('0123678')])
    expect(seq.drain(target, 0, 8)).toBe(1)
    expect(seq.drain(target, 0, 8)).toBe(0)
    expect(() => seq.skip(1)).toThrow('more than is held')
    expect(() => seq.rewind(1)).toThrow('forward')
  })

  it('forgets what it holds when it takes another size', () => {
    const seq = new SeqFile(4)
    seq.puts('0123456789')
    seq.resize(16)
    expect([seq.sizeBytes, seq.countBytes, seq.bytes.length]).toEqual([16, 0, 16])
    expect(seq.puts('0123456789')).toBe(0)
    expect(() => new SeqFile(0)).toThrow('without room')
  })
})
