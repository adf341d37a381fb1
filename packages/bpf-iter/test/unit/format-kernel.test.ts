// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { type FormatArg, formatKernel, seqPrintf, seqWrite } from '../../src/index.ts'
import { SeqFile } from '../../src/seq/seq-file.ts'

const CASES: readonly [expected: string, format: string, ...args: FormatArg[]][] = [
  // Numbers, wrapped as in C.
  ['-8 9 96', '%d %u %x', -8, 9, 0x96],
  ['4294967295 ffffffff FFFFFFFF', '%u %x %X', -1, -1, -1],
  ['-1 -1 0', '%d %i %d', 0xffff_ffff, 2 ** 53 - 1, 2 ** 32],
  ['-2147483648 2147483648', '%d %u', 2 ** 31, 2 ** 31],
  ['18446744073709551615 ffffffffffffffff', '%llu %lx', -1, -1n],
  ['-1 9223372036854775807', '%lld %ld', 2n ** 64n - 1n, 2n ** 63n - 1n],
  ['9007199254740991 9007199254740993', '%llu %lu', 2 ** 53 - 1, 2n ** 53n + 1n],
  ['10000000000000000000 0', '%llu %ld', 1e19, -0],
  ['DEADBEEFCAFE deadbeefcafe', '%llX %lx', 0xdeadbeefcafe, 0xdeadbeefcafe],
  // Width and flags.
  ['[    5][00005][5    ][5    ]', '[%5d][%05d][%-5d][%-05d]', 5, 5, 5, 5],
  ['[   -5][-0005][-5   ][+0005][ 0005]', '[%5d][%05d][%-5d][%+05d][% 05d]', -5, -5, -5, 5, 5],
  ['[+5][ 5][-5][5][+5]', '[%+d][% d][%+d][%+u][%+ d]', 5, 5, -5, 5, 5],
  ['[0000beef][BEEF  ][123456]', '[%08x][%-6X][%3d]', 0xbeef, 0xbeef, 123_456],
  // Text and characters.
  ['[str][  str][str  ][  str]', '[%s][%5s][%-5s][%05s]', 'str', 'str', 'str', 'str'],
  ['[][cut]', '[%s][%s]', '', 'cut\0off'],
  ['a    b|b    ', 'a%5c|%-5c', 98, 98],
  ['a', '%c', 0x161],
  ['k u', '%pks %pus', 'k', 'u'],
  ['[  né][né  ]', '[%5s][%-5s]', 'né', 'né'],
  ['né – 100%', 'né – %d%%', 100],
  // Addresses.
  [
    '127.0.0.1 127.000.000.001',
    '%pI4 %pi4',
    Uint8Array.of(127, 0, 0, 1),
    Uint8Array.of(127, 0, 0, 1),
  ],
  [
    '2001:0db8:0000:0000:0000:0000:0000:0001/20010db8000000000000000000000001',
    '%pI6/%pi6',
    Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
  ],
  ['10.0.0.1 text', '%20pI4c text', Uint8Array.of(10, 0, 0, 1)],
  // No conversion, more arguments than asked for, an end in the middle.
  ['simple case', 'simple case'],
  ['', ''],
  ['1', '%d', 1, 2, 3],
  ['before', 'before\0%d'],
  ['%d', '%%d'],
]

const MALFORMED: readonly [format: string, ...args: FormatArg[]][] = [
  ['%'],
  ['%', 1],
  ['%0123456789', 1],
  ['%--------', 1],
  ['%lc', 97],
  ['%llc', 97],
  ['%o', 1],
  ['%hd', 1],
  ['%llld', 1],
  ['%5%', 1],
  ['%.3d', 1],
  ['%*d', 1, 2],
  ['%#x', 1],
  ['%z', 1],
  ['%sz', 'x'],
  ['%sé', 'x'],
  ['%é', 1],
  ['%\x80', 1],
  ['\x01'],
  ['\x7f'],
  ['%p', 1],
  ['%pK', 1],
  ['%px', 1],
  ['%ps', 1],
  ['%pB', 1],
  ['%pi5', Uint8Array.of(1, 2, 3, 4)],
  ['%pksz', 'x'],
  ['%d %d', 1],
  ['%s'],
  ['%d', 'text'],
  ['%d', 1.5],
  ['%d', Number.NaN],
  ['%llu', Number.POSITIVE_INFINITY],
  ['%s', 1],
  ['%c', 'c'],
  ['%c', 0x80],
  ['%pI4', Uint8Array.of(1)],
  ['%pI6', Uint8Array.of(1, 2, 3, 4)],
  ['%pI4', 1],
]

