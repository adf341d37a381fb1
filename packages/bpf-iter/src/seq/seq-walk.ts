// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, errnoName, KernelError } from '@iolayers/kernel'
import type { SeqFile } from './seq-file.ts'
import type { SeqOperations } from './seq-operations.ts'

/**
 * The steps of one walk, with what every reader has to do around them: every `start` gets one `stop`, errors of `start` and `next` are
 * kept, a `next` that forgets to move the position is helped, and what `next` or `stop` write beyond the buffer is dropped, so that no
 * byte is ever handed out that was not written.
 */
export class SeqWalk<T, P> {
  readonly #ops: SeqOperations<T, P>
  readonly #seq: SeqFile
  readonly #priv: P
  #walking = false
  /** The object that was not consumed yet; null at the end, after a failure, and between walks. */
  current: T | null = null
  /** Why `start` or `next` gave no object, where that was not the end. */
  failure: KernelError | null = null

  constructor(ops: SeqOperations<T, P>, seq: SeqFile, priv: P) {
    this.#ops = ops
    this.#seq = seq
    this.#priv = priv
  }

  start(): void {
    assert(!this.#walking, 'a walk of a seq_file starts twice')
    this.failure = null
    this.#walking = true
    try {
      this.current = this.#ops.start(this.#seq, this.#priv)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** @see fs/seq_file.c seq_read_iter: a position that did not move is moved */
  next(): void {
    const seq = this.#seq
    const { index, countBytes } = seq
    const { current } = this
    assert(current !== null, 'next of a seq_file without a current object')
    // If it breaks, the object may be gone: it must not be stopped at again.
    this.current = null
    try {
      this.current = this.#ops.next(seq, current, this.#priv)
    } catch (error) {
      this.#fail(error)
    } finally {
      if (seq.index === index) seq.index += 1
      if (seq.overflowed) seq.rewind(countBytes)
    }
  }

  /** Ends the walk, if there is one. */
  stop(): void {
    if (!this.#walking) return
    const seq = this.#seq
    const { countBytes } = seq
    const { current } = this
    this.#walking = false
    this.current = null
    try {
      this.#ops.stop(seq, current, this.#priv)
    } finally {
      if (seq.overflowed) seq.rewind(countBytes)
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof KernelError)) throw error
    this.failure = error
  }
}

/** What a negative result of `show` stands for. */
export function showError(result: number, what: string): KernelError {
  const code = errnoName(result)
  assert(code !== undefined, 'show gave a number that is no errno')
  return new KernelError(code, what)
}
