// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError, Mutex, type Op, yieldNow } from '@iolayers/kernel'
import type { IterMeta, IterProgram, IterTarget } from './iter-target.ts'
import { SeqFile } from './seq-file.ts'

/** The record buffer: 8 pages. @see kernel/bpf/bpf_iter.c bpf_seq_read */
export const ITER_BUFFER_BYTES: number = 8 * 4096
/** Objects that one read visits before it gives up its turn. @see kernel/bpf/bpf_iter.c MAX_ITER_OBJECTS */
export const MAX_ITER_OBJECTS = 1_000_000
const OBJECTS_BETWEEN_YIELDS = 64

/**
 * One open iterator: the reading loop between a target and a program.
 *
 * A read hands out what an earlier one left over, and nothing else; only when nothing is left over does it walk on. It adds whole
 * records until it holds at least what was asked for, or the next one does not fit. The object at which it stops was not
 * consumed: `stop` is given it, and `start` of the next read has to come back with it.
 * @see kernel/bpf/bpf_iter.c bpf_seq_read
 */
export class IterSession<T, P> {
  readonly #kernel: Kernel
  readonly #target: IterTarget<T, P>
  readonly #program: IterProgram<T>
  readonly #priv: P
  readonly #lock: Mutex
  readonly #seq: SeqFile
  readonly #meta: { seq: SeqFile; sessionId: number; seqNum: number }
  readonly #context: { meta: IterMeta; item: T | null }
  #endCallDone = false
  /** Why `start` or `next` gave no object, where that was not the end. */
  #failure: KernelError | null = null

  constructor(
    kernel: Kernel,
    target: IterTarget<T, P>,
    program: IterProgram<T>,
    sessionId: number,
  ) {
    this.#kernel = kernel
    this.#target = target
    this.#program = program
    this.#lock = new Mutex(kernel.scheduler, `${target.target} iterator`)
    this.#seq = new SeqFile(ITER_BUFFER_BYTES)
    this.#meta = { seq: this.#seq, sessionId, seqNum: 0 }
    this.#context = { meta: this.#meta, item: null }
    this.#priv = target.seqInfo.initSeqPrivate()
  }

  close(): void {
    this.#target.seqInfo.finiSeqPrivate(this.#priv)
  }

  /**
   * Bytes, 0 at the end. Throws KernelError when there is nothing to hand out: EAGAIN where the program asked for a retry, E2BIG for a
   * record larger than the buffer, or what the target's `start` or `next` threw.
   */
  *read(target: Uint8Array, offset: number, length: number): Op<number> {
    yield* this.#lock.lock()
    try {
      const seq = this.#seq
      if (seq.countBytes === 0) {
        seq.fromBytes = 0
        const failure = yield* this.#fill(length)
        if (failure !== null && seq.countBytes === 0) throw failure
      }
      return seq.drain(target, offset, length)
    } finally {
      this.#lock.unlock()
    }
  }

  /** Adds records; null, or why no more could be added. */
  *#fill(wanted: number): Op<KernelError | null> {
    const seq = this.#seq
    this.#failure = null
    let current = this.#start()
    let objects = 0
    while (current !== null) {
      const failure = yield* this.#show(current)
      if (failure !== null) {
        this.#stop(current)
        return failure
      }
      objects += 1
      current = this.#next(current)
      if (current === null) break
      this.#meta.seqNum += 1
      if (seq.countBytes >= wanted || objects >= MAX_ITER_OBJECTS) {
        this.#stop(current)
        return new KernelError('EAGAIN', `${objects} objects in one read wrote nothing`)
      }
      yield* this.#maybeYield(objects)
    }
    this.#stop(null)
    return this.#failure ?? (yield* this.#runEndCall())
  }

  #start(): T | null {
    try {
      return this.#target.seqInfo.seqOps.start(this.#seq, this.#priv)
    } catch (error) {
      return this.#fail(error)
    }
  }

  #next(current: T): T | null {
    const before = this.#seq.index
    try {
      const following = this.#target.seqInfo.seqOps.next(this.#seq, current, this.#priv)
      if (this.#seq.index === before) this.#seq.index += 1
      return following
    } catch (error) {
      return this.#fail(error)
    }
  }

  #stop(current: T | null): void {
    this.#target.seqInfo.seqOps.stop(this.#seq, current, this.#priv)
  }

  /** null, or why the object could not be shown; then nothing of its record is left. */
  *#show(item: T): Op<KernelError | null> {
    const mark = this.#seq.countBytes
    let result: number
    try {
      result = yield* this.#run(item)
    } catch (error) {
      // A program that throws is a bug of its author; the object's reference is still accounted for.
      this.#seq.rewind(mark)
      this.#stop(item)
      throw error
    }
    if (result === 0 && !this.#seq.overflowed) return null
    this.#seq.rewind(mark)
    return result === 0 ? this.#tooBig() : this.#retry(result)
  }

  *#runEndCall(): Op<KernelError | null> {
    if (!this.#target.endCall || this.#endCallDone) return null
    const mark = this.#seq.countBytes
    yield* this.#run(null)
    if (!this.#seq.overflowed) {
      this.#endCallDone = true
      return null
    }
    this.#seq.rewind(mark)
    return this.#tooBig()
  }

  *#run(item: T | null): Op<number> {
    this.#context.item = item
    try {
      const result = this.#program(this.#context)
      return typeof result === 'number' ? result : yield* result
    } finally {
      this.#context.item = null
    }
  }

  *#maybeYield(objects: number): Op<void> {
    const { scheduler } = this.#kernel
    if (scheduler.exploring || objects % OBJECTS_BETWEEN_YIELDS === 0) yield* yieldNow(scheduler)
  }

  #fail(error: unknown): null {
    if (!(error instanceof KernelError)) throw error
    this.#failure = error
    return null
  }

  #tooBig(): KernelError {
    return new KernelError(
      'E2BIG',
      `record ${this.#meta.seqNum} does not fit the ${ITER_BUFFER_BYTES} bytes of the buffer`,
    )
  }

  #retry(result: number): KernelError {
    return new KernelError(
      'EAGAIN',
      `the program returned ${result} for object ${this.#meta.seqNum}: it wants it again`,
    )
  }
}
