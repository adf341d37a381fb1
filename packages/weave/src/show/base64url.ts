// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// RFC 4648, section 5, without padding, over the UTF-8 bytes of a text.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Half of a pair of UTF-16 becomes U+FFFD. */
export function toBase64url(text: string): string {
  let out = ''
  let bits = 0
  let held = 0
  for (const byte of new TextEncoder().encode(text)) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 6) {
      bits -= 6
      out += DIGITS[(held >> bits) & 63]
    }
    held &= (1 << bits) - 1
  }
  return bits === 0 ? out : out + DIGITS[(held << (6 - bits)) & 63]
}

/** Null when `encoded` is no base64url of UTF-8, padded or with bits behind the last byte. */
export function fromBase64url(encoded: string): string | null {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const digit of encoded) {
    const value = DIGITS.indexOf(digit)
    if (value < 0) return null
    held = (held << 6) | value
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes.push(held >> bits)
      held &= (1 << bits) - 1
    }
  }
  if (held !== 0 || bits >= 6) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes))
  } catch {
    return null
  }
}
