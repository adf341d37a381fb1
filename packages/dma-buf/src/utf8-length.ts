// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** The bytes that `text` takes in UTF-8, as the kernel counts the characters of a name. */
export function utf8Length(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x80) bytes += 1
    else if (code < 0x800) bytes += 2
    else bytes += code < 0x1_0000 ? 3 : 4
  }
  return bytes
}
