// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, Errno, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { bioEndio, bioEndWith, bioSplitFront } from '../bio/bio-chain.ts'
import { BioSet } from '../bio/bio-set.ts'
import { BlkStatus, blkStatusToErrno, errnoToBlkStatus } from '../blk-status.ts'
import type { DmabufRegistrar } from '../dmabuf/contracts.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { bioSplitToLimits } from '../limits/split.ts'
import { type QueueLimitsInit, validateLimits } from '../limits/validate-limits.ts'
import { dropNeedlessFlush } from '../mq/flush-sequence.ts'
import { Plug } from '../mq/plug.ts'
import { QueueGate } from '../mq/queue-gate.ts'
import type { TagSet } from '../mq/tag-set.ts'
import { ReqFlags, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import { type BioBasedDisk, BioSubmission } from './bio-submission.ts'
import { BlockTrace } from './block-trace.ts'
import { checkBio } from './check-bio.ts'
import type { Disk, RequestQueue } from './disk.ts'
import { DiskClaim } from './disk-claim.ts'
import { DiskCounters } from './disk-counters.ts'
import type { DiskStats } from './disk-stats.ts'

/**
 * A driver that takes bios as they come, without requests and tags. What it gets was checked, and fits the limits of its disk. It
 * ends each with `BioDisk.endBio`.
 * @see include/linux/blkdev.h struct block_device_operations submit_bio
 */
export interface BioDriver {
  /**
   * Never sleeps. OK: the driver has the bio. Anything else: nothing came of it; AGAIN where it would have to sleep, or to make more of the
   * bio than one.
   */
  trySubmitBio(bio: Bio, plug: Plug | null): BlkStatus
  /** Takes the bio. Bios for other disks go to `submission`, and are on their way after this has returned. */
  submitBio(bio: Bio, submission: BioSubmission): Op<void>
  /**
   * Sectors from the begin of the bio that the driver takes as one, where the limits do not say it; the bio is cut there, at a multiple of the
   * logical block. Left out: all. @see drivers/md/dm.c max_io_len
   */
  maxIoSectors?(bio: Bio): number
  /** Completions found. Without it no bio is polled. */
  poll?(): number
}

export interface BioDiskInit {
  readonly name: string
  readonly capacitySectors: number
  readonly driver: BioDriver
  readonly limits?: QueueLimitsInit
  readonly readOnly?: boolean
  readonly dmabuf?: DmabufRegistrar
  /** Bios that the driver can have in hand at once, as far as it says; BLKDEV_DEFAULT_RQ by default. */
  readonly nrRequests?: number
}

/** A disk whose driver ends bios. */
export interface BioDisk extends Disk {
  /** For the driver: ends a bio that it was given. An error that the bio already met stays. */
  endBio(bio: Bio, status: BlkStatus): void
}

/** @see include/linux/blkdev.h BLKDEV_DEFAULT_RQ */
const BLKDEV_DEFAULT_RQ = 128

class BioBasedGendisk implements BioDisk, BioBasedDisk, RequestQueue {
  readonly name: string
  readonly limits: QueueLimits
  readonly dmabuf: DmabufRegistrar | null
  readonly nrRequests: number
  /** There are no requests, and no scheduler. */
  readonly tagSet: TagSet | null
  readonly scheduler: 'none'
  readonly iosched: null
  readonly passthrough: null
  readonly claim: DiskClaim
  readonly #driver: BioDriver
  readonly #counters: DiskCounters
  readonly #gate: QueueGate
  readonly #trace: BlockTrace
  readonly #splitBios: BioSet
  #capacitySectors: number
  #readOnly: boolean
  #destroyed: boolean

  constructor(kernel: Kernel, init: BioDiskInit) {
    this.name = init.name
    this.limits = validateLimits(init.limits ?? {})
    this.dmabuf = init.dmabuf ?? null
    this.nrRequests = init.nrRequests ?? BLKDEV_DEFAULT_RQ
    this.tagSet = null
    this.scheduler = 'none'
    this.iosched = null
    this.passthrough = null
    this.claim = new DiskClaim(init.name)
    this.#driver = init.driver
    this.#counters = new DiskCounters(kernel.scheduler)
    this.#gate = new QueueGate(kernel, init.name)
    this.#trace = new BlockTrace(kernel.tracer, init.name)
    this.#splitBios = new BioSet(kernel, `${init.name} split`, this.nrRequests)
    this.#capacitySectors = 0
    this.#readOnly = init.readOnly ?? false
    this.#destroyed = false
    this.setCapacity(init.capacitySectors)
  }

  get capacitySectors(): number {
    return this.#capacitySectors
  }

  get dying(): boolean {
    return this.#gate.dying
  }

  get readOnly(): boolean {
    return this.#readOnly
  }

  get queue(): RequestQueue {
    return this
  }

  get bioBased(): BioBasedDisk {
    return this
  }

  get stats(): DiskStats {
    return this.#counters
  }

  setReadOnly(readOnly: boolean): void {
    this.#readOnly = readOnly
  }

  setCapacity(sectors: number): void {
    if (!Number.isSafeInteger(sectors) || sectors < 0) {
      throw new KernelError(
        'EINVAL',
        `${this.name}: capacity is ${sectors} sectors, but must be an integer of at least 0`,
      )
    }
    this.#capacitySectors = sectors
  }

  submitBio(bio: Bio, plug: Plug | null): BlkStatus {
    const refusal = this.#check(bio)
    if (refusal !== BlkStatus.OK) return refusal
    if (nothingToDo(bio)) {
      this.#accepted(bio)
      bioEndio(bio)
      return BlkStatus.OK
    }
    const cut = this.#cutBytes(bio)
    if (cut < 0 && cut !== -Errno.EAGAIN) return errnoToBlkStatus(cut)
    if (cut !== 0) return this.#again()
    if (!this.#gate.tryEnter()) return this.#gate.dying ? BlkStatus.IOERR : this.#again()
    const { biSector, biSize } = bio.biIter
    const op = reqOp(bio.biOpf)
    this.#counters.addBioStart(bio)
    const status = this.#driver.trySubmitBio(bio, plug)
    if (status === BlkStatus.OK) {
      this.#counters.addBio()
      // By now the bio may be another one.
      const { bioQueue } = this.#trace
      if (bioQueue.enabled) bioQueue.emit(this.name, op, biSector, biSize / SECTOR_SIZE)
      return status
    }
    this.#counters.undoBioStart(bio)
    this.#gate.exit()
    return status === BlkStatus.AGAIN ? this.#again() : status
  }

  *submitBioWait(bio: Bio, plug: Plug | null): Op<void> {
    const batch = plug ?? new Plug()
    const submission = new BioSubmission(batch)
    submission.submit(bio, this)
    yield* submission.run()
    if (plug === null) batch.finish()
  }

  *submitNext(bio: Bio, submission: BioSubmission, resumed: boolean): Op<void> {
    if (!resumed) {
      const refusal = this.#check(bio)
      this.#accepted(bio)
      if (refusal !== BlkStatus.OK || nothingToDo(bio)) {
        bioEndWith(bio, refusal)
        return
      }
    }
    const cut = this.#cutBytes(bio)
    const status = cut < 0 ? errnoToBlkStatus(cut) : yield* this.#enter(bio, submission.plug)
    if (status !== BlkStatus.OK) {
      bioEndWith(bio, status)
      return
    }
    const part = cut === 0 ? bio : yield* this.#splitOff(bio, cut, submission)
    this.#counters.addBioStart(part)
    yield* this.#driver.submitBio(part, submission)
  }

  endBio(bio: Bio, status: BlkStatus): void {
    this.#counters.addBioCompletion(bio, status)
    const { bioComplete } = this.#trace
    if (bioComplete.enabled) {
      const { biSector, biSize } = bio.biIter
      bioComplete.emit(this.name, biSector, biSize / SECTOR_SIZE, blkStatusToErrno(status))
    }
    bioEndWith(bio, status)
    this.#gate.exit()
  }

  freeze(): Op<void> {
    return this.#gate.freeze()
  }

  freezeStart(): void {
    this.#gate.freezeStart()
  }

  freezeWait(timeoutNs: number): Op<boolean> {
    return this.#gate.freezeWait(timeoutNs)
  }

  unfreeze(): void {
    this.#gate.unfreeze()
  }

  /** Counted; there is no `queueRq` that it could keep from being called. */
  quiesce(): void {
    this.#gate.quiesce()
  }

  waitQuiesceDone(): Op<void> {
    return this.#gate.waitQuiesceDone()
  }

  unquiesce(): void {
    this.#gate.unquiesce()
  }

  /** Nothing is kept; the same for the next three. */
  runHwQueues(): void {}

  delayRunHwQueues(): void {}

  kickRequeueList(): void {}

  delayKickRequeueList(): void {}

  /** Throws KernelError EINVAL: a scheduler needs requests. @see block/elevator.c elv_support_iosched */
  *setScheduler(name: string): Op<void> {
    throw new KernelError('EINVAL', `${this.name}: scheduler ${name} for a disk without requests`, {
      value: name,
      accepted: 'none',
    })
  }

  poll(): number {
    return this.#driver.poll?.() ?? 0
  }

  markDead(): void {
    this.#gate.markDying()
  }

  *destroy(): Op<void> {
    if (this.#destroyed) return
    this.#destroyed = true
    this.markDead()
    yield* this.freeze()
    assert(this.#splitBios.free === this.#splitBios.sizeBios, 'disk destroyed with split bios')
  }

  #check(bio: Bio): BlkStatus {
    dropNeedlessFlush(bio, this.limits)
    if (this.#driver.poll === undefined) bio.biOpf &= ~ReqFlags.POLLED
    return checkBio(bio, this)
  }

  #again(): BlkStatus {
    this.#counters.again++
    return BlkStatus.AGAIN
  }

  #accepted(bio: Bio): void {
    this.#counters.addBio()
    const { bioQueue } = this.#trace
    if (bioQueue.enabled) this.#trace.bio(bioQueue, bio)
  }

  /** Where to cut a bio: 0 for nowhere, or a negative errno. */
  #cutBytes(bio: Bio): number {
    const cut = bioSplitToLimits(bio, this.limits)
    const { biSize } = bio.biIter
    // A discard; a read or write is EAGAIN by itself.
    const isNowait = (bio.biOpf & ReqFlags.NOWAIT) !== 0
    if (cut > 0 && isNowait && this.#splitBios.free === 0) return -Errno.EAGAIN
    if (cut < 0 || biSize === 0 || this.#driver.maxIoSectors === undefined) return cut
    const fits = cut === 0 ? biSize : cut
    const takenBytes = this.#driver.maxIoSectors(bio) * SECTOR_SIZE
    if (takenBytes >= fits) return cut
    if ((bio.biOpf & ReqFlags.ATOMIC) !== 0) return -Errno.EINVAL
    if (isNowait) return -Errno.EAGAIN
    const block = takenBytes - (takenBytes % this.limits.logicalBlockSizeBytes)
    return block > 0 ? block : -Errno.EINVAL
  }

  /** OK inside; else why the bio cannot come in. */
  *#enter(bio: Bio, plug: Plug): Op<BlkStatus> {
    while (!this.#gate.tryEnter()) {
      if (this.#gate.dying) return BlkStatus.IOERR
      if ((bio.biOpf & ReqFlags.NOWAIT) !== 0) return this.#again()
      // What keeps the freeze from ending may still be in the plug.
      plug.finish()
      yield* this.#gate.waitOpen()
    }
    return BlkStatus.OK
  }

  *#splitOff(bio: Bio, cut: number, submission: BioSubmission): Op<Bio> {
    let front = this.#splitBios.tryAlloc()
    if (front === null) {
      submission.plug.finish()
      front = yield* this.#splitBios.alloc()
    }
    // Nobody polls for several bios. @see drivers/md/dm.c dm_split_and_process_bio
    bio.biOpf &= ~ReqFlags.POLLED
    bioSplitFront(bio, cut, front)
    front.biOpf |= ReqFlags.NOMERGE
    this.#counters.splits++
    const { split } = this.#trace
    if (split.enabled) split.emit(this.name, front.biIter.biSector, bio.biIter.biSector)
    submission.resume(bio, this)
    return front
  }
}

/** No data and nothing to flush. */
function nothingToDo(bio: Bio): boolean {
  return bio.biIter.biSize === 0 && (bio.biOpf & ReqFlags.PREFLUSH) === 0
}

/**
 * Makes a disk over a driver that takes bios: no requests, no tags, no scheduler, no merging. `queue.freeze` and `destroy` wait for
 * the bios that the driver has. The plain form of submission goes down a stack by recursion, a few frames a layer; the form that waits
 * goes from disk to disk in a loop. Throws KernelError EINVAL for limits that contradict themselves, or a bad capacity.
 * @see block/blk-core.c __submit_bio, block/genhd.c
 */
export function createBioDisk(components: { kernel: Kernel }, init: BioDiskInit): BioDisk {
  return new BioBasedGendisk(components.kernel, init)
}
