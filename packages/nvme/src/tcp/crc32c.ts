// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// CRC32C (Castagnoli), the digest of NVMe/TCP. Eight bytes a turn, with a table for each of them.
// @see NVMe TCP Transport 1.1, 3.4 (digests); RFC 3720, B.4

const POLYNOMIAL_REFLECTED = 0x82f6_3b78
const SLICES = 8

const TABLES: Uint32Array = makeTables()

function makeTables(): Uint32Array {
  const tables = new Uint32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL_REFLECTED
    }
    tables[byte] = crc
  }
  for (let slice = 1; slice < SLICES; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[(slice - 1) * 256 + byte] ?? 0
      tables[slice * 256 + byte] = (before >>> 8) ^ (tables[before & 0xff] ?? 0)
    }
  }
  return tables
}

/** The digest of `bytes`, or with the digest of what was before them that of both together. Without sign. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tables = TABLES
  let crc = ~before
  let at = 0
  const whole = bytes.length - (bytes.length % SLICES)
  for (; at < whole; at += SLICES) {
    const low = crc ^ view.getInt32(at, true)
    const high = view.getInt32(at + 4, true)
    crc =
      (tables[1792 + (low & 0xff)] ?? 0) ^
      (tables[1536 + ((low >>> 8) & 0xff)] ?? 0) ^
      (tables[1280 + ((low >>> 16) & 0xff)] ?? 0) ^
      (tables[1024 + (low >>> 24)] ?? 0) ^
      (tables[768 + (high & 0xff)] ?? 0) ^
      (tables[512 + ((high >>> 8) & 0xff)] ?? 0) ^
      (tables[256 + ((high >>> 16) & 0xff)] ?? 0) ^
      (tables[high >>> 24] ?? 0)
  }
  for (; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  }
  return ~crc >>> 0
}
