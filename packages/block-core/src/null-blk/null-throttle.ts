// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Scheduler, Timer } from '@iolayers/kernel'

const TICKS_PER_SEC = 50
const TIMER_INTERVAL_NS = 1_000_000_000 / TICKS_PER_SEC
const MIB = 1 << 20

/**
 * A bound on bandwidth: so many bytes may pass in each tick of 20 ms.
 * @see drivers/block/null_blk/main.c null_handle_throttled, nullb_bwtimer_fn
 */
export class NullThrottle {
  readonly #timer: Timer
  readonly #perTick: number
  readonly #rerun: () => void
  #left: number
  #stopped: boolean

  /** `rerun` hands over again what was refused. */
  constructor(scheduler: Scheduler, mbps: number, rerun: () => void) {
    this.#timer = new Timer(scheduler, 'null_blk bandwidth', () => this.#tick())
    this.#perTick = Math.floor(MIB / TICKS_PER_SEC) * mbps
    this.#rerun = rerun
    this.#left = this.#perTick
    this.#stopped = false
  }

  /** False where the tick has no bytes left for it: it comes again. */
  admit(bytes: number): boolean {
    if (this.#stopped) return true
    if (!this.#timer.pending) this.#timer.arm(TIMER_INTERVAL_NS)
    this.#left -= bytes
    return this.#left >= 0
  }

  /** The device goes: everything passes. */
  stop(): void {
    this.#stopped = true
    this.#timer.cancel()
    this.#rerun()
  }

  #tick(): void {
    if (this.#left === this.#perTick) return
    this.#left = this.#perTick
    this.#timer.arm(TIMER_INTERVAL_NS)
    this.#rerun()
  }
}
