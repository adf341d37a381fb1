// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'

/**
 * The record buffer of one open iterator, and its place in the sequence.
 *
 *   bytes   [ ...handed out... | from .. from+count: held ......... | free ]
 *
 * While records are being added, `fromBytes` is 0. A write that does not fit sets the buffer overflowed (`countBytes` equal to the
 * size) and keeps nothing of itself; the reader then goes back to the last whole record.
 * @see include/linux/seq_file.h struct seq_file
 */
export class SeqFile {
  readonly bytes: Uint8Array
  readonly #encoder = new TextEncoder()
  fromBytes = 0
  countBytes = 0
  /** The position in the sequence, moved by the target's `next`. */
  index = 0

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes)
  }

  get overflowed(): boolean {
    return this.countBytes === this.bytes.length
  }

  /** 0, or -1 when it does not fit: as in the kernel, a record that would fill the last byte does not. @see fs/seq_file.c seq_write */
  write(data: Uint8Array): number {
    const end = this.countBytes + data.length
    if (end >= this.bytes.length) {
      this.countBytes = this.bytes.length
      return -1
    }
    this.bytes.set(data, this.countBytes)
    this.countBytes = end
    return 0
  }

  /** Writes text as UTF-8. @see fs/seq_file.c seq_puts */
  puts(text: string): number {
    return this.write(this.#encoder.encode(text))
  }

  /** Forgets what was written after a mark. */
  rewind(countBytes: number): void {
    assert(countBytes <= this.countBytes, 'seq_file rewind: forward')
    this.countBytes = countBytes
  }

  /** Hands out up to `length` of the held bytes. */
  drain(target: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(this.countBytes, length)
    target.set(this.bytes.subarray(this.fromBytes, this.fromBytes + taken), offset)
    this.fromBytes += taken
    this.countBytes -= taken
    return taken
  }
}
