// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'

const MILLISECONDS_BYTES = 6
/** Where the timestamp comes from: counted from the last reset, or set by the host. */
const ORIGIN_HOST = 1 << 1
const ORIGIN_BYTE = 6

/** Milliseconds, which go on from what the host has set. @see NVMe Base 2.1, 5.1.25.1.7 */
export class Timestamp {
  readonly #kernel: Kernel
  #originMs = 0
  #setAtMs = 0
  #set = false

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.reset()
  }

  /** The first 6 bytes of 8 are the time. */
  set(bytes: Uint8Array): void {
    this.#originMs = 0
    for (let i = MILLISECONDS_BYTES - 1; i >= 0; i--) {
      this.#originMs = this.#originMs * 256 + (bytes[i] ?? 0)
    }
    this.#setAtMs = this.#nowMs()
    this.#set = true
  }

  get(): Uint8Array {
    const bytes = new Uint8Array(8)
    let ms = this.#originMs + this.#nowMs() - this.#setAtMs
    for (let i = 0; i < MILLISECONDS_BYTES; i++) {
      bytes[i] = ms % 256
      ms = Math.floor(ms / 256)
    }
    bytes[ORIGIN_BYTE] = this.#set ? ORIGIN_HOST : 0
    return bytes
  }

  /** Counts from here. */
  reset(): void {
    this.#originMs = 0
    this.#setAtMs = this.#nowMs()
    this.#set = false
  }

  #nowMs(): number {
    return Math.floor(this.#kernel.scheduler.nowNs() / 1e6)
  }
}
