// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { ByteChange } from './rule-data.ts'

/** A {@link ByteChange}, ready to be made. */
export interface Change {
  readonly at: number
  readonly bytes: Uint8Array
  readonly xor: boolean
}

export function toChanges(data: readonly ByteChange[] | undefined): readonly Change[] {
  return (data ?? []).map(({ at, xor, set }) => ({
    at,
    bytes: fromHex(xor ?? set ?? ''),
    xor: xor !== undefined,
  }))
}

/** The byte at `offset` of the whole, `byte` before. */
export function changed(changes: readonly Change[], offset: number, byte: number): number {
  let now = byte
  for (const { at, bytes, xor } of changes) {
    const other = bytes[offset - at]
    if (other !== undefined) now = xor ? now ^ other : other
  }
  return now
}

export function fromHex(digits: string): Uint8Array {
  const bytes = new Uint8Array(digits.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  }
  return bytes
}
