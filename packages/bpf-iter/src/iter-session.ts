// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Kernel, KernelError, Mutex, type Op, yieldNow } from '@iolayers/kernel'
import {
  IterFeature,
  type IterMeta,
  type IterProgram,
  type IterSeqInfo,
  type IterTarget,
  type RunProgram,
} from './iter-target.ts'
import { SeqFile } from './seq/seq-file.ts'
import { PAGE_BYTES } from './seq/seq-operations.ts'
import { SeqWalk, showError } from './seq/seq-walk.ts'

/** The record buffer: 8 pages. @see kernel/bpf/bpf_iter.c bpf_seq_read */
export const ITER_BUFFER_BYTES: number = PAGE_BYTES << 3
/** Objects that one read visits before it gives up its turn. @see kernel/bpf/bpf_iter.c MAX_ITER_OBJECTS */
export const MAX_ITER_OBJECTS = 1_000_000
const OBJECTS_BETWEEN_YIELDS = 64

/** What a session has to know of its target. */
type SessionTarget<T, P> = Pick<IterTarget<T, P>, 'target' | 'feature' | 'endCall'> & {
  readonly seqInfo: Pick<IterSeqInfo<T, P>, 'seqOps' | 'finiSeqPrivate'>
}

/**
 * One open iterator: the reading loop between a target and a program.
 *
 * A read hands out what an earlier one left over, and nothing else; only when nothing is left over does it walk on. It adds whole
 * records until it holds at least what was asked for, or the next one does not fit. The object at which it stops was not
 * consumed: `stop` is given it, and `start` of the next read has to come back with it.
 *
 * It differs from the kernel's loop where that loses something: an error of `next` is thrown by a read that holds nothing, where the
 * kernel's gives 0, the end; and no byte beyond the last whole record is handed out after an error, whatever was written since.
 * @see kernel/bpf/bpf_iter.c bpf_seq_read
 */
export class IterSession<T, P> {
  readonly #kernel: Kernel
  readonly #target: SessionTarget<T, P>
  readonly #program: IterProgram<T>
  readonly #priv: P
  readonly #lock: Mutex
  readonly #seq: SeqFile = new SeqFile(ITER_BUFFER_BYTES)
  readonly #walk: SeqWalk<T, P>
  readonly #meta: { seq: SeqFile; sessionId: number; seqNum: number }
  readonly #context: { meta: IterMeta; item: T | null }
  readonly #run: RunProgram<T>
  #endCallDone = false

  constructor(
    kernel: Kernel,
    target: SessionTarget<T, P>,
    program: IterProgram<T>,
    priv: P,
    sessionId: number,
  ) {
    this.#kernel = kernel
    this.#target = target
    this.#program = program
    this.#priv = priv
    this.#lock = new Mutex(kernel.scheduler, `${target.target} iterator`)
    this.#walk = new SeqWalk(target.seqInfo.seqOps, this.#seq, priv)
    this.#meta = { seq: this.#seq, sessionId, seqNum: 0 }
    this.#context = { meta: this.#meta, item: null }
    this.#run = (item) => this.#runProgram(item)
  }

  close(): void {
    this.#target.seqInfo.finiSeqPrivate(this.#priv)
  }

  /**
   * Bytes, 0 at the end. Throws KernelError when there is nothing to hand out: EAGAIN where the program asked for a retry, or a million
   * objects wrote nothing; E2BIG for a record larger than the buffer; what the target's `start`, `next` or `show` failed with.
   */
  *read(target: Uint8Array, offset: number, length: number): Op<number> {
    yield* this.#lock.lock()
    try {
      const seq = this.#seq
      if (seq.countBytes === 0) {
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
    const walk = this.#walk
    this.#seq.empty()
    let failure: KernelError | null
    let ended: boolean
    try {
      walk.start()
      failure = yield* this.#visit(wanted)
      ended = walk.current === null && walk.failure === null
    } finally {
      walk.stop()
    }
    return ended ? yield* this.#runEndCall() : failure
  }

  *#visit(wanted: number): Op<KernelError | null> {
    const walk = this.#walk
    let objects = 0
    while (walk.current !== null) {
      const failure = yield* this.#show(walk.current)
      if (failure !== null) return failure
      objects += 1
      walk.next()
      if (walk.current === null) break
      this.#meta.seqNum += 1
      if (this.#seq.countBytes >= wanted) return null
      if (objects >= MAX_ITER_OBJECTS) {
        return new KernelError('EAGAIN', `${objects} objects in one read wrote nothing`)
      }
      yield* this.#maybeYield(objects)
    }
    return walk.failure
  }

  /** null, or why the object could not be shown; then nothing of its record is left. */
  *#show(item: T): Op<KernelError | null> {
    const seq = this.#seq
    const mark = seq.countBytes
    let shown = false
    try {
      const result = yield* this.#result(item)
      shown = result === 0 && !seq.overflowed
      if (result === 0) return shown ? null : this.#tooBig()
      if (result < 0) return showError(result, `object ${this.#meta.seqNum} is to be shown again`)
      this.#meta.seqNum -= 1
      return null
    } finally {
      if (!shown) seq.rewind(mark)
    }
  }

  *#result(item: T): Op<number> {
    const { seqOps } = this.#target.seqInfo
    if (seqOps.show === undefined) return yield* this.#runProgram(item)
    const result = seqOps.show(this.#seq, item, this.#priv, this.#run)
    return typeof result === 'number' ? result : yield* result
  }

  /** 0, or -EAGAIN: no other answer of a program has a meaning. */
  *#runProgram(item: T | null): Op<number> {
    this.#context.item = item
    try {
      const result = this.#program(this.#context)
      const answer = typeof result === 'number' ? result : yield* result
      return answer === 0 ? 0 : -Errno.EAGAIN
    } finally {
      this.#context.item = null
    }
  }

  *#runEndCall(): Op<KernelError | null> {
    if (!this.#target.endCall || this.#endCallDone) return null
    const seq = this.#seq
    const mark = seq.countBytes
    try {
      yield* this.#runProgram(null)
      this.#endCallDone = !seq.overflowed
      return this.#endCallDone ? null : this.#tooBig()
    } finally {
      if (!this.#endCallDone) seq.rewind(mark)
    }
  }

  *#maybeYield(objects: number): Op<void> {
    const { scheduler } = this.#kernel
    const mayYield = ((this.#target.feature ?? 0) & IterFeature.BPF_ITER_RESCHED) !== 0
    if (!mayYield) return
    if (scheduler.exploring || objects % OBJECTS_BETWEEN_YIELDS === 0) yield* yieldNow(scheduler)
  }

  #tooBig(): KernelError {
    return new KernelError(
      'E2BIG',
      `record ${this.#meta.seqNum} does not fit the ${ITER_BUFFER_BYTES} bytes of the buffer`,
    )
  }
}
