// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Moves a range through the ring: read it into registered buffers, hand each block on in order, write it out. The same loop
// reads the target back for its digest: then there is nothing to write to. Knows rings and buffers, and nothing of files.

import type { IoUring } from '@iolayers/io-uring'
import { Errno, errnoName, KernelError, type Op } from '@iolayers/kernel'
import { errorText } from '../cli/failure.ts'

/** One side of a transfer: a file that is registered with the ring, and what its failures are called. */
export interface TransferEnd {
  readonly fileIndex: number
  readonly name: string
  /** No larger I/O than this is sure to reach the driver as one request. */
  readonly singleRequestBytes: number
  /**
   * The error to tell for an I/O that failed, where the back end knows more than a status; null otherwise.
   *
   * @param where what failed: `writing FILE at offset N`
   */
  explain(where: string): KernelError | null
}

/** A block of registered memory that carries one I/O at a time. */
export interface TransferSlot {
  readonly bufferOffsetBytes: number
  /** Index in the ring's buffer table of the registration with the given file. */
  bufferIndexFor(end: TransferEnd): number
}

/** What a transfer needs of a ring; nobody else may use it until the transfer ends. */
export type TransferRing = Pick<
  IoUring,
  'getSqe' | 'prepReadFixed' | 'prepWriteFixed' | 'submitAndWait' | 'reap'
>

/** From where, to where, how much, and in which pieces. The sizes of blocks are multiples of the logical block. */
export interface TransferInit {
  readonly from: TransferEnd
  /** Absent when the blocks are only looked at. */
  readonly to?: TransferEnd
  /** Where it begins, a multiple of the block; 0 by default. */
  readonly startBytes?: number
  /** Where it ends. */
  readonly sizeBytes: number
  readonly blockSizeBytes: number
  readonly logicalBlockBytes: number
  readonly resubmitMax: number
  /** Called once for each block, in order, while its bytes are in the slot. */
  readonly onBlock?: (slot: number, lengthBytes: number) => Op<void>
  readonly onProgress?: (doneBytes: number) => void
  /** Asked before each submission; a non-null answer ends the transfer with it once nothing is in flight. */
  readonly cancelled: () => Error | null
}

/** What a transfer that succeeded has to tell. */
export interface TransferResult {
  /** Ranges sent again after ESTALE: the map died after a part of the I/O had been handed to the driver. */
  readonly resubmitted: number
}

const Phase = { FREE: 0, READING: 1, READ: 2, WRITING: 3 } as const
type Phase = (typeof Phase)[keyof typeof Phase]

class SlotState {
  phase: Phase = Phase.FREE
  offsetBytes = 0
  lengthBytes = 0
  /** Bytes of the current phase that are done; more than 0 only when a stale map made us send the range in pieces. */
  doneBytes = 0
  pieceBytes = 0
  resubmissions = 0
}

/** Ownership: the ring and the slots are the caller's, and free again when the operation ends, however it ends. */
export function* transfer(
  ring: TransferRing,
  slots: readonly TransferSlot[],
  init: TransferInit,
): Op<TransferResult> {
  const run = new Transfer(ring, slots, init)
  return yield* run.run()
}

class Transfer {
  readonly #ring: TransferRing
  readonly #slots: readonly TransferSlot[]
  readonly #init: TransferInit
  readonly #states: readonly SlotState[]
  /** Slots whose block has been read or is being read, in the order of their offsets. */
  readonly #order: number[]
  readonly #userData: Float64Array
  readonly #results: Int32Array
  #nextOffsetBytes: number
  #finishedBytes: number
  #inFlight: number
  #resubmitted: number
  #failure: Error | null

  constructor(ring: TransferRing, slots: readonly TransferSlot[], init: TransferInit) {
    this.#ring = ring
    this.#slots = slots
    this.#init = init
    this.#states = slots.map(() => new SlotState())
    this.#order = []
    this.#userData = new Float64Array(slots.length)
    this.#results = new Int32Array(slots.length)
    this.#nextOffsetBytes = init.startBytes ?? 0
    this.#finishedBytes = this.#nextOffsetBytes
    this.#inFlight = 0
    this.#resubmitted = 0
    this.#failure = null
  }

