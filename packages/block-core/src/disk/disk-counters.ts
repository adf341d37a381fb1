// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { Request } from '../mq/request.ts'
import type { RqTimes } from '../mq/rq-times.ts'
import { ReqFlags } from '../req-flags.ts'
import type { DiskStats, IoGroupStats } from './disk-stats.ts'
import { IoStats, opStatGroup, StatGroup } from './io-stats.ts'

const BIOS = 0
const REQUESTS = 1
/** Ends of requests of somebody's own, which are no I/O of the disk. */
const PASSTHROUGHS = 2
const WIDE_COUNTERS = 3

/** The counters behind `DiskStats`. What counts I/Os or bytes outgrows a small integer, so it lives in a typed array. */
export class DiskCounters implements DiskStats {
  splits: number
  merges: number
  requeues: number
  errors: number
  flushes: number
  tagWaits: number
  again: number
  batches: number
  inFlight: number
  readonly io: IoStats
  readonly #wide: Float64Array

  constructor(scheduler: Scheduler) {
    this.splits = 0
    this.merges = 0
    this.requeues = 0
    this.errors = 0
    this.flushes = 0
    this.tagWaits = 0
    this.again = 0
    this.batches = 0
    this.inFlight = 0
    this.io = new IoStats(scheduler)
    this.#wide = new Float64Array(WIDE_COUNTERS)
  }

  get read(): IoGroupStats {
    return this.io.read
  }

  get write(): IoGroupStats {
    return this.io.write
  }

  get discard(): IoGroupStats {
    return this.io.discard
  }

  get flush(): IoGroupStats {
    return this.io.flush
  }

  get inFlightReads(): number {
    return this.io.inFlightReads
  }

  get inFlightWrites(): number {
    return this.io.inFlight - this.io.inFlightReads
  }

  get busyNs(): number {
    return this.io.busyNs
  }

  get bios(): number {
    return this.#at(BIOS)
  }

  get requests(): number {
    return this.#at(REQUESTS)
  }

  get completions(): number {
    const { read, write, discard } = this.io
    return read.ios + write.ios + discard.ios + this.#at(PASSTHROUGHS)
  }

  get bytesRead(): number {
    return this.io.read.goodBytes
  }

  get bytesWritten(): number {
    return this.io.write.goodBytes + this.io.discard.goodBytes
  }

  addBio(): void {
    this.#add(BIOS, 1)
  }

  addRequest(): void {
    this.#add(REQUESTS, 1)
  }

  /** A bio of this operation word became part of a request that was there. */
  addMerge(opf: number): void {
    this.merges++
    this.io.merged(opStatGroup(opf))
  }

  /** A request became part of another one. */
  addRequestMerge(rq: Request): void {
    this.merges++
    if (rq.statGroup !== StatGroup.NONE) this.io.mergedAway(rq.statGroup)
    rq.statGroup = StatGroup.NONE
  }

  /** Called before the bios of the request end, with a fresh clock. @see block/blk-mq.c blk_account_io_done */
  addCompletion(rq: Request, times: RqTimes, status: BlkStatus): void {
    const isGood = status === BlkStatus.OK
    if (!isGood) this.errors++
    const { bio } = rq
    const group = rq.statGroup
    if (group === StatGroup.NONE) {
      this.#add(PASSTHROUGHS, 1)
      return
    }
    rq.statGroup = StatGroup.NONE
    if (bio === null) {
      this.io.done(group, times.startNs, rq.tag, 0, isGood)
      return
    }
    if (isGood && isFlushOnly(bio)) this.flushes++
    let bytes = bio.biIter.biSize
    for (let next = bio.biNext; next !== null; next = next.biNext) bytes += next.biIter.biSize
    this.io.done(group, times.startNs, rq.tag, bytes, isGood)
  }

  /** The first bytes of a request are done. @see block/blk-mq.c blk_account_io_completion */
  addTransfer(rq: Request, status: BlkStatus, bytes: number): void {
    if (rq.statGroup === StatGroup.NONE) return
    this.io.transferred(rq.statGroup, bytes, status === BlkStatus.OK)
  }

  /** A bio of a disk without requests counts from now on. @see block/blk-core.c bio_start_io_acct */
  addBioStart(bio: Bio): void {
    this.inFlight++
    this.io.clock.refresh()
    this.io.start(opStatGroup(bio.biOpf), bio.biStartNs, 0)
  }

  /** The driver did not take it after all. */
  undoBioStart(bio: Bio): void {
    this.inFlight--
    this.io.cancelled(opStatGroup(bio.biOpf))
  }

  /** It ended. @see block/blk-core.c bio_end_io_acct */
  addBioCompletion(bio: Bio, status: BlkStatus): void {
    this.inFlight--
    const isGood = status === BlkStatus.OK
    if (!isGood) this.errors++
    else if (isFlushOnly(bio)) this.flushes++
    this.io.clock.refresh()
    this.io.done(opStatGroup(bio.biOpf), bio.biStartNs, 0, bio.biIter.biSize, isGood)
  }

  #at(index: number): number {
    return this.#wide[index] ?? 0
  }

  #add(index: number, amount: number): void {
    this.#wide[index] = (this.#wide[index] ?? 0) + amount
  }
}

/** A durable write of which all was done by parts has nothing left either. */
function isFlushOnly(bio: Bio): boolean {
  return bio.biIter.biSize === 0 && (bio.biOpf & ReqFlags.PREFLUSH) !== 0
}
