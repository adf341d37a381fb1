// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { StoreIo } from '../../controller/contracts.ts'
import type { RequestMemory } from './link-request.ts'

/** The memory of a command of the rings: the ranges of its I/O, which are gone through in order. */
export class SlotMemory implements RequestMemory {
  readonly #io: StoreIo
  /** The range that comes next, and where it begins in the data. */
  #range = 0
  #rangeOffset = 0

  constructor(io: StoreIo) {
    this.#io = io
  }

  get lengthBytes(): number {
    return this.#io.lengthBytes
  }

  get isReachable(): boolean {
    return this.#io.reachable
  }

  put(offsetBytes: number, bytes: Uint8Array): void {
    let done = 0
    this.#walk(offsetBytes, bytes.length, (memory, from, length) => {
      memory.set(bytes.subarray(done, done + length), from)
      done += length
    })
  }

  parts(offsetBytes: number, lengthBytes: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    this.#walk(offsetBytes, lengthBytes, (memory, from, length) => {
      parts.push(memory.subarray(from, from + length))
    })
    return parts
  }

  #walk(
    offsetBytes: number,
    lengthBytes: number,
    visit: (memory: Uint8Array, from: number, length: number) => void,
  ): void {
    const { sides, offsets, lengths, count } = this.#io
    if (offsetBytes < this.#rangeOffset || offsetBytes === 0) {
      this.#range = 0
      this.#rangeOffset = 0
    }
    let at = offsetBytes
    const end = offsetBytes + lengthBytes
    while (at < end && this.#range < count) {
      const rangeBytes = lengths[this.#range] ?? 0
      const into = at - this.#rangeOffset
      if (into >= rangeBytes) {
        this.#rangeOffset += rangeBytes
        this.#range++
        continue
      }
      const length = Math.min(rangeBytes - into, end - at)
      const memory = sides[this.#range]?.bytes
      if (memory !== undefined) visit(memory, (offsets[this.#range] ?? 0) + into, length)
      at += length
    }
  }
}
