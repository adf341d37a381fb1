// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FormatArg, formatKernel } from '../../src/index.ts'

interface Conversion {
  readonly flags: string
  readonly width: number
  readonly longs: '' | 'l' | 'll'
  readonly letter: 'd' | 'i' | 'u' | 'x' | 'X' | 's'
  readonly value: bigint
  readonly text: string
  readonly before: string
}

const conversion: fc.Arbitrary<Conversion> = fc.record({
  flags: fc
    .subarray(['0', '+', '-', ' '], { minLength: 0, maxLength: 3 })
    .map((flags) => flags.join('')),
  width: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
  longs: fc.constantFrom('' as const, 'l' as const, 'll' as const),
  letter: fc.constantFrom('d', 'i', 'u', 'x', 'X', 's'),
  value: fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.constantFrom(
      0n,
      -1n,
      2n ** 31n,
      -(2n ** 31n),
      2n ** 32n,
      2n ** 63n,
      -(2n ** 63n),
      2n ** 64n,
    ),
  ),
  text: fc.string({ maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
  before: fc.string({ maxLength: 5 }).map((text) => text.replaceAll(/[^ -~]/g, '\n')),
})

/** What C says of one conversion, by the book: value modulo 2^n, digits, sign, then padding. */
function model({ flags, width, longs, letter, value, text }: Conversion): string {
  const left = flags.includes('-')
  if (letter === 's') return left ? text.padEnd(width) : text.padStart(width)
  const modulus = longs === '' ? 2n ** 32n : 2n ** 64n
  let number = ((value % modulus) + modulus) % modulus
  const signed = letter === 'd' || letter === 'i'
  const negative = signed && number >= modulus / 2n
  if (negative) number = modulus - number
  let sign = ''
  if (negative) sign = '-'
  else if (signed && flags.includes('+')) sign = '+'
  else if (signed && flags.includes(' ')) sign = ' '
  let digits = number.toString(letter === 'x' || letter === 'X' ? 16 : 10)
  if (letter === 'X') digits = digits.toUpperCase()
  if (left) return (sign + digits).padEnd(width)
  while (flags.includes('0') && sign.length + digits.length < width) digits = `0${digits}`
  return (sign + digits).padStart(width)
}

describe('formats against a naive model', () => {
  it('numbers of any size, flags and widths, and text, come out as C prints them', () => {
    fc.assert(
      fc.property(fc.array(conversion, { maxLength: 8 }), (conversions) => {
        let format = ''
        let expected = ''
        const args: FormatArg[] = []
        for (const one of conversions) {
          const width = one.width === 0 ? '' : String(one.width)
          const longs = one.letter === 's' ? '' : one.longs
          format += `${one.before.replaceAll('%', '%%')}%${one.flags}${width}${longs}${one.letter}\n`
          expected += `${one.before}${model(one)}\n`
          const exact = Number(one.value)
          if (one.letter === 's') args.push(one.text)
          else args.push(BigInt(exact) === one.value ? exact : one.value)
        }
        expect(formatKernel(format, args)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })

  it('any format either comes out or is refused with EINVAL', () => {
    const piece = fc.constantFrom(
      ...[
        '%',
        'l',
        'd',
        's',
        'c',
        'p',
        'I4',
        'i6',
        'ks',
        '0',
        '-',
        '5',
        '.',
        ' ',
        'é',
        '\0',
        '\x7f',
      ],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        try {
          formatKernel(pieces.join(''), new Array(8).fill(65))
        } catch (error) {
          expect(error).toMatchObject({ code: 'EINVAL' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})
