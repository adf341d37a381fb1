// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The specification's figures in its own notation, to be read next to it: no layout can be changed
// without its figure. Figure numbers are those of NVMe Base 2.1; revision 2.2 has one more before
// figure 114.

export interface Figure {
  readonly source: string
  /** Bytes. */
  readonly size: number
  /**
   * Fields after each other, each a name and where it lies: `3:2` bytes, `[7:4]` bits of the whole,
   * `13:12[15:1]` bits of these bytes, `CDW10[15:0]` bits of a dword of a command.
   */
  readonly fields: string
}

export interface Place {
  readonly name: string
  /** First bit, and how many. */
  readonly start: number
  readonly length: number
}

const FIELD = /^(\w+) (?:CDW(\d+)|(\d+)(?::(\d+))?)?(?:\[(\d+)(?::(\d+))?\])?$/

export function placesOf(figure: Figure): Place[] {
  return figure.fields
    .trim()
    .split(/,\s*/)
    .map((text) => placeOf(text))
}

function placeOf(text: string): Place {
  const match = FIELD.exec(text)
  if (match === null) throw new Error(`not the notation of a field: ${text}`)
  const [, name = '', dword, lastByte, firstByte = lastByte, lastBit, firstBit = lastBit] = match
  const bytes = dword === undefined ? Number(firstByte ?? 0) : Number(dword) * 4
  const last = dword === undefined ? Number(lastByte ?? 0) : bytes + 3
  if (lastBit === undefined) return { name, start: bytes * 8, length: (last - bytes + 1) * 8 }
  return {
    name,
    start: bytes * 8 + Number(firstBit),
    length: Number(lastBit) - Number(firstBit) + 1,
  }
}
