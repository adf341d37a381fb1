// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, KernelError } from '@iolayers/kernel'

/**
 * Who has a disk to itself: a file that was opened with O_EXCL, or a device over it. It keeps nobody from opening the disk who does not ask
 * for the same.
 * @see block/bdev.c bd_prepare_to_claim, bd_finish_claiming, bd_end_claim
 */
export class DiskClaim {
  readonly #diskName: string
  #holder: object | null
  #holders: number

  constructor(diskName: string) {
    this.#diskName = diskName
    this.#holder = null
    this.#holders = 0
  }

  get isClaimed(): boolean {
    return this.#holder !== null
  }

  /** Throws KernelError EBUSY where another has it. The same holder may claim it again, and releases it as often. */
  claim(holder: object): void {
    if (this.#holder !== null && this.#holder !== holder) {
      throw new KernelError('EBUSY', `${this.#diskName}: the disk has an exclusive holder`)
    }
    this.#holder = holder
    this.#holders++
  }

  release(holder: object): void {
    assert(this.#holder === holder, 'disk claim: released by somebody else')
    this.#holders--
    if (this.#holders === 0) this.#holder = null
  }
}
