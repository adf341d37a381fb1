// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What may be written into a field, and text in fields.

import { KernelError } from '@iolayers/kernel'

export function checkedNumber(name: string, value: unknown, bound: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= bound) {
    return value
  }
  throw refused(name, value, `0 to ${bound}`)
}

export function checkedBig(name: string, value: unknown, bits: number): bigint {
  if (typeof value === 'bigint' && value >= 0n && value === BigInt.asUintN(bits, value)) {
    return value
  }
  throw refused(name, value, `0 to 2^${bits} - 1, a bigint`)
}

export function checkedBytes(name: string, value: unknown, bytes: number): Uint8Array {
  if (value instanceof Uint8Array && value.byteLength === bytes) return value
  const got = value instanceof Uint8Array ? `${value.byteLength} bytes` : value
  throw refused(name, got, `${bytes} bytes`)
}

/** Space to tilde; no space at the end, which would be lost in the padding. */
export function checkedAscii(name: string, value: unknown, bytes: number): string {
  const fits = typeof value === 'string' && value.length <= bytes
  if (fits && /^([ -~]*[!-~])?$/.test(value)) return value
  throw refused(name, value, `at most ${bytes} printable ASCII characters, no space at the end`)
}

/** No zero character, which would end the text. */
export function checkedText(name: string, value: unknown, bytes: number): Uint8Array {
  if (typeof value === 'string' && !value.includes('\0')) {
    const encoded = new TextEncoder().encode(value)
    if (encoded.byteLength <= bytes) return encoded
  }
  throw refused(name, value, `at most ${bytes} bytes of UTF-8 without zeros`)
}

export function checkedList(name: string, value: unknown, count: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= count) return value
  const got = Array.isArray(value) ? `${value.length} elements` : value
  throw refused(name, got, `at most ${count} elements`)
}

export function checkedRecord(name: string, value: unknown): { readonly [key: string]: unknown } {
  if (isRecord(value)) return value
  throw refused(name, value, 'a structure')
}

export function readAscii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes).trimEnd()
}

export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null
}

function refused(name: string, value: unknown, accepted: string): KernelError {
  return new KernelError('EINVAL', `${name} does not fit`, { value, accepted })
}
