// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, type Scheduler, WaitQueue } from '@iolayers/kernel'

/** Bytes of one side, in as many pieces as they lie in; there until it goes on. */
export type Pieces = readonly Uint8Array[]

/** Where two readers, each of which goes through its side in order, show each other the blocks that they have. */
export class Meeting {
  /** The first byte that differs; null while none has been found. */
  firstDifference: number | null = null
  comparedBytes = 0
  readonly #wait: WaitQueue
  readonly #shown: [Pieces | null, Pieces | null]
  readonly #onCompared: (bytes: number) => void
  #isOver = false

  constructor(scheduler: Scheduler, onCompared: (bytes: number) => void) {
    this.#wait = new WaitQueue(scheduler, 'the other side of the comparison')
    this.#shown = [null, null]
    this.#onCompared = onCompared
  }

  /** Nothing more has to be looked at. */
  get isDone(): boolean {
    return this.firstDifference !== null || this.#isOver
  }

  /** One of the two has ended, well or not. */
  leave(): void {
    this.#isOver = true
    this.#wait.wakeUpAll()
  }

  /** Returns when the block was compared with the other side's, or does not have to be. Blocks of both sides are equally long. */
  *show(side: 0 | 1, pieces: Pieces): Op<void> {
    if (this.isDone) return
    this.#shown[side] = pieces
    const [a, b] = this.#shown
    if (a !== null && b !== null) {
      this.#compare(a, b)
      this.#shown.fill(null)
      this.#wait.wakeUpAll()
      return
    }
    yield* this.#wait.waitEvent(() => this.#shown[side] !== pieces || this.isDone)
  }

  #compare(a: Pieces, b: Pieces): void {
    const lengthBytes = a.reduce((sum, { length }) => sum + length, 0)
    const at = differsAt(a, b)
    if (at < 0) this.comparedBytes += lengthBytes
    else this.firstDifference = this.comparedBytes + at
    this.#onCompared(this.comparedBytes)
  }
}

/** Where two runs of bytes of the same length begin to differ; -1: nowhere. */
export function differsAt(a: Pieces, b: Pieces): number {
  const left = a.map((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.length))
  const right = b.map((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.length))
  let done = 0
  let [ai, bi, ao, bo] = [0, 0, 0, 0]
  for (;;) {
    const one = left[ai]
    const other = right[bi]
    if (one === undefined || other === undefined) return -1
    const length = Math.min(one.length - ao, other.length - bo)
    const first = one.subarray(ao, ao + length)
    const second = other.subarray(bo, bo + length)
    if (!first.equals(second)) return done + first.findIndex((byte, i) => byte !== second[i])
    done += length
    ao += length
    bo += length
    if (ao === one.length) [ai, ao] = [ai + 1, 0]
    if (bo === other.length) [bi, bo] = [bi + 1, 0]
  }
}
