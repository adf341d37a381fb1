// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, DeferredCall, type Op, type Scheduler, Timer, WaitQueue } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { BioDisk, BioDriver } from '../disk/bio-disk.ts'
import type { BioSubmission } from '../disk/bio-submission.ts'
import { ReqFlags } from '../req-flags.ts'
import { NullIrqMode } from './null-blk-init.ts'
import type { NullDevice, NullIo } from './null-device.ts'

/** What a device remembers of a bio. */
class NullBioCmd implements NullIo {
  readonly timer: Timer
  cmdFlags: number
  sector: number
  dataBytes: number
  bio: Bio | null
  error: BlkStatus

  constructor(scheduler: Scheduler, end: (cmd: NullBioCmd) => void) {
    this.timer = new Timer(scheduler, 'null_blk bio', () => end(this))
    this.cmdFlags = 0
    this.sector = 0
    this.dataBytes = 0
    this.bio = null
    this.error = BlkStatus.OK
  }
}

/** The driver in bio mode. @see Documentation/block/null_blk.rst queue_mode 0 */
export class NullBioDriver implements BioDriver {
  /** Set by whoever made the disk. */
  disk: BioDisk | null
  readonly #device: NullDevice
  readonly #scheduler: Scheduler
  readonly #free: NullBioCmd[]
  readonly #freed: WaitQueue
  readonly #done: NullBioCmd[]
  readonly #softirq: DeferredCall

  constructor(scheduler: Scheduler, device: NullDevice, commands: number) {
    const { name } = device.config
    this.disk = null
    this.#device = device
    this.#scheduler = scheduler
    this.#free = Array.from(
      { length: commands },
      () => new NullBioCmd(scheduler, (cmd) => this.#end(cmd)),
    )
    this.#freed = new WaitQueue(scheduler, `commands of ${name}`)
    this.#done = []
    this.#softirq = new DeferredCall(`${name} softirq`, () => this.#endDone())
  }

  trySubmitBio(bio: Bio): BlkStatus {
    if (bio.isDmabuf) return BlkStatus.NOTSUPP
    const cmd = this.#free.pop()
    if (cmd === undefined) return BlkStatus.AGAIN
    this.#handle(cmd, bio)
    return BlkStatus.OK
  }

  *submitBio(bio: Bio, submission: BioSubmission): Op<void> {
    let status = this.trySubmitBio(bio)
    while (status === BlkStatus.AGAIN && (bio.biOpf & ReqFlags.NOWAIT) === 0) {
      submission.plug.finish()
      yield* this.#freed.waitEventExclusive(() => this.#free.length > 0)
      status = this.trySubmitBio(bio)
    }
    if (status !== BlkStatus.OK) this.#disk().endBio(bio, status)
  }

  #handle(cmd: NullBioCmd, bio: Bio): void {
    cmd.cmdFlags = bio.biOpf
    cmd.sector = bio.biIter.biSector
    cmd.dataBytes = bio.biIter.biSize
    cmd.bio = bio
    if ((bio.biOpf & ReqFlags.PREFLUSH) !== 0) this.#device.storage?.flush()
    cmd.error = cmd.dataBytes > 0 ? this.#device.process(cmd) : BlkStatus.OK
    const { irqMode, completionNs } = this.#device.config
    if (irqMode === NullIrqMode.TIMER) cmd.timer.arm(completionNs)
    else if (irqMode === NullIrqMode.NONE) this.#end(cmd)
    else {
      this.#done.push(cmd)
      this.#scheduler.queue(this.#softirq)
    }
  }

  #endDone(): void {
    for (const cmd of this.#done.splice(0)) this.#end(cmd)
  }

  #end(cmd: NullBioCmd): void {
    const { bio, error } = cmd
    assert(bio !== null, 'null_blk: a command of nobody ends')
    cmd.bio = null
    this.#free.push(cmd)
    this.#freed.wakeUp()
    this.#disk().endBio(bio, error)
  }

  #disk(): BioDisk {
    assert(this.disk !== null, 'null_blk: no disk')
    return this.disk
  }
}
