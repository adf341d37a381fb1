// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, Timer } from '@iolayers/kernel'

/** How long a controller that is slow to become ready still takes. */
export class ReadyDelay {
  readonly #timer: Timer
  #waiting = false
  #passed = false

  constructor(kernel: Kernel, kick: () => void) {
    this.#timer = new Timer(kernel.scheduler, 'nvme controller ready', () => {
      this.#passed = true
      kick()
    })
  }

  /** Whether it may be ready now; the first time that it is asked, the time starts. */
  over(delayNs: number): boolean {
    if (this.#passed || delayNs === 0) return true
    if (!this.#waiting) {
      this.#waiting = true
      if (Number.isFinite(delayNs)) this.#timer.arm(delayNs)
    }
    return false
  }

  /** The next time starts anew. */
  reset(): void {
    this.#timer.cancel()
    this.#waiting = false
    this.#passed = false
  }
}
