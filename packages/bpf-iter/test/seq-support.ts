// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import {
  createKernel,
  createVirtualScheduler,
  type Kernel,
  KernelError,
  type Op,
  type VirtualScheduler,
  yieldNow,
} from '@iolayers/kernel'
import { createSeqReader, SEQ_SKIP, type SeqFileOperations, type SeqReader } from '../src/index.ts'

/** A record of a test sequence: text (which may be empty), one that is skipped, or one that cannot be shown. */
export type TestRecord = string | 'skip!' | 'fail!'

/** A sequence of records that counts its walks, and whose calls have to come in the right order. */
export class TestSequence {
  records: readonly TestRecord[]
  starts = 0
  stops = 0
  shows = 0
  /** Where `start` or `next` throw EIO; -1 for nowhere. */
  brokenAt = -1
  sleeps = false
  released = 0
  #current = -1

  constructor(records: readonly TestRecord[]) {
    this.records = records
  }

  ops(scheduler: VirtualScheduler): SeqFileOperations<number, TestSequence> {
    const at = (index: number): number | null => {
      this.#current = -1
      if (index === this.brokenAt) throw new KernelError('EIO', `record ${index} cannot be read`)
      if (index >= this.records.length) return null
      this.#current = index
      return index
    }
    return {
      start: (seq) => {
        if (this.starts !== this.stops) throw new Error('start before stop')
        this.starts += 1
        return at(seq.index)
      },
      next: (seq, current) => {
        if (current !== this.#current) throw new Error('next of an object that is not current')
        seq.index += 1
        return at(current + 1)
      },
      stop: (_seq, current) => {
        if ((current ?? -1) !== this.#current) throw new Error('stop at another object')
        this.#current = -1
        this.stops += 1
      },
      show: (seq, current) => {
        this.shows += 1
        const record = this.records[current]
        if (record === 'fail!') {
          seq.puts('half')
          return -5
        }
        seq.puts(record === 'skip!' ? 'skipped' : (record ?? ''))
        const result = record === 'skip!' ? SEQ_SKIP : 0
        return this.sleeps ? slept(scheduler, result) : result
      },
    }
  }

  /** What is read of it, up to the first record that cannot be shown. */
  text(): string {
    let text = ''
    for (const record of this.records) {
      if (record === 'fail!') break
      if (record !== 'skip!') text += record
    }
    return text
  }
}

function* slept(scheduler: VirtualScheduler, result: number): Op<number> {
  yield* yieldNow(scheduler)
  return result
}

export class SeqBench {
  readonly scheduler: VirtualScheduler = createVirtualScheduler({ seed: 1 })
  readonly kernel: Kernel = createKernel({ scheduler: this.scheduler })

  run<T>(op: Op<T>): T {
    return this.scheduler.runSync('reader', op)
  }

  /** A read's text, or its negative errno. */
  read(reader: SeqReader, size: number, posBytes?: number): string | number {
    const target = new Uint8Array(size + 2).fill(0xee)
    const { file } = reader
    const read =
      posBytes === undefined
        ? file.ops.read?.(file, target, 1, size)
        : reader.pread(target, 1, size, posBytes)
    if (read === undefined) throw new Error('cannot be read')
    const count = errnoOf(() => this.run(read))
    if (target[0] !== 0xee || target[size + 1] !== 0xee) throw new Error('wrote beside the target')
    return count < 0 ? count : new TextDecoder('latin1').decode(target.subarray(1, 1 + count))
  }

  lseek(reader: SeqReader, offsetBytes: number, whence: number): number {
    return errnoOf(() => this.run(reader.lseek(offsetBytes, whence)))
  }

  readToEnd(reader: SeqReader, size: number): string {
    let text = ''
    for (;;) {
      const got = this.read(reader, size)
      if (typeof got === 'number') throw new Error(`read failed with ${got}`)
      if (got === '') return text
      text += got
    }
  }
}

export function errnoOf(act: () => number): number {
  try {
    return act()
  } catch (error) {
    if (error instanceof KernelError) return error.errno
    throw error
  }
}

/** A sequence of records, opened. */
export function openSequence(
  records: readonly TestRecord[],
  bufferBytesMax?: number,
): { bench: SeqBench; sequence: TestSequence; reader: SeqReader } {
  const bench = new SeqBench()
  const sequence = new TestSequence(records)
  const reader = createSeqReader(bench, {
    name: 'test',
    seqOps: sequence.ops(bench.scheduler),
    priv: sequence,
    release: (priv) => {
      priv.released += 1
    },
    ...(bufferBytesMax === undefined ? {} : { bufferBytesMax }),
  })
  return { bench, sequence, reader }
}

/** The last reference goes; nothing of it is left. */
export function closeSequence(sequence: TestSequence, reader: SeqReader): void {
  reader.file.put()
  if (sequence.released !== 1) throw new Error(`released ${sequence.released} times`)
  if (sequence.stops !== sequence.starts) throw new Error('a walk was not stopped')
}
