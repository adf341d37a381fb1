// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assert,
  File,
  type FileOperations,
  type Kernel,
  KernelError,
  Mutex,
  type Op,
  OpenFlags,
} from '@iolayers/kernel'
import { SeqFile } from './seq-file.ts'
import { PAGE_BYTES, SEQ_START_TOKEN, type SeqFileOperations } from './seq-operations.ts'
import { SeqWalk, showError } from './seq-walk.ts'

/** @see include/uapi/linux/fs.h */
export const SeekWhence = { SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2 } as const

/** The largest buffer. @see include/linux/fs.h MAX_RW_COUNT, fs/seq_file.c seq_buf_alloc */
export const SEQ_BUFFER_BYTES_MAX = 0x7fff_f000

/** A sequential file. @see fs/seq_file.c seq_open_private */
export interface SeqReaderInit<T, P> {
  readonly name: string
  readonly seqOps: SeqFileOperations<T, P>
  /** The private state, which the operations are given. */
  readonly priv: P
  /** Called once, when the file's last reference goes. */
  release?(priv: P): void
  /** The first size of the buffer, a page unless said: of use where one large record is known to come. */
  readonly bufferBytes?: number
  /** A record that needs a larger buffer is refused with ENOMEM. Default SEQ_BUFFER_BYTES_MAX. */
  readonly bufferBytesMax?: number
}

/** A file of one record. @see fs/seq_file.c single_open_size */
export interface SingleReaderInit<P> {
  readonly name: string
  readonly priv: P
  /** As `show` of SeqFileOperations. */
  show(seq: SeqFile, priv: P): number | Op<number>
  release?(priv: P): void
  readonly bufferBytes?: number
  readonly bufferBytesMax?: number
}

/**
 * An open sequential file, and what can be done with it beyond the operations of a file.
 * @see fs/seq_file.c seq_read_iter, seq_lseek
 */
export interface SeqReader {
  /**
   * Read-only, with one reference, the maker's. Its `read` goes on at `posBytes` and moves it; its `llseek` only moves `posBytes`, and
   * leaves the walk, and what may fail in it, to the next read.
   */
  readonly file: File
  /**
   * Reads at a position of its own, and does not move the file's. Bytes, 0 at the end. Throws KernelError: what `show`, `start` or `next`
   * failed with, where there is nothing else to give; ENOMEM for a record that is too large for any buffer.
   */
  pread(target: Uint8Array, offset: number, length: number, posBytes: number): Op<number>
  /**
   * Moves the file's position and walks there: the new position. Throws KernelError EINVAL for a position before the beginning and for any
   * other `whence` than SEEK_SET and SEEK_CUR, and what the walk failed with; then the file is at its beginning.
   */
  lseek(offsetBytes: number, whence: number): Op<number>
  /** The size that the buffer has grown to. */
  readonly bufferBytes: number
}

/**
 * Opens a sequence of records as a file. Records may have any size: the buffer begins with a page and doubles until one record fits.
 * A read gives what the last one left over, then whole records while they fit the buffer and are asked for. It may be positioned
 * anywhere: the sequence is then walked from its beginning.
 * @see fs/seq_file.c seq_open, seq_read_iter
 */
export function createSeqReader<T, P>(
  components: { readonly kernel: Kernel },
  init: SeqReaderInit<T, P>,
): SeqReader {
  return new Reader(components.kernel, init)
}

/** Opens one record as a file. @see fs/seq_file.c single_open */
export function createSingleReader<P>(
  components: { readonly kernel: Kernel },
  init: SingleReaderInit<P>,
): SeqReader {
  const { show, ...rest } = init
  const seqOps: SeqFileOperations<typeof SEQ_START_TOKEN, P> = {
    start: (seq) => (seq.index === 0 ? SEQ_START_TOKEN : null),
    next: (seq) => {
      seq.index += 1
      return null
    },
    stop: () => {},
    show: (seq, _token, priv) => show(seq, priv),
  }
  return new Reader(components.kernel, { ...rest, seqOps })
}

class Reader<T, P> implements SeqReader {
  readonly file: File
  readonly #init: SeqReaderInit<T, P>
  readonly #lock: Mutex
  readonly #seq: SeqFile
  readonly #walk: SeqWalk<T, P>
  /** Where in the file the held bytes are. It differs from where a read wants to be after a seek, or a pread. */
  #readPosBytes = 0

  constructor(kernel: Kernel, init: SeqReaderInit<T, P>) {
    this.#init = init
    this.#lock = new Mutex(kernel.scheduler, `seq_file ${init.name}`)
    this.#seq = new SeqFile(init.bufferBytes ?? PAGE_BYTES)
    this.#walk = new SeqWalk(init.seqOps, this.#seq, init.priv)
    const ops: FileOperations = {
      release: () => init.release?.(init.priv),
      read: (_file, target, offset, length) => this.#readFile(target, offset, length),
      llseek: (file, offsetBytes, whence) => {
        file.posBytes = this.#sought(offsetBytes, whence)
        return file.posBytes
      },
    }
    this.file = new File(kernel, ops, { name: init.name, flags: OpenFlags.O_RDONLY })
  }

  get bufferBytes(): number {
    return this.#seq.sizeBytes
  }

  *pread(target: Uint8Array, offset: number, length: number, posBytes: number): Op<number> {
    yield* this.#lock.lock()
    try {
      return yield* this.#read(target, offset, length, posBytes)
    } finally {
      this.#lock.unlock()
    }
  }

  *lseek(offsetBytes: number, whence: number): Op<number> {
    yield* this.#lock.lock()
    try {
      const posBytes = this.#sought(offsetBytes, whence)
      if (posBytes !== this.#readPosBytes) {
        this.file.posBytes = 0
        yield* this.#traverse(posBytes)
      }
      this.file.posBytes = posBytes
      return posBytes
    } finally {
      this.#lock.unlock()
    }
  }

