// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// R-NVME: every field of every layout that the spec entry exports round trips, leaves its neighbours
// as they are, and refuses what does not fit. What a field covers is worked out here a second time,
// bit by bit, from its descriptor.

import { KernelError } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as spec from '../../../src/spec/index.ts'
import {
  decode,
  encode,
  type Field,
  type Layout,
  readField,
  writeField,
} from '../../../src/spec/index.ts'

function isLayout(value: unknown): value is Layout {
  return typeof value === 'object' && value !== null && 'fields' in value && 'size' in value
}

const layouts: [string, Layout][] = Object.entries(spec).flatMap(
  ([name, value]: [string, unknown]): [string, Layout][] =>
    isLayout(value) ? [[name, value]] : [],
)

/** First bit of a field in its structure, and how many. */
function extent(field: Field): readonly [start: number, length: number] {
  const start = field.at * 8
  if ('bits' in field) return [start + (field.shift ?? 0), field.bits]
  if ('big' in field) return [start, field.big]
  if ('bytes' in field) return [start, field.bytes * 8]
  if ('ascii' in field) return [start, field.ascii * 8]
  if ('text' in field) return [start, field.text * 8]
  if ('each' in field) return [start, field.count * field.each]
  return [start, field.count * field.of.size * 8]
}

const printable = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code))

/** Values that fit. */
function fitting(field: Field): fc.Arbitrary<unknown> {
  if ('bits' in field) {
    const max = 2 ** field.bits - 1
    return fc.oneof(fc.constantFrom(0, max), fc.integer({ min: 0, max }))
  }
  if ('big' in field) return fc.bigInt({ min: 0n, max: (1n << BigInt(field.big)) - 1n })
  if ('bytes' in field) {
    return fc.uint8Array({ minLength: field.bytes, maxLength: field.bytes })
  }
  if ('ascii' in field) return fc.string({ unit: printable, maxLength: field.ascii })
  if ('text' in field) return fc.string({ unit: printable, maxLength: field.text })
  if ('each' in field) {
    const one = fc.integer({ min: 0, max: 2 ** field.each - 1 })
    return fc.array(one, { minLength: 1, maxLength: field.count })
  }
  const one = fc.record(
    Object.fromEntries(Object.entries(field.of.fields).map(([k, f]) => [k, fitting(f)])),
  )
  return fc.array(one, { minLength: 1, maxLength: Math.min(field.count, 3) })
}

/** Values that do not fit. */
function unfitting(field: Field): readonly unknown[] {
  if ('bits' in field) return [-1, 2 ** field.bits, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1n]
  if ('big' in field) return [-1n, 1n << BigInt(field.big), 1]
  if ('bytes' in field) {
    return [new Uint8Array(field.bytes + 1), new Uint8Array(field.bytes - 1), 'x']
  }
  if ('ascii' in field) return ['x'.repeat(field.ascii + 1), 'é', 'x\n', 'x ', 1]
  if ('text' in field) return ['x'.repeat(field.text + 1), 'é'.repeat(field.text), 'x\0', 1]
  if ('each' in field) {
    return [Array.from({ length: field.count + 1 }, () => 0), [0, 2 ** field.each], [-1], 1]
  }
  return [Array.from({ length: field.count + 1 }, () => ({})), [{ noSuchField: 1 }], [1], 1]
}

/** writeField, as a caller in JavaScript would use it. */
const write: (...parameters: readonly unknown[]) => unknown = (...parameters) =>
  Reflect.apply(writeField, undefined, parameters)

function refusal(attempt: () => unknown): KernelError {
  try {
    attempt()
  } catch (error) {
    if (error instanceof KernelError) return error
    throw error
  }
  throw new Error('was not refused')
}

/** Whether `actual` has everything that `expected` has; a list of structures may go on after it. */
function holds(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return actual === expected
  return Object.entries(expected).every(
    ([key, value]: [string, unknown]) =>
      Object.hasOwn(Object(actual), key) && holds(Reflect.get(Object(actual), key), value),
  )
}

function bit(bytes: Uint8Array, index: number): number {
  return (bytes[index >>> 3]! >>> (index & 7)) & 1
}

/** No bit outside the field differs. */
function expectNeighboursKept(before: Uint8Array, after: Uint8Array, field: Field): void {
  const [start, length] = extent(field)
  for (let byte = 0; byte < before.byteLength; byte++) {
    if (before[byte] === after[byte]) continue
    for (let i = byte * 8; i < byte * 8 + 8; i++) {
      if (i >= start && i < start + length) continue
      expect(bit(after, i), `bit ${i}`).toBe(bit(before, i))
    }
  }
}

const noise = fc.integer({ min: 0, max: 0x7fff_ffff })

/** `size` bytes that look random. */
function noisy(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  let state = seed | 1
  for (let i = 0; i < size; i++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223
    bytes[i] = state >>> 24
  }
  return bytes
}

describe.each(layouts)('R-NVME: %s', (_, layout) => {
  const fields = Object.entries(layout.fields)

  it('has fields that neither overlap nor lie outside', () => {
    const extents = fields.map(([, field]) => extent(field)).sort((a, b) => a[0] - b[0])
    let end = 0
    for (const [start, length] of extents) {
      expect(start).toBeGreaterThanOrEqual(end)
      end = start + length
    }
    expect(end).toBeLessThanOrEqual(layout.size * 8)
  })

  it('each field round trips and its neighbours are unchanged', () => {
    for (const [name, field] of fields) {
      const runs = layout.size > 256 ? 4 : 12
      fc.assert(
        fc.property(noise, fitting(field), (seed, value) => {
          const bytes = noisy(layout.size + 16, seed)
          const before = bytes.slice()
          const view = new DataView(bytes.buffer, 8, layout.size)
          write(view, field, value, name)
          const read: unknown = readField(view, field)
          expect(holds(read, value)).toBe(true)
          expectNeighboursKept(before.subarray(8), bytes.subarray(8), field)
          expect(bytes.subarray(0, 8)).toEqual(before.subarray(0, 8))
        }),
        { numRuns: runs },
      )
    }
  })

  it('each field refuses what does not fit, and nothing is written', () => {
    for (const [name, field] of fields) {
      for (const value of unfitting(field)) {
        const bytes = noisy(layout.size, 7)
        const before = bytes.slice()
        const error = refusal(() => write(new DataView(bytes.buffer), field, value, name))
        expect([error.code, error.message.includes(name)]).toEqual(['EINVAL', true])
        expect(bytes.every((byte, i) => byte === before[i])).toBe(true)
      }
    }
  })

  it('decodes what it encoded', () => {
    const values = fc.record(Object.fromEntries(fields.map(([k, f]) => [k, fitting(f)])))
    fc.assert(
      fc.property(values, (value) => {
        expect(holds(decode(layout, encode(layout, Object(value))), value)).toBe(true)
      }),
      { numRuns: 3 },
    )
  })
})