  *run(): Op<TransferResult> {
    for (;;) {
      this.#failure ??= this.#init.cancelled()
      if (this.#failure === null) yield* this.#handOn()
      if (this.#failure === null) this.#startReads()
      if (this.#inFlight === 0) break
      yield* this.#ring.submitAndWait(1)
      this.#reap()
    }
    if (this.#failure !== null) throw this.#failure
    return { resubmitted: this.#resubmitted }
  }

  #startReads(): void {
    const { sizeBytes, blockSizeBytes } = this.#init
    for (let slot = 0; slot < this.#states.length && this.#nextOffsetBytes < sizeBytes; slot++) {
      const state = this.#stateOf(slot)
      if (state.phase !== Phase.FREE) continue
      state.offsetBytes = this.#nextOffsetBytes
      state.lengthBytes = Math.min(blockSizeBytes, sizeBytes - this.#nextOffsetBytes)
      state.resubmissions = 0
      this.#nextOffsetBytes += state.lengthBytes
      this.#order.push(slot)
      this.#begin(slot, state, Phase.READING)
    }
  }

  /** Blocks go on in the order of their offsets, because a digest has to see them so. */
  *#handOn(): Op<void> {
    for (let slot = this.#order[0]; slot !== undefined; slot = this.#order[0]) {
      const state = this.#stateOf(slot)
      if (state.phase !== Phase.READ) return
      this.#order.shift()
      if (this.#init.onBlock !== undefined) yield* this.#init.onBlock(slot, state.lengthBytes)
      if (this.#init.to === undefined) this.#finish(state)
      else this.#begin(slot, state, Phase.WRITING)
    }
  }

  #begin(slot: number, state: SlotState, phase: Phase): void {
    state.phase = phase
    state.doneBytes = 0
    state.pieceBytes = this.#ioLength(state)
    this.#send(slot, state)
  }

  /** The last block is moved whole; whoever owns the target cuts it to size. */
  #ioLength(state: SlotState): number {
    const { logicalBlockBytes } = this.#init
    return Math.ceil(state.lengthBytes / logicalBlockBytes) * logicalBlockBytes
  }

  #send(slot: number, state: SlotState): void {
    const end = this.#endOf(state)
    const memory = this.#slots[slot]
    const sqe = this.#ring.getSqe()
    if (memory === undefined || sqe < 0) {
      this.#failure ??= new KernelError('EBUSY', `the ring has no free entry for slot ${slot}`)
      return
    }
    const prepare = state.phase === Phase.READING ? 'prepReadFixed' : 'prepWriteFixed'
    this.#ring[prepare](
      sqe,
      end.fileIndex,
      state.offsetBytes + state.doneBytes,
      memory.bufferIndexFor(end),
      memory.bufferOffsetBytes + state.doneBytes,
      Math.min(state.pieceBytes, this.#ioLength(state) - state.doneBytes),
      slot,
    )
    this.#inFlight++
  }

  #reap(): void {
    const count = this.#ring.reap(this.#userData, this.#results, this.#userData.length)
    for (let i = 0; i < count; i++) {
      this.#inFlight--
      this.#complete(this.#userData[i] ?? 0, this.#results[i] ?? 0)
    }
  }

  #complete(slot: number, result: number): void {
    const state = this.#stateOf(slot)
    const expected = Math.min(state.pieceBytes, this.#ioLength(state) - state.doneBytes)
    if (result === -Errno.ESTALE) {
      this.#resubmit(slot, state)
      return
    }
    if (result !== expected) {
      this.#failure ??= this.#errorOf(state, result, expected)
      return
    }
    state.doneBytes += expected
    if (state.doneBytes < this.#ioLength(state)) {
      if (this.#failure === null) this.#send(slot, state)
      return
    }
    if (state.phase === Phase.READING) state.phase = Phase.READ
    else this.#finish(state)
  }

  /**
   * Some fragment of the range was on its way when the map died, so nobody below us may send it again. We may: both ends
   * tell us nothing happens twice that matters, as a plain read or write of the same bytes. It goes again in
   * pieces of one request each, which are either refused whole or done, so every piece that completes is progress.
   */
  #resubmit(slot: number, state: SlotState): void {
    this.#resubmitted++
    state.resubmissions++
    if (this.#failure !== null) return
    const { resubmitMax } = this.#init
    if (state.resubmissions > resubmitMax) {
      const where = `${this.#endOf(state).name} at offset ${state.offsetBytes}`
      this.#failure = new KernelError(
        'ESTALE',
        `${where}: its buffer moved away ${state.resubmissions} times under way, --resubmit-max is ${resubmitMax}`,
      )
      return
    }
    state.pieceBytes = Math.min(state.pieceBytes, this.#endOf(state).singleRequestBytes)
    this.#send(slot, state)
  }

  #errorOf(state: SlotState, result: number, expected: number): Error {
    const end = this.#endOf(state)
    const verb = state.phase === Phase.READING ? 'reading' : 'writing'
    const where = `${verb} ${end.name} at offset ${state.offsetBytes + state.doneBytes}`
    if (result >= 0) {
      return new KernelError('EIO', `${where}: ${result} bytes moved, ${expected} were asked for`)
    }
    const cause = end.explain(where)
    if (cause !== null) return cause
    const code = errnoName(result) ?? 'EIO'
    return new KernelError(code, `${where}: ${errorText(code)}`)
  }

  #finish(state: SlotState): void {
    state.phase = Phase.FREE
    this.#finishedBytes += state.lengthBytes
    this.#init.onProgress?.(this.#finishedBytes)
  }

  #endOf(state: SlotState): TransferEnd {
    return state.phase === Phase.WRITING && this.#init.to !== undefined
      ? this.#init.to
      : this.#init.from
  }

  #stateOf(slot: number): SlotState {
    const state = this.#states[slot]
    if (state === undefined) throw new RangeError(`no transfer slot ${slot}`)
    return state
  }
}
