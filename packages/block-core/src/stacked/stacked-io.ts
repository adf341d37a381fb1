// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, type Op, WaitQueue, WorkItem } from '@iolayers/kernel'
import { Bio, type BioEndIo } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'

/** Whoever clones bios hears when all clones of one have ended. */
export interface StackedIoOwner {
  /** In the context of the last clone's end: may not sleep. */
  clonesEnded(io: StackedIo): void
  /** What `resume` of an I/O runs; it may sleep. */
  resumed(io: StackedIo): Op<void>
}

/**
 * One bio of a stacked disk while its clones are below. The first error of a clone is the one that stays. Made with its pool, with
 * a clone that suffices for most.
 * @see drivers/md/dm-core.h struct dm_io
 */
export class StackedIo implements BioEndIo {
  readonly clone: Bio
  status: BlkStatus
  /** The data goes down when the lower disks have flushed. */
  flushing: boolean
  readonly #owner: StackedIoOwner
  readonly #work: WorkItem
  #bio: Bio | null
  #clones: number

  constructor(owner: StackedIoOwner) {
    this.clone = new Bio()
    this.status = BlkStatus.OK
    this.flushing = false
    this.#owner = owner
    this.#work = new WorkItem('stacked disk: data after a flush', () => owner.resumed(this))
    this.#bio = null
    this.#clones = 0
  }

  get bio(): Bio {
    assert(this.#bio !== null, 'stacked I/O: not in use')
    return this.#bio
  }

  get inUse(): boolean {
    return this.#bio !== null
  }

  begin(bio: Bio): void {
    this.#bio = bio
    this.status = BlkStatus.OK
    this.flushing = false
    this.#clones = 0
  }

  /** One more clone, or whoever makes them, has to end first. */
  hold(): void {
    this.#clones++
  }

  release(): void {
    this.#clones--
    if (this.#clones === 0) this.#owner.clonesEnded(this)
  }

  bioEndIo(clone: Bio): void {
    if (this.status === BlkStatus.OK) this.status = clone.biStatus
    clone.biDmabufMap = null
    clone.biPool?.put(clone)
    this.release()
  }

  /** Goes on in a task of the kernel's. */
  resume(kernel: Kernel): void {
    kernel.reclaimWq.queue(this.#work)
  }

  /** Not in use from here on; the bio that it was for. */
  end(): Bio {
    const { bio } = this
    this.#bio = null
    return bio
  }
}

/** The I/Os that a stacked disk can have in hand, all made with it. */
export class StackedIoPool {
  readonly #free: StackedIo[]
  readonly #wait: WaitQueue

  constructor(kernel: Kernel, name: string, size: number, owner: StackedIoOwner) {
    this.#free = []
    for (let i = 0; i < size; i++) this.#free.push(new StackedIo(owner))
    this.#wait = new WaitQueue(kernel.scheduler, `${name} I/O pool`)
  }

  tryGet(bio: Bio): StackedIo | null {
    const io = this.#free.pop()
    if (io === undefined) return null
    io.begin(bio)
    return io
  }

  *get(bio: Bio): Op<StackedIo> {
    for (;;) {
      const io = this.tryGet(bio)
      if (io !== null) return io
      yield* this.#wait.waitEvent(() => this.#free.length > 0)
    }
  }

  put(io: StackedIo): void {
    assert(!io.inUse, 'stacked I/O: put while in use')
    this.#free.push(io)
    this.#wait.wakeUp()
  }
}
