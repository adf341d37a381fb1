// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, Timer } from '@iolayers/kernel'

/** KAS: the granularity of the timer, in units of 100 ms. */
export const KEEP_ALIVE_GRANULARITY = 1
const GRANULARITY_MS = 100

/**
 * The Keep Alive timer: when the host has not been heard of for so long, the controller stops with a fatal error.
 * @see NVMe Base 2.1, 3.9, 5.1.25.1.8
 */
export class KeepAlive {
  readonly #timer: Timer
  #timeoutMs = 0

  constructor(kernel: Kernel, expired: () => void) {
    this.#timer = new Timer(kernel.scheduler, 'nvme keep alive', expired)
  }

  /** In milliseconds, rounded up to the granularity; 0 turns it off. */
  setTimeout(timeoutMs: number): void {
    this.#timeoutMs = Math.ceil(timeoutMs / GRANULARITY_MS) * GRANULARITY_MS
    this.heard()
  }

  /** The host has said that it is there. */
  heard(): void {
    this.#timer.cancel()
    if (this.#timeoutMs > 0) this.#timer.arm(this.#timeoutMs * 1e6)
  }

  reset(): void {
    this.setTimeout(0)
  }
}
