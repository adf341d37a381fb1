// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { CQE_BYTES, CqeOffset, getUint53 } from './uapi.ts'

const OVERFLOW_ENTRIES_MIN = 64

/**
 * The completion queue: real 16-byte entries. One that finds it full goes to an overflow list, and so do all after it until the
 * list is empty again: none is lost, and their order stays. Reaping moves them back.
 * @see io_uring/io_uring.c io_cqring_event_overflow
 */
export class CompletionQueue {
  readonly entries: number
  /** The entries: struct io_uring_cqe. */
  readonly cqes: DataView
  #head = 0
  #tail = 0
  #overflow: DataView
  #overflowHead = 0
  #overflowCount = 0

  constructor(entries: number) {
    this.entries = entries
    this.cqes = new DataView(new ArrayBuffer(entries * CQE_BYTES))
    this.#overflow = new DataView(new ArrayBuffer(OVERFLOW_ENTRIES_MIN * CQE_BYTES))
  }

  /** Entries to reap, those on the overflow list included. */
  get ready(): number {
    return ((this.#tail - this.#head) | 0) + this.#overflowCount
  }

  /** Entries that were ever posted, in 32 bits. */
  get posted(): number {
    return (this.#tail + this.#overflowCount) | 0
  }

  get overflowed(): boolean {
    return this.#overflowCount > 0
  }

  /** False when it went to the overflow list. */
  post(userDataLow: number, userDataHigh: number, res: number, flags: number): boolean {
    if (this.#overflowCount > 0 || ((this.#tail - this.#head) | 0) === this.entries) {
      this.#postOverflow(userDataLow, userDataHigh, res, flags)
      return false
    }
    const at = (this.#tail & (this.entries - 1)) * CQE_BYTES
    writeCqe(this.cqes, at, userDataLow, userDataHigh, res, flags)
    this.#tail = (this.#tail + 1) | 0
    return true
  }

  /** Takes at most `max` entries, oldest first. Allocates nothing. */
  reap(
    userData: Float64Array | Int32Array,
    results: Int32Array,
    max: number,
    flags: Int32Array | null,
  ): number {
    let taken = 0
    const { cqes } = this
    for (;;) {
      const available = Math.min((this.#tail - this.#head) | 0, max - taken)
      for (let i = 0; i < available; i += 1) {
        const at = (this.#head & (this.entries - 1)) * CQE_BYTES
        userData[taken] = getUint53(cqes, at + CqeOffset.USER_DATA)
        results[taken] = cqes.getInt32(at + CqeOffset.RES, true)
        if (flags !== null) flags[taken] = cqes.getInt32(at + CqeOffset.FLAGS, true)
        this.#head = (this.#head + 1) | 0
        taken += 1
      }
      if (this.#overflowCount === 0 || taken === max) return taken
      this.#flushOverflow()
    }
  }

  #flushOverflow(): void {
    const entries = this.#overflow.byteLength / CQE_BYTES
    while (this.#overflowCount > 0 && ((this.#tail - this.#head) | 0) < this.entries) {
      const from = this.#overflowHead * CQE_BYTES
      const at = (this.#tail & (this.entries - 1)) * CQE_BYTES
      for (let word = 0; word < CQE_BYTES; word += 4) {
        this.cqes.setInt32(at + word, this.#overflow.getInt32(from + word, true), true)
      }
      this.#tail = (this.#tail + 1) | 0
      this.#overflowHead = (this.#overflowHead + 1) % entries
      this.#overflowCount -= 1
    }
  }

  #postOverflow(userDataLow: number, userDataHigh: number, res: number, flags: number): void {
    const entries = this.#overflow.byteLength / CQE_BYTES
    if (this.#overflowCount === entries) {
      this.#growOverflow()
      this.#postOverflow(userDataLow, userDataHigh, res, flags)
      return
    }
    const at = ((this.#overflowHead + this.#overflowCount) % entries) * CQE_BYTES
    writeCqe(this.#overflow, at, userDataLow, userDataHigh, res, flags)
    this.#overflowCount += 1
  }

  #growOverflow(): void {
    const entries = this.#overflow.byteLength / CQE_BYTES
    const grown = new DataView(new ArrayBuffer(2 * entries * CQE_BYTES))
    for (let i = 0; i < this.#overflowCount; i += 1) {
      const from = ((this.#overflowHead + i) % entries) * CQE_BYTES
      for (let word = 0; word < CQE_BYTES; word += 4) {
        const value = this.#overflow.getInt32(from + word, true)
        grown.setInt32(i * CQE_BYTES + word, value, true)
      }
    }
    this.#overflow = grown
    this.#overflowHead = 0
  }
}

function writeCqe(
  view: DataView,
  at: number,
  userDataLow: number,
  userDataHigh: number,
  res: number,
  flags: number,
): void {
  view.setInt32(at + CqeOffset.USER_DATA, userDataLow, true)
  view.setInt32(at + CqeOffset.USER_DATA + 4, userDataHigh, true)
  view.setInt32(at + CqeOffset.RES, res, true)
  view.setInt32(at + CqeOffset.FLAGS, flags, true)
}
