// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { utf8Length } from '../utf8-length.ts'

/** The longest name in a sync file, in bytes: 32 with the terminator. @see include/uapi/linux/sync_file.h struct sync_merge_data */
const NAME_MAX = 31

/** `name` up to its first NUL, and as much of it as there is room for, in whole characters. @see strscpy */
export function cutName(name: string): string {
  let [cut, bytes] = ['', 0]
  for (const character of name) {
    bytes += utf8Length(character)
    if (character === '\0' || bytes > NAME_MAX) break
    cut += character
  }
  return cut
}
