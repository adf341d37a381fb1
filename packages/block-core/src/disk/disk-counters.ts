// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Scheduler } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { Request } from '../mq/request.ts'
import type { RqTimes } from '../mq/rq-times.ts'
import { opIsWrite, ReqFlags, ReqOp, reqOp } from '../req-flags.ts'
import type { DiskStats, IoGroupStats } from './disk-stats.ts'
import { IoStats, opStatGroup } from './io-stats.ts'

const BIOS = 0
const REQUESTS = 1
const COMPLETIONS = 2
const BYTES_READ = 3
const BYTES_WRITTEN = 4
const WIDE_COUNTERS = 5

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
    return this.io.inFlightWrites
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
    return this.#at(COMPLETIONS)
  }

  get bytesRead(): number {
    return this.#at(BYTES_READ)
  }

  get bytesWritten(): number {
    return this.#at(BYTES_WRITTEN)
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
    if (rq.statGroup !== null) this.io.mergedAway(rq.statGroup)
    rq.statGroup = null
  }

  /** A request counts from now on, as what it begins with. The clock is fresh. @see block/blk-mq.c blk_account_io_start */
  addStart(rq: Request, opf: number): void {
    const group = opStatGroup(opf)
    rq.statGroup = group
    this.io.start(group)
  }

  /** Called before the bios of the request end, with a fresh clock. @see block/blk-mq.c blk_account_io_done */
  addCompletion(rq: Request, times: RqTimes, status: BlkStatus): void {
    this.#add(COMPLETIONS, 1)
    if (status !== BlkStatus.OK) this.errors++
    else if (rq.bio !== null && isFlushOnly(rq.bio)) this.flushes++
    const group = rq.statGroup
    if (group === null) return
    let bytes = 0
    for (let bio = rq.bio; bio !== null; bio = bio.biNext) {
      if (status === BlkStatus.OK) this.#addBytes(bio.biOpf, bio.biIter.biSize)
      bytes += bio.biIter.biSize
    }
    rq.statGroup = null
    this.io.transferred(group, bytes)
    this.io.done(group, times.startNs, rq.tag)
  }

  /** The first bytes of a request are done. @see block/blk-mq.c blk_account_io_completion */
  addTransfer(rq: Request, status: BlkStatus, bytes: number): void {
    if (status === BlkStatus.OK) this.#addBytes(rq.cmdFlags, bytes)
    if (rq.statGroup !== null) this.io.transferred(rq.statGroup, bytes)
  }

  /** A bio of a disk without requests counts from now on. @see block/blk-core.c bio_start_io_acct */
  addBioStart(bio: Bio): void {
    this.inFlight++
    this.io.clock.refresh()
    bio.biStartNs[0] = this.io.clock.nowNs
    this.io.start(opStatGroup(bio.biOpf))
  }

  /** The driver did not take it after all. */
  undoBioStart(bio: Bio): void {
    this.inFlight--
    this.io.cancelled(opStatGroup(bio.biOpf))
  }

  /** It ended. @see block/blk-core.c bio_end_io_acct */
  addBioCompletion(bio: Bio, status: BlkStatus): void {
    this.inFlight--
    this.#add(COMPLETIONS, 1)
    if (status !== BlkStatus.OK) this.errors++
    else if (isFlushOnly(bio)) this.flushes++
    const { biSize } = bio.biIter
    if (status === BlkStatus.OK) this.#addBytes(bio.biOpf, biSize)
    const group = opStatGroup(bio.biOpf)
    this.io.clock.refresh()
    this.io.transferred(group, biSize)
    this.io.done(group, bio.biStartNs, 0)
  }

  #addBytes(opf: number, bytes: number): void {
    const op = reqOp(opf)
    if (op === ReqOp.READ) this.#add(BYTES_READ, bytes)
    else if (opIsWrite(op)) this.#add(BYTES_WRITTEN, bytes)
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
