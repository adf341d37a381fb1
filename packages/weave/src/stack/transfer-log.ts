// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Checker } from '../check/contracts.ts'
import type { Fault } from '../search/contracts.ts'

/**
 * Every block of the medium is transferred as often as its user submitted it, and no more: nobody below sends a range again behind the back of who
 * asked for it.
 */
export class TransferLog implements Checker {
  readonly name = 'transfer log'
  readonly #asked: Uint8Array
  readonly #moved: Uint8Array
  #fault: Fault | null = null

  constructor(blocks: number) {
    this.#asked = new Uint8Array(blocks)
    this.#moved = new Uint8Array(blocks)
  }

  /** A user submits, or submits again. */
  submitted(lba: number, blocks: number): void {
    for (let at = lba; at < lba + blocks; at++) this.#asked[at] = (this.#asked[at] ?? 0) + 1
  }

  /** The device has moved the data of a whole command. */
  transferred(lba: number, blocks: number): void {
    for (let at = lba; at < lba + blocks; at++) {
      const moved = (this.#moved[at] ?? 0) + 1
      this.#moved[at] = moved
      const asked = this.#asked[at] ?? 0
      if (moved <= asked) continue
      this.#fault ??= {
        check: 'transferred-twice',
        message: `block ${at} was transferred ${moved} times, and submitted ${asked} times`,
      }
    }
  }

  /** Blocks of a range that were transferred at all. */
  movedIn(lba: number, blocks: number): number {
    let count = 0
    for (let at = lba; at < lba + blocks; at++) if ((this.#moved[at] ?? 0) > 0) count++
    return count
  }

  /** For another run. */
  reset(): void {
    this.#asked.fill(0)
    this.#moved.fill(0)
  }

  afterStep(): Fault | null {
    return this.#fault
  }
}
