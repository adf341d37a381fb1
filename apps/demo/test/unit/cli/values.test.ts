// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/cli/failure.ts'
import { parseChoice, parseCount, parsePowerOfTwo, parseSize } from '../../../src/cli/values.ts'

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['64K', 65536],
    ['64k', 65536],
    ['1M', 1048576],
    ['2G', 2147483648],
    ['1T', 1099511627776],
    ['1KiB', 1024],
    ['3MB', 3145728],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text, '--size')).toBe(bytes)
  })

  it.each(['', ' ', '-1', '1.5M', 'K', '1E', '0x10', '1 M', '9007199254740993', '99999999T'])(
    'refuses "%s" and names it',
    (text) => {
      expect(() => parseSize(text, '--size')).toThrow(UsageError)
      expect(() => parseSize(text, '--size')).toThrow(`--size is "${text}"`)
    },
  )
})

describe('counts', () => {
  const bounds = { min: 1, max: 1024 }

  it('takes its bounds', () => {
    expect(parseCount('1', '--queue-depth', bounds)).toBe(1)
    expect(parseCount('1024', '--queue-depth', bounds)).toBe(1024)
  })

  it.each(['0', '1025', '-1', '1.5', '1K', '', 'x', '1e2'])(
    'refuses "%s" and names the bounds',
    (text) => {
      expect(() => parseCount(text, '--queue-depth', bounds)).toThrow(
        `--queue-depth is "${text}"; it takes a whole number from 1 to 1024`,
      )
    },
  )

  it('names no upper bound where there is none', () => {
    const open = { min: 1, max: Number.MAX_SAFE_INTEGER }
    expect(() => parseCount('0', '--evict-every', open)).toThrow(/a whole number from 1$/)
  })
})

describe('powers of two', () => {
  const bounds = { min: 512, max: 65536 }

  it.each([
    ['512', 512],
    ['64K', 65536],
  ])('takes %s', (text, value) => {
    expect(parsePowerOfTwo(text, '--block-size', bounds)).toBe(value)
  })

  it.each(['0', '256', '1000', '128K', '513'])('refuses %s and names the bounds', (text) => {
    expect(() => parsePowerOfTwo(text, '--block-size', bounds)).toThrow(
      `--block-size is ${text}; it takes a power of two from 512 to 65536 bytes`,
    )
  })
})

it('a choice that is none names them all', () => {
  expect(parseChoice('lazy', '--iommu', ['strict', 'lazy'])).toBe('lazy')
  expect(() => parseChoice('Lazy', '--iommu', ['strict', 'lazy'])).toThrow(
    '--iommu is "Lazy"; it takes one of strict, lazy',
  )
})
