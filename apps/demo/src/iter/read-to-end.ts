// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assert,
  errnoName,
  type File,
  KernelError,
  type Op,
  type Scheduler,
  yieldNow,
} from '@iolayers/kernel'
import { errorText } from '../cli/failure.ts'

/** All that an iterator gave, and in how many reads, the one that gave nothing not counted. */
export interface WholeIter {
  readonly text: string
  readonly reads: number
}

const READS_PER_TURN = 1024

/** Reads an iterator's file to its end. The file stays the caller's. */
export function* readToEnd(scheduler: Scheduler, file: File, readSizeBytes: number): Op<WholeIter> {
  const target = new Uint8Array(readSizeBytes)
  const decoder = new TextDecoder()
  let text = ''
  for (let reads = 0; ; reads++) {
    // A read of one byte is quick, a million of them are not: signals want to be seen.
    if (reads % READS_PER_TURN === READS_PER_TURN - 1) yield* yieldNow(scheduler)
    const bytes = yield* readIter(file, target)
    if (bytes === 0) return { text: text + decoder.decode(), reads }
    text += decoder.decode(target.subarray(0, bytes), { stream: true })
  }
}

/** One read: bytes, 0 at the end. Throws KernelError for what failed. */
export function* readIter(file: File, target: Uint8Array): Op<number> {
  const { read } = file.ops
  assert(read !== undefined, 'an iterator file without a read operation')
  const bytes = yield* read(file, target, 0, target.length)
  if (bytes >= 0) return bytes
  const code = errnoName(bytes) ?? 'EIO'
  throw new KernelError(code, `reading the iterator: ${errorText(code)}`)
}
