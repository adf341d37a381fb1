// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, KernelError } from '@iolayers/kernel'
import type { FormatArg } from './format/format-arg.ts'
import { type ArgRoom, cString, formatWithin, utf8Bytes } from './format/format-kernel.ts'
import type { FormatSpec } from './format/format-spec.ts'
import type { SeqFile } from './seq/seq-file.ts'

/** Arguments that one call may have. @see include/linux/bpf.h MAX_BPRINTF_VARARGS */
export const MAX_BPRINTF_VARARGS = 12
/** Bytes that all arguments of one call may take together. @see kernel/bpf/helpers.c MAX_BPRINTF_BIN_ARGS */
export const MAX_BPRINTF_BIN_ARGS = 512

/**
 * Formats into the record, as the helper of BPF programs does: the formats are those of `formatKernel`. 0, or a negative errno, and then
 * nothing was written: EINVAL for a malformed format, an argument that does not fit it, too few or more than 12 arguments; ENOSPC when the
 * arguments take more than 512 bytes; EOVERFLOW when the record is full, which the reader will notice by itself. As in the kernel,
 * text that does not fit the 512 bytes is cut to what does (here at a whole character).
 * @see kernel/trace/bpf_trace.c bpf_seq_printf
 */
export function seqPrintf(seq: SeqFile, format: string, args: readonly FormatArg[] = []): number {
  if (args.length > MAX_BPRINTF_VARARGS) return -Errno.EINVAL
  let text: string
  try {
    text = formatWithin(format, args, new BinArgs())
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    return error.errno
  }
  return seq.puts(text) === 0 ? 0 : -Errno.EOVERFLOW
}

/**
 * Writes bytes into the record, as the helper of BPF programs does: 0, or -EOVERFLOW, and then nothing was written.
 * @see kernel/trace/bpf_trace.c bpf_seq_write
 */
export function seqWrite(seq: SeqFile, data: Uint8Array): number {
  return seq.write(data) === 0 ? 0 : -Errno.EOVERFLOW
}

/** The array in which the kernel collects the arguments before it formats them. */
class BinArgs implements ArgRoom {
  #used = 0

  take(spec: FormatSpec, arg: FormatArg): FormatArg {
    const left = MAX_BPRINTF_BIN_ARGS - this.#used
    switch (spec.kind) {
      case 'number':
        this.#used += -this.#used & 3
        this.#reserve(spec.bits / 8)
        return arg
      case 'char':
        this.#reserve(1)
        return arg
      case 'ip':
        this.#reserve(spec.version === 4 ? 4 : 16)
        return arg
      case 'string': {
        this.#reserve(1)
        if (typeof arg !== 'string') return arg
        const text = cut(cString(arg), left - 1)
        this.#used += utf8Bytes(text)
        return text
      }
    }
  }

  #reserve(bytes: number): void {
    this.#used += bytes
    if (this.#used > MAX_BPRINTF_BIN_ARGS) {
      throw new KernelError('ENOSPC', `arguments take more than ${MAX_BPRINTF_BIN_ARGS} bytes`)
    }
  }
}

/** The whole characters at the beginning of a text that fit so many bytes. */
function cut(text: string, bytesMax: number): string {
  if (utf8Bytes(text) <= bytesMax) return text
  let kept = ''
  let bytes = 0
  for (const character of text) {
    bytes += utf8Bytes(character)
    if (bytes > bytesMax) break
    kept += character
  }
  return kept
}