describe('formatKernel', () => {
  for (const [expected, format, ...args] of CASES) {
    it(`formats ${JSON.stringify(format)} as ${JSON.stringify(expected)}`, () => {
      expect(formatKernel(format, args)).toBe(expected)
    })
  }

  for (const [format, ...args] of MALFORMED) {
    it(`refuses ${JSON.stringify(format)} of ${args.map(String).join() || 'nothing'} with EINVAL`, () => {
      expect(() => formatKernel(format, args)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    })
  }

  it('names the place, the format and what would do', () => {
    expect(() => formatKernel('size %o', [1])).toThrow(
      /unknown conversion at 6: got "size %o", accepted %d/,
    )
    expect(() => formatKernel('%d %s', [1])).toThrow(/asks for argument 2: got 1 arguments/)
    expect(() => formatKernel('%s', [Uint8Array.of(1)])).toThrow(/%s: got 1 bytes, accepted text/)
  })

  it('takes a width of any length, up to the largest', () => {
    expect(formatKernel('%99999999999d', [1]).length).toBe((1 << 23) - 1)
  })
})

describe('seqPrintf', () => {
  const held = (seq: SeqFile): string =>
    new TextDecoder().decode(seq.bytes.subarray(0, seq.countBytes))

  it('writes what it formats', () => {
    const seq = new SeqFile(64)
    expect(seqPrintf(seq, '%lu\n%llu\n%s\n%s\n', [7, 81_920, '', 'udmabuf'])).toBe(0)
    expect(seqPrintf(seq, 'no arguments\n')).toBe(0)
    expect(held(seq)).toBe('7\n81920\n\nudmabuf\nno arguments\n')
  })

  it('refuses a malformed format, and more than 12 arguments, and writes nothing of it', () => {
    const seq = new SeqFile(64)
    expect(seqPrintf(seq, 'text %o', [1])).toBe(-Errno.EINVAL)
    expect(seqPrintf(seq, '%d'.repeat(13), new Array(13).fill(1))).toBe(-Errno.EINVAL)
    expect(seqPrintf(seq, '%d', new Array(13).fill(1))).toBe(-Errno.EINVAL)
    expect(seqPrintf(seq, '%d%d', [1])).toBe(-Errno.EINVAL)
    expect(seq.countBytes).toBe(0)
    expect(seqPrintf(seq, '%d'.repeat(12), new Array(12).fill(1))).toBe(0)
    expect(held(seq)).toBe('1'.repeat(12))
  })

  it('cuts text at the 512 bytes that arguments may take, and refuses what comes after with ENOSPC', () => {
    const seq = new SeqFile(4096)
    expect(seqPrintf(seq, '%s', ['x'.repeat(1000)])).toBe(0)
    expect(held(seq)).toBe('x'.repeat(511))
    seq.empty()
    expect(seqPrintf(seq, '%s', [`${'x'.repeat(510)}é`])).toBe(0)
    expect(held(seq)).toBe('x'.repeat(510))
    seq.empty()
    const full = 'x'.repeat(511)
    const more: [string, FormatArg][] = [
      ['%s', 'y'],
      ['%d', 1],
      ['%llu', 1],
      ['%c', 97],
      ['%pI4', Uint8Array.of(1, 2, 3, 4)],
      ['%pI6', new Uint8Array(16)],
    ]
    for (const [format, arg] of more) {
      expect(seqPrintf(seq, `%s ${format}`, [full, arg])).toBe(-Errno.ENOSPC)
    }
    expect(seqPrintf(seq, '%s %d %s', ['x'.repeat(506), 1, ''])).toBe(-Errno.ENOSPC)
    expect(seqPrintf(seq, '%d %s', [1, 2])).toBe(-Errno.EINVAL)
    expect(seq.countBytes).toBe(0)
    expect(seqPrintf(seq, '%s %d %pI4 %c', ['x'.repeat(400), 1, new Uint8Array(4), 97])).toBe(0)
    expect(held(seq)).toBe(`${'x'.repeat(400)} 1 0.0.0.0 a`)
  })

  it('says EOVERFLOW when the record is full', () => {
    const seq = new SeqFile(8)
    expect(seqPrintf(seq, '%d', [1_234_567])).toBe(0)
    expect(seqPrintf(seq, '%d', [8])).toBe(-Errno.EOVERFLOW)
    expect(seq.overflowed).toBe(true)
    expect(seqPrintf(seq, '', [])).toBe(-Errno.EOVERFLOW)
    expect(seqWrite(seq, new Uint8Array(1))).toBe(-Errno.EOVERFLOW)
    seq.empty()
    expect(seqWrite(seq, Uint8Array.of(104, 105))).toBe(0)
    expect(held(seq)).toBe('hi')
  })
})
