// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { FormatArg } from '../format/format-arg.ts'
import { formatKernel } from '../format/format-kernel.ts'

/**
 * The record buffer of one open file, and its place in the sequence. Both readers use it: `seq_file` itself lets it grow, the
 * iterators keep it at the size that it was made with.
 *
 *   bytes   [ ...handed out... | from .. from+count: held ......... | free ]
 *
 * While records are being added, `fromBytes` is 0. A write that does not fit sets the buffer overflowed (`countBytes` equal to the
 * size) and keeps nothing of itself; the reader then goes back to the last whole record. Overflow lasts until then: what is written
 * meanwhile is dropped.
 * @see include/linux/seq_file.h struct seq_file
 */
export class SeqFile {
  #sizeBytes: number
  /** Made at the first write: a file that is never read holds none. */
  #bytes: Uint8Array | null = null
  #padUntilBytes = 0
  readonly #encoder = new TextEncoder()
  fromBytes = 0
  countBytes = 0
  /** The position in the sequence, moved by `next`; in records, not in bytes. */
  index = 0

  constructor(sizeBytes: number) {
    assert(sizeBytes > 0, 'a seq_file buffer without room')
    this.#sizeBytes = sizeBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The buffer, of `sizeBytes`. What is held begins at `fromBytes`, or at 0 while records are being added. */
  get bytes(): Uint8Array {
    this.#bytes ??= new Uint8Array(this.#sizeBytes)
    return this.#bytes
  }

  /** @see include/linux/seq_file.h seq_has_overflowed */
  get overflowed(): boolean {
    return this.countBytes === this.#sizeBytes
  }

  /** 0, or -1 when it does not fit: as in the kernel, a record that would fill the last byte does not. @see fs/seq_file.c seq_write */
  write(data: Uint8Array): number {
    const end = this.countBytes + data.length
    if (end >= this.#sizeBytes) return this.#overflow()
    this.bytes.set(data, this.countBytes)
    this.countBytes = end
    return 0
  }

  /** Writes text as UTF-8; 0 or -1. @see fs/seq_file.c seq_puts */
  puts(text: string): number {
    if (this.overflowed) return -1
    const free = this.bytes.subarray(this.countBytes, this.#sizeBytes - 1)
    const { read, written } = this.#encoder.encodeInto(text, free)
    if (read < text.length) return this.#overflow()
    this.countBytes += written
    return 0
  }

  /** Writes one byte; 0 or -1. The one write that may take the last byte, which counts as overflow. @see fs/seq_file.c seq_putc */
  putc(byte: number): number {
    if (this.overflowed) return -1
    this.bytes[this.countBytes] = byte
    this.countBytes += 1
    return 0
  }

  /** 0 or -1. Throws KernelError EINVAL for a malformed format, as `formatKernel` does. @see fs/seq_file.c seq_printf */
  printf(format: string, ...args: readonly FormatArg[]): number {
    return this.puts(formatKernel(format, args))
  }

  /** Where the column ends that begins here, for `pad`. @see include/linux/seq_file.h seq_setwidth */
  setWidth(widthBytes: number): void {
    this.#padUntilBytes = this.countBytes + widthBytes
  }

  /** Spaces up to the end of the column, then a character; nothing is cut that was longer. @see fs/seq_file.c seq_pad */
  pad(then = ''): number {
    const spaces = this.#padUntilBytes - this.countBytes
    return this.puts(spaces > 0 ? ' '.repeat(spaces) + then : then)
  }

  /**
   * Writes text with each byte of the characters in `escaped` as a backslash and three octal digits; with none named, of all of it.
   * @see fs/seq_file.c seq_escape_mem
   */
  escape(text: string, escaped: string): number {
    let out = ''
    for (const character of text) {
      out += escaped === '' || escaped.includes(character) ? this.#octal(character) : character
    }
    return this.puts(out)
  }

  /** Forgets what was written after a mark, and with it an overflow. */
  rewind(countBytes: number): void {
    assert(countBytes <= this.countBytes, 'seq_file rewind: forward')
    this.countBytes = countBytes
  }

  /** Forgets what is held. */
  empty(): void {
    this.fromBytes = 0
    this.countBytes = 0
  }

  /** Forgets what is held, and takes another size; the buffer is made at the next write. */
  resize(sizeBytes: number): void {
    this.empty()
    this.#bytes = null
    this.#sizeBytes = sizeBytes
  }

  /** Forgets the first bytes of what is held. */
  skip(bytes: number): void {
    assert(bytes <= this.countBytes, 'seq_file skip: more than is held')
    this.fromBytes += bytes
    this.countBytes -= bytes
  }

  /** Hands out up to `length` of the held bytes. */
  drain(target: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(this.countBytes, length)
    if (taken === 0) return 0
    target.set(this.bytes.subarray(this.fromBytes, this.fromBytes + taken), offset)
    this.skip(taken)
    return taken
  }

  #overflow(): number {
    this.countBytes = this.#sizeBytes
    return -1
  }

  #octal(character: string): string {
    let out = ''
    for (const byte of this.#encoder.encode(character)) {
      out += `\\${byte.toString(8).padStart(3, '0')}`
    }
    return out
  }
}
