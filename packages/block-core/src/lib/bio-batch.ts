// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, type Op, WaitQueue } from '@iolayers/kernel'
import { Bio, type BioEndIo } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { Disk } from '../disk/disk.ts'
import { Plug } from '../mq/plug.ts'

/** Bios of one batch that may be under way together: a whole disk is discarded or zeroed in a bounded amount of memory. */
const MAX_UNDER_WAY = 32

/**
 * Many bios to one disk, waited for together. The first error is the one that counts; after it nothing more is sent.
 * @see block/bio.c bio_chain_and_submit, submit_bio_wait
 */
export class BioBatch implements BioEndIo {
  readonly #disk: Disk
  readonly #wait: WaitQueue
  readonly #free: Bio[]
  readonly #plug: Plug
  #underWay: number
  #status: BlkStatus

  constructor(kernel: Kernel, disk: Disk) {
    this.#disk = disk
    this.#wait = new WaitQueue(kernel.scheduler, `${disk.name} batch of bios`)
    this.#free = []
    this.#plug = new Plug()
    this.#underWay = 0
    this.#status = BlkStatus.OK
  }

  /** How it stands; OK: no bio has failed so far. */
  get status(): BlkStatus {
    return this.#status
  }

  /** An initialised bio without payload. */
  *next(opf: number, sector: number): Op<Bio> {
    if (this.#underWay === MAX_UNDER_WAY) {
      this.#plug.finish()
      yield* this.#wait.waitEvent(() => this.#underWay < MAX_UNDER_WAY)
    }
    const bio = this.#free.pop() ?? new Bio()
    bio.init(opf, sector, this)
    return bio
  }

  submit(bio: Bio): Op<void> {
    this.#underWay++
    return this.#disk.submitBioWait(bio, this.#plug)
  }

  /** Waits until all have ended; how it went. */
  *finish(): Op<BlkStatus> {
    this.#plug.finish()
    yield* this.#wait.waitEvent(() => this.#underWay === 0)
    return this.#status
  }

  bioEndIo(bio: Bio): void {
    if (this.#status === BlkStatus.OK) this.#status = bio.biStatus
    this.#free.push(bio)
    this.#underWay--
    this.#wait.wakeUp()
  }
}
