// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Unsigned numbers at any bit of little-endian memory, up to 53 bits, across byte boundaries.

/** `bits` bits from bit `shift` of the byte at `at` on; `shift` may be past the first byte. */
export function readUint(view: DataView, at: number, shift: number, bits: number): number {
  if (shift === 0) {
    if (bits === 8) return view.getUint8(at)
    if (bits === 16) return view.getUint16(at, true)
    if (bits === 32) return view.getUint32(at, true)
  }
  let byte = at + (shift >>> 3)
  let skip = shift & 7
  let value = 0
  let done = 0
  while (done < bits) {
    const take = Math.min(8 - skip, bits - done)
    value += ((view.getUint8(byte) >>> skip) & ((1 << take) - 1)) * 2 ** done
    done += take
    skip = 0
    byte += 1
  }
  return value
}

/** Writes the lowest `bits` bits of `value` there and leaves the bits around them as they are. */
export function writeUint(
  view: DataView,
  at: number,
  shift: number,
  bits: number,
  value: number,
): void {
  if (shift === 0) {
    if (bits === 8) view.setUint8(at, value)
    else if (bits === 16) view.setUint16(at, value, true)
    else if (bits === 32) view.setUint32(at, value, true)
    else writeParts(view, at, 0, bits, value)
  } else writeParts(view, at + (shift >>> 3), shift & 7, bits, value)
}

function writeParts(view: DataView, at: number, shift: number, bits: number, value: number): void {
  let byte = at
  let skip = shift
  let done = 0
  while (done < bits) {
    const take = Math.min(8 - skip, bits - done)
    const mask = (1 << take) - 1
    const part = Math.floor(value / 2 ** done) % 2 ** take
    view.setUint8(byte, (view.getUint8(byte) & ~(mask << skip)) | (part << skip))
    done += take
    skip = 0
    byte += 1
  }
}

/** A number of `bits` bits, a multiple of 64, as a bigint. */
export function readBig(view: DataView, at: number, bits: number): bigint {
  let value = 0n
  for (let word = bits / 64 - 1; word >= 0; word--) {
    value = (value << 64n) | view.getBigUint64(at + word * 8, true)
  }
  return value
}

export function writeBig(view: DataView, at: number, bits: number, value: bigint): void {
  for (let word = 0; word < bits / 64; word++) {
    view.setBigUint64(at + word * 8, BigInt.asUintN(64, value >> BigInt(word * 64)), true)
  }
}
