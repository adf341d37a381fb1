// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How a structure of the specification lies in memory, as data: literals that tools, tests and the
// control plane read and write fields with. Hot paths use the plain offsets (SqeOffset, CqeOffset).
// Reserved areas are not described. Everything is little-endian.

import { KernelError } from '@iolayers/kernel'

import { readBig, readUint, writeBig, writeUint } from './layout-bits.ts'
import {
  checkedAscii,
  checkedBig,
  checkedBytes,
  checkedList,
  checkedNumber,
  checkedRecord,
  checkedText,
  readAscii,
  readText,
} from './layout-values.ts'

/** A number of 1 to 53 bits: `shift` bits above the lowest bit of the byte at `at`. */
export interface UintField {
  readonly at: number
  readonly shift?: number
  readonly bits: number
}

/** A bigint of a whole number of bytes, `big` in bits: 64 or 128. */
export interface BigField {
  readonly at: number
  readonly big: number
}

/**
 * So many bytes as they are: identifiers whose first byte is the most significant, reserved for
 * others.
 */
export interface BytesField {
  readonly at: number
  readonly bytes: number
}

/**
 * ASCII in so many bytes, padded with spaces.
 * @see NVMe Base 2.1, 1.4.2 (conventions for strings)
 */
export interface AsciiField {
  readonly at: number
  readonly ascii: number
}

/** UTF-8 in so many bytes, ended and padded with zeros. */
export interface TextField {
  readonly at: number
  readonly text: number
}

/** `count` numbers of 8, 16 or 32 bits, one after the other. */
export interface NumbersField {
  readonly at: number
  readonly count: number
  readonly each: 8 | 16 | 32
}

/** `count` structures, one after the other. */
export interface StructsField {
  readonly at: number
  readonly count: number
  readonly of: Layout
}

export type Field =
  | UintField
  | BigField
  | BytesField
  | AsciiField
  | TextField
  | NumbersField
  | StructsField

/**
 * A structure: its name in the specification, its size in bytes, its fields by their short names.
 */
export interface Layout {
  readonly name: string
  readonly size: number
  readonly fields: { readonly [name: string]: Field }
}

/** What a field holds. */
export type FieldValue<F extends Field> = F extends { readonly bits: number }
  ? number
  : F extends { readonly big: number }
    ? bigint
    : F extends { readonly bytes: number }
      ? Uint8Array
      : F extends { readonly ascii: number } | { readonly text: number }
        ? string
        : F extends { readonly each: number }
          ? readonly number[]
          : F extends { readonly of: infer L extends Layout }
            ? readonly Decoded<L>[]
            : never

/** All fields of a structure. */
export type Decoded<L extends Layout> = {
  readonly [K in keyof L['fields']]: FieldValue<L['fields'][K]>
}

/**
 * The value of a field of the structure that starts at `base` bytes in `view`.
 * Bytes are copied; text is without its padding.
 */
export function readField<F extends Field>(view: DataView, field: F, base?: number): FieldValue<F>
export function readField(view: DataView, field: Field, base = 0): unknown {
  const at = base + field.at
  if ('bits' in field) return readUint(view, at, field.shift ?? 0, field.bits)
  if ('big' in field) return readBig(view, at, field.big)
  if ('bytes' in field) return bytesAt(view, at, field.bytes).slice()
  if ('ascii' in field) return readAscii(bytesAt(view, at, field.ascii))
  if ('text' in field) return readText(bytesAt(view, at, field.text))
  if ('each' in field) {
    const step = field.each / 8
    return Array.from({ length: field.count }, (_, i) =>
      readUint(view, at + i * step, 0, field.each),
    )
  }
  const { of, count } = field
  return Array.from({ length: count }, (_, i) => decodeAt(of, view, at + i * of.size))
}

/**
 * Writes one field and no bit of another. A list that is shorter than the field leaves the rest as
 * it is; text is padded.
 * @param name what the error calls the field
 * @throws KernelError EINVAL with the field's name, the value and the bound. Nothing is changed
 * then, except that the structures of a list before the one that does not fit are written.
 */
export function writeField<F extends Field>(
  view: DataView,
  field: F,
  value: FieldValue<F>,
  name = 'field',
  base = 0,
): void {
  writeUnknown(view, field, value, name, base)
}

