// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, type Op, WaitQueue } from '@iolayers/kernel'
import type { BlkStatus } from '../blk-status.ts'
import type { Disk } from '../disk/disk.ts'
import type { Bio, BioEndIo } from './bio.ts'

/** Waits for the end of one bio at a time. Made once, used again. @see block/bio.c submit_bio_wait */
export class BioWaiter implements BioEndIo {
  readonly #wait: WaitQueue
  #ended: boolean

  constructor(kernel: Kernel, name: string) {
    this.#wait = new WaitQueue(kernel.scheduler, name)
    this.#ended = true
  }

  /** Submits a bio, whose `biEndIo` this takes over, waits until it ended, and says how. The bio is the caller's again. */
  *submitBioWait(bio: Bio, disk: Disk): Op<BlkStatus> {
    this.#ended = false
    bio.biEndIo = this
    yield* disk.submitBioWait(bio, null)
    yield* this.#wait.waitEvent(() => this.#ended)
    return bio.biStatus
  }

  bioEndIo(): void {
    this.#ended = true
    this.#wait.wakeUp()
  }
}
