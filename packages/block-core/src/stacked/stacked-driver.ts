// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, Mutex, type Op, type Tracepoint } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { bioInitClone, bioRoot } from '../bio/bio-chain.ts'
import { BioSet } from '../bio/bio-set.ts'
import { BlkStatus } from '../blk-status.ts'
import type { BioDisk, BioDriver } from '../disk/bio-disk.ts'
import { BioSubmission } from '../disk/bio-submission.ts'
import type { Disk } from '../disk/disk.ts'
import { Plug } from '../mq/plug.ts'
import { ReqFlags, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import { type StackedIo, type StackedIoOwner, StackedIoPool } from './stacked-io.ts'
import { StackedPlace, type StackedTarget } from './stacked-target.ts'

const FLUSH_OPF = ReqOp.WRITE | ReqFlags.PREFLUSH | ReqFlags.SYNC

export interface StackedDriverInit {
  readonly name: string
  readonly lowers: readonly Disk[]
  readonly target: StackedTarget
  readonly nrIos: number
}

/**
 * The driver of a stacked disk: clones each bio, gives the clone its place and, for a registered buffer, the map of the lower disk, and
 * ends the bio with the first error of its clones.
 *
 *   read, write      one clone; the disk cut the bio where the target's piece ends
 *   discard, zeroes  the same or, where the target has `mapRange`, one clone for each lower disk
 *   flush            one clone for each lower disk; data that comes with it follows when all have ended
 *
 * @see drivers/md/dm.c dm_submit_bio
 */
export class StackedDriver implements BioDriver, StackedIoOwner {
  readonly #kernel: Kernel
  readonly #lowers: readonly Disk[]
  readonly #target: StackedTarget
  readonly #place: StackedPlace
  readonly #ios: StackedIoPool
  /** Clones of bios that need several. Whoever takes them one by one holds the lock, so that two do not wait for each other's. */
  readonly #clones: BioSet
  readonly #clonesLock: Mutex
  readonly #bioRemap: Tracepoint
  #disk: BioDisk | null

  constructor(kernel: Kernel, init: StackedDriverInit) {
    const { name, lowers, nrIos } = init
    this.#kernel = kernel
    this.#lowers = lowers
    this.#target = init.target
    this.#place = new StackedPlace()
    this.#ios = new StackedIoPool(kernel, name, nrIos, this)
    this.#clones = new BioSet(kernel, `${name} clones`, Math.max(nrIos, lowers.length))
    this.#clonesLock = new Mutex(kernel.scheduler, `${name} clones`)
    this.#bioRemap = kernel.tracer.point('block_bio_remap', [
      'dev',
      'op',
      'sector',
      'nr_sector',
      'old_dev',
      'old_sector',
    ])
    this.#disk = null
  }

  attach(disk: BioDisk): void {
    this.#disk = disk
  }

  maxIoSectors(bio: Bio): number {
    if (this.#isRange(bio)) return bio.biIter.biSize / SECTOR_SIZE
    this.#target.mapSector(bio.biIter.biSector, this.#place)
    return this.#place.sectors
  }

  poll(): number {
    let found = 0
    for (const lower of this.#lowers) found += lower.queue.poll()
    return found
  }

  trySubmitBio(bio: Bio, plug: Plug | null): BlkStatus {
    if (this.#needsSeveral(bio)) return BlkStatus.AGAIN
    // A generation that is over is refused here, before a part of the I/O is handed to anybody.
    if (bio.biDmabufMap?.dead === true) return BlkStatus.STALE
    const io = this.#ios.tryGet(bio)
    if (io === null) return BlkStatus.AGAIN
    const lower = this.#prepareOne(io)
    io.hold()
    const status = lower.submitBio(io.clone, plug)
    if (status !== BlkStatus.OK) {
      io.clone.biDmabufMap = null
      io.end()
      this.#ios.put(io)
    }
    return status
  }

  *submitBio(bio: Bio, submission: BioSubmission): Op<void> {
    if (bio.biDmabufMap?.dead === true) {
      this.#endBio(bio, BlkStatus.STALE)
      return
    }
    const needsSeveral = this.#needsSeveral(bio)
    if (needsSeveral && (bio.biOpf & ReqFlags.NOWAIT) !== 0) {
      this.#endBio(bio, BlkStatus.AGAIN)
      return
    }
    let io = this.#ios.tryGet(bio)
    if (io === null) {
      submission.plug.finish()
      io = yield* this.#ios.get(bio)
    }
    if (!needsSeveral) this.#submitOne(io, submission)
    else if ((bio.biOpf & ReqFlags.PREFLUSH) === 0) yield* this.#submitRanges(io, submission)
    else {
      io.flushing = bio.biIter.biSize > 0
      yield* this.#submitFlushes(io, submission)
    }
  }

  clonesEnded(io: StackedIo): void {
    if (io.flushing && io.status === BlkStatus.OK) {
      io.flushing = false
      io.resume(this.#kernel)
      return
    }
    const { status } = io
    const bio = io.end()
    this.#ios.put(io)
    this.#endBio(bio, status)
  }

  /** The flushes before the data have ended. @see drivers/md/dm.c dm_wq_work */
  *resumed(io: StackedIo): Op<void> {
    const plug = new Plug()
    const submission = new BioSubmission(plug)
    io.bio.biOpf &= ~ReqFlags.PREFLUSH
    if (io.bio.biDmabufMap?.dead === true) {
      io.status = BlkStatus.STALE
      this.clonesEnded(io)
      return
    }
    if (this.#isRange(io.bio)) yield* this.#submitRanges(io, submission)
    else this.#submitOne(io, submission)
    yield* submission.run()
    plug.finish()
  }

  #endBio(bio: Bio, status: BlkStatus): void {
    assert(this.#disk !== null, 'stacked driver: without its disk')
    this.#disk.endBio(bio, status)
  }

  #lowerAt(index: number): Disk {
    const lower = this.#lowers[index]
    assert(lower !== undefined, 'stacked target: a lower disk that there is not')
    return lower
  }

  #isRange(bio: Bio): boolean {
    if (this.#target.mapRange === undefined) return false
    const op = reqOp(bio.biOpf)
    return op === ReqOp.DISCARD || op === ReqOp.WRITE_ZEROES
  }

  #needsSeveral(bio: Bio): boolean {
    if (this.#lowers.length === 1) return false
    return (bio.biOpf & ReqFlags.PREFLUSH) !== 0 || this.#isRange(bio)
  }

  #submitOne(io: StackedIo, submission: BioSubmission): void {
    const lower = this.#prepareOne(io)
    io.hold()
    submission.submit(io.clone, lower)
  }

  #prepareOne(io: StackedIo): Disk {
    const { bio, clone } = io
    const place = this.#place
    // An empty flush has no place; where it is one clone there is one lower disk.
    if (bio.biIter.biSize === 0) place.lower = place.sector = 0
    else this.#target.mapSector(bio.biIter.biSector, place)
    const lower = this.#lowerAt(place.lower)
    this.#clone(clone, io)
    clone.biIter.biSector = place.sector
    this.#remapped(io.bio, clone, lower)
    return lower
  }

  /** The payload, but for the place; what the driver below sees of a registered buffer is that disk's map. */
  #clone(clone: Bio, io: StackedIo): void {
    const { bio } = io
    bioInitClone(clone, bio, io)
    const map = bio.biDmabufMap
    if (map === null) return
    assert(map.childMap !== undefined, 'stacked disk: a map that was not made by its own token')
    clone.biDmabufMap = map.childMap(this.#place.lower)
  }

  *#submitRanges(io: StackedIo, submission: BioSubmission): Op<void> {
    const { mapRange } = this.#target
    assert(mapRange !== undefined, 'stacked target: no ranges')
    const { biSector, biSize } = io.bio.biIter
    // Held until the last one is queued: clones that are queued cannot end.
    io.hold()
    yield* this.#lockClones(submission)
    for (let index = 0; index < this.#lowers.length; index++) {
      const clone = yield* this.#allocClone(submission)
      const place = this.#place
      place.lower = index
      this.#target.mapRange?.(biSector, biSize / SECTOR_SIZE, place)
      if (place.sectors === 0) {
        this.#clones.put(clone)
        continue
      }
      this.#clone(clone, io)
      clone.biIter.biSector = place.sector
      clone.biIter.biSize = place.sectors * SECTOR_SIZE
      const lower = this.#lowerAt(index)
      this.#remapped(io.bio, clone, lower)
      io.hold()
      submission.submit(clone, lower)
    }
    this.#clonesLock.unlock()
    io.release()
  }

  *#submitFlushes(io: StackedIo, submission: BioSubmission): Op<void> {
    io.hold()
    yield* this.#lockClones(submission)
    for (const lower of this.#lowers) {
      const clone = yield* this.#allocClone(submission)
      clone.init(FLUSH_OPF, 0, io)
      clone.biOrigin = bioRoot(io.bio)
      io.hold()
      submission.submit(clone, lower)
    }
    this.#clonesLock.unlock()
    io.release()
  }

  *#lockClones(submission: BioSubmission): Op<void> {
    if (this.#clonesLock.tryLock()) return
    // What its holder waits for may still be in the plug.
    submission.plug.finish()
    yield* this.#clonesLock.lock()
  }

  *#allocClone(submission: BioSubmission): Op<Bio> {
    const clone = this.#clones.tryAlloc()
    if (clone !== null) return clone
    submission.plug.finish()
    return yield* this.#clones.alloc()
  }

  #remapped(bio: Bio, clone: Bio, lower: Disk): void {
    if (!this.#bioRemap.enabled) return
    const { biSector, biSize } = clone.biIter
    const old = bio.biIter.biSector
    const sectors = biSize / SECTOR_SIZE
    const op = reqOp(clone.biOpf)
    this.#bioRemap.emit(lower.name, op, biSector, sectors, this.#disk?.name ?? '', old)
  }
}