/**
 * All fields of the structure in the first bytes of `bytes`.
 * @throws KernelError EINVAL when there are fewer bytes than the structure has
 */
export function decode<L extends Layout>(layout: L, bytes: Uint8Array): Decoded<L>
export function decode(layout: Layout, bytes: Uint8Array): object {
  if (bytes.byteLength < layout.size) {
    throw new KernelError('EINVAL', `${layout.name}: bytes`, {
      value: bytes.byteLength,
      accepted: `at least ${layout.size}`,
    })
  }
  return decodeAt(layout, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0)
}

/**
 * A new structure with these fields; what is not named is zero, text fields too.
 * @throws KernelError EINVAL when a value is out of range or a name is not one of the structure's
 */
export function encode<L extends Layout>(
  layout: L,
  values: Partial<Decoded<L>>,
): Uint8Array<ArrayBuffer>
export function encode(
  layout: Layout,
  values: { readonly [name: string]: unknown },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(layout.size)
  encodeAt(layout, values, new DataView(bytes.buffer), 0, layout.name)
  return bytes
}

/** The field of a word that is held as a number (a dword of a command, a 32-bit register). */
export function bitsOf(word: number, field: UintField): number {
  return Math.floor(word / 2 ** (field.at * 8 + (field.shift ?? 0))) % 2 ** field.bits
}

/**
 * `word` with the field set, as a number without sign; the word stays below 2^53.
 * @throws KernelError EINVAL when the value does not fit the field
 */
export function withBits(word: number, field: UintField, value: number, name = 'field'): number {
  checkedNumber(name, value, 2 ** field.bits - 1)
  return word + (value - bitsOf(word, field)) * 2 ** (field.at * 8 + (field.shift ?? 0))
}

function decodeAt(layout: Layout, view: DataView, base: number): object {
  return Object.fromEntries(
    Object.entries(layout.fields).map(([name, field]) => [name, readField(view, field, base)]),
  )
}

function encodeAt(
  layout: Layout,
  values: { readonly [name: string]: unknown },
  view: DataView,
  base: number,
  path: string,
): void {
  for (const [name, value] of Object.entries(values)) {
    const field = Object.hasOwn(layout.fields, name) ? layout.fields[name] : undefined
    if (field === undefined) {
      throw new KernelError('EINVAL', `${path} has no such field`, { value: name })
    }
    if (value !== undefined) writeUnknown(view, field, value, `${path} ${name}`, base)
  }
}

function writeUnknown(
  view: DataView,
  field: Field,
  value: unknown,
  name: string,
  base: number,
): void {
  const at = base + field.at
  if ('bits' in field) {
    const number = checkedNumber(name, value, 2 ** field.bits - 1)
    writeUint(view, at, field.shift ?? 0, field.bits, number)
  } else if ('big' in field) {
    writeBig(view, at, field.big, checkedBig(name, value, field.big))
  } else if ('bytes' in field) {
    bytesAt(view, at, field.bytes).set(checkedBytes(name, value, field.bytes))
  } else if ('ascii' in field) {
    const text = checkedAscii(name, value, field.ascii)
    bytesAt(view, at, field.ascii).set(new TextEncoder().encode(text.padEnd(field.ascii)))
  } else if ('text' in field) {
    const encoded = checkedText(name, value, field.text)
    bytesAt(view, at, field.text).fill(0).set(encoded)
  } else if ('each' in field) writeNumbers(view, field, value, name, at)
  else writeStructs(view, field, value, name, at)
}

function writeNumbers(
  view: DataView,
  field: NumbersField,
  value: unknown,
  name: string,
  at: number,
): void {
  const bound = 2 ** field.each - 1
  const list = checkedList(name, value, field.count)
  const numbers = list.map((one, i) => checkedNumber(`${name}[${i}]`, one, bound))
  numbers.forEach((one, i) => {
    writeUint(view, at + (i * field.each) / 8, 0, field.each, one)
  })
}

function writeStructs(
  view: DataView,
  field: StructsField,
  value: unknown,
  name: string,
  at: number,
): void {
  checkedList(name, value, field.count).forEach((one, i) => {
    const path = `${name}[${i}]`
    encodeAt(field.of, checkedRecord(path, one), view, at + i * field.of.size, path)
  })
}

function bytesAt(view: DataView, at: number, count: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, count)
}
