// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { Plug } from '../mq/plug.ts'
import type { Disk } from './disk.ts'

/** What a disk without requests offers to submissions that come through other disks. */
export interface BioBasedDisk {
  /**
   * Takes a bio, or as much from its begin as fits the limits and the driver, and gives that to the driver. The rest goes back to the
   * submission with `resume`. `resumed`: it is such a rest, and was checked before.
   */
  submitNext(bio: Bio, submission: BioSubmission, resumed: boolean): Op<void>
}

interface Pending {
  readonly bio: Bio
  readonly disk: Disk
  readonly resumed: boolean
}

/**
 * One task's submission, and all that drivers submit in the course of it: what they hand over is queued here, and begins when they
 * have returned. So a stack of disks is as deep as it likes, and the call stack is not.
 *
 * The order is the kernel's: after a driver has returned, first the bios for the disks below, then what is left for its own disk, then
 * what waited before. At any time each disk has given its driver one part of a bio at most that is not on its way further down.
 * @see block/blk-core.c __submit_bio_noacct, current->bio_list
 */
export class BioSubmission {
  /** What the requests at the bottom gather in. */
  readonly plug: Plug
  /** Bottom of the array: last to go. */
  readonly #waiting: Pending[]
  readonly #lower: Pending[]
  readonly #same: Pending[]

  constructor(plug: Plug) {
    this.plug = plug
    this.#waiting = []
    this.#lower = []
    this.#same = []
  }

  /** For a driver, about a bio of its own: it goes to `disk`, and ends by its `biEndIo` always. */
  submit(bio: Bio, disk: Disk): void {
    this.#lower.push({ bio, disk, resumed: false })
  }

  /** For a disk: the rest of a bio that it was too long for. */
  resume(bio: Bio, disk: Disk): void {
    this.#same.push({ bio, disk, resumed: true })
  }

  /** Returns when nothing is queued any more. */
  *run(): Op<void> {
    for (;;) {
      // Reversed: the first of the bios for the disks below is the next to go.
      for (let next = this.#same.pop(); next !== undefined; next = this.#same.pop()) {
        this.#waiting.push(next)
      }
      for (let next = this.#lower.pop(); next !== undefined; next = this.#lower.pop()) {
        this.#waiting.push(next)
      }
      const next = this.#waiting.pop()
      if (next === undefined) return
      const { bio, disk, resumed } = next
      if (disk.bioBased === null) yield* disk.submitBioWait(bio, this.plug)
      else yield* disk.bioBased.submitNext(bio, this, resumed)
    }
  }
}
