// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

const NEWLINE = 10
const EMPTY = new Uint8Array()

/** Cuts chunks of bytes into lines, and into runs of a length that a line told. */
export class LineReader {
  #held: Uint8Array = EMPTY

  get heldBytes(): number {
    return this.#held.length
  }

  push(chunk: Uint8Array): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
  }

  /** The next line without its end; undefined while it is not all there. */
  line(): string | undefined {
    const at = this.#held.indexOf(NEWLINE)
    if (at < 0) return undefined
    const line = Buffer.from(this.#held.subarray(0, at)).toString('utf8')
    this.#held = this.#held.subarray(at + 1)
    return line
  }

  /** Up to `length` bytes, as many as are there. */
  bytes(length: number): Uint8Array {
    const bytes = this.#held.subarray(0, length)
    this.#held = this.#held.subarray(bytes.length)
    return bytes
  }
}
