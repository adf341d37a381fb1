// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/tcp/index.ts'

/** A bit at a time, from the definition. */
function slowly(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0)
  }
  return ~crc >>> 0
}

describe('CRC32C', () => {
  // RFC 3720, B.4, and the check value of the polynomial.
  it.each([
    ['123456789', new TextEncoder().encode('123456789'), 0xe306_9283],
    ['32 zeros', new Uint8Array(32), 0x8a91_36aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
    ['ascending', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd_794e],
    ['descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113f_db5c],
    ['nothing', new Uint8Array(0), 0],
  ] as const)('of %s', (_name, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected)
  })

  it('of any bytes, from any place, in any pieces', () => {
    const prng = createPrng(3)
    for (let round = 0; round < 500; round++) {
      const all = Uint8Array.from({ length: 64 + prng.below(200) }, () => prng.below(256))
      const bytes = all.subarray(prng.below(17), all.length - prng.below(17))
      const cut = prng.below(bytes.length + 1)
      const expected = slowly(bytes)
      expect(crc32c(bytes)).toBe(expected)
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(expected)
    }
  })
})