  *#readFile(target: Uint8Array, offset: number, length: number): Op<number> {
    yield* this.#lock.lock()
    try {
      const bytes = yield* this.#read(target, offset, length, this.file.posBytes)
      this.file.posBytes += bytes
      return bytes
    } finally {
      this.#lock.unlock()
    }
  }

  /** @see fs/seq_file.c seq_lseek */
  #sought(offsetBytes: number, whence: number): number {
    const known = whence === SeekWhence.SEEK_SET || whence === SeekWhence.SEEK_CUR
    if (!known) {
      throw new KernelError('EINVAL', 'seek of a sequential file', {
        value: whence,
        accepted: 'SEEK_SET, SEEK_CUR',
      })
    }
    const posBytes = offsetBytes + (whence === SeekWhence.SEEK_CUR ? this.file.posBytes : 0)
    if (!Number.isSafeInteger(posBytes) || posBytes < 0) {
      throw new KernelError('EINVAL', 'seek of a sequential file', {
        value: posBytes,
        accepted: 'a position from 0 on',
      })
    }
    return posBytes
  }

  *#read(target: Uint8Array, offset: number, length: number, posBytes: number): Op<number> {
    assert(offset + length <= target.length, 'a read beyond its target')
    if (length === 0) return 0
    const seq = this.#seq
    // A read of the beginning sees the sequence afresh.
    if (posBytes === 0) this.#rewound()
    if (posBytes !== this.#readPosBytes) yield* this.#traverse(posBytes)
    let copied = seq.drain(target, offset, length)
    if (copied < length) {
      const failure = yield* this.#fill(length - copied)
      copied += seq.drain(target, offset + copied, length - copied)
      if (copied === 0 && failure !== null) throw failure
    }
    this.#readPosBytes += copied
    return copied
  }

  /** Adds records until they are as many bytes as wanted, at least one; null, or why there is none. */
  *#fill(wanted: number): Op<KernelError | null> {
    this.#seq.empty()
    try {
      const failure = yield* this.#firstRecord()
      if (failure === null) yield* this.#moreRecords(wanted)
      return failure
    } finally {
      this.#walk.stop()
    }
  }

  /** Shows records until one is not empty, in a buffer that it fits. */
  *#firstRecord(): Op<KernelError | null> {
    const seq = this.#seq
    const walk = this.#walk
    walk.start()
    while (walk.current !== null) {
      const failure = yield* this.#show(walk.current)
      if (failure !== null) return failure
      if (seq.overflowed) {
        walk.stop()
        this.#grow()
        walk.start()
      } else if (seq.countBytes > 0) return null
      else walk.next()
    }
    seq.empty()
    return walk.failure
  }

  /** Whatever ends it, a failure included, the next read comes back to. */
  *#moreRecords(wanted: number): Op<void> {
    const seq = this.#seq
    const walk = this.#walk
    while (walk.current !== null) {
      const mark = seq.countBytes
      walk.next()
      if (walk.current === null || mark >= wanted) return
      const failure = yield* this.#show(walk.current)
      if (failure !== null) return
      if (!seq.overflowed) continue
      seq.rewind(mark)
      return
    }
  }

  /**
   * Walks from the beginning to a position; past the end it stays at the end. Throws KernelError, and then the next read begins at the
   * beginning.
   * @see fs/seq_file.c traverse
   */
  *#traverse(posBytes: number): Op<void> {
    this.#readPosBytes = 0
    for (;;) {
      this.#rewound()
      if (posBytes === 0) return
      const failure = yield* this.#walkTo(posBytes)
      if (failure !== null) throw failure
      if (!this.#seq.overflowed) break
      this.#grow()
    }
    this.#readPosBytes = posBytes
  }

  /** null with the buffer overflowed when it has to grow. */
  *#walkTo(posBytes: number): Op<KernelError | null> {
    const seq = this.#seq
    const walk = this.#walk
    let passedBytes = 0
    walk.start()
    try {
      while (walk.current !== null) {
        const failure = yield* this.#show(walk.current)
        if (failure !== null || seq.overflowed) return failure
        walk.next()
        const beyond = passedBytes + seq.countBytes - posBytes
        if (beyond >= 0) {
          seq.skip(seq.countBytes - beyond)
          return null
        }
        passedBytes += seq.countBytes
        seq.empty()
      }
      return walk.failure
    } finally {
      walk.stop()
    }
  }

  /** null, or why the record could not be shown; nothing of it is left then, nor of one that was skipped. */
  *#show(current: T): Op<KernelError | null> {
    const mark = this.#seq.countBytes
    let shown = false
    try {
      const { seqOps, priv, name } = this.#init
      const showing = seqOps.show(this.#seq, current, priv)
      const result = typeof showing === 'number' ? showing : yield* showing
      shown = result === 0
      return result < 0 ? showError(result, `showing a record of ${name}`) : null
    } catch (error) {
      if (error instanceof KernelError) return error
      throw error
    } finally {
      if (!shown) this.#seq.rewind(mark)
    }
  }

  #rewound(): void {
    this.#seq.index = 0
    this.#seq.empty()
  }

  #grow(): void {
    const { sizeBytes } = this.#seq
    const max = this.#init.bufferBytesMax ?? SEQ_BUFFER_BYTES_MAX
    if (sizeBytes * 2 > max) {
      this.#seq.resize(PAGE_BYTES)
      throw new KernelError('ENOMEM', `a record of ${this.#init.name} needs more than its buffer`, {
        value: `over ${sizeBytes} bytes`,
        accepted: `up to ${max}`,
      })
    }
    this.#seq.resize(sizeBytes * 2)
  }
}
