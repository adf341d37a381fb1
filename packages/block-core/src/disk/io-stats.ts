// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Scheduler } from '@iolayers/kernel'
import { QueueClock } from '../mq/queue-clock.ts'
import { opIsWrite, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import type { IoGroupStats } from './disk-stats.ts'

/** What I/O is counted as. @see include/linux/blk_types.h enum stat_group */
export const StatGroup = { READ: 0, WRITE: 1, DISCARD: 2, FLUSH: 3 } as const
export type StatGroup = (typeof StatGroup)[keyof typeof StatGroup]

/** @see include/linux/blk_types.h op_stat_group */
export function opStatGroup(opf: number): StatGroup {
  if (reqOp(opf) === ReqOp.DISCARD) return StatGroup.DISCARD
  return opIsWrite(opf) ? StatGroup.WRITE : StatGroup.READ
}

const IOS = 0
const MERGES = 1
const SECTORS = 2
const TIME_NS = 3
const CELLS = 4
const GROUPS = 4

/** What one group came to. */
class IoGroup implements IoGroupStats {
  readonly #cells: Float64Array

  constructor(cells: Float64Array, group: StatGroup) {
    this.#cells = cells.subarray(group * CELLS, (group + 1) * CELLS)
  }

  get ios(): number {
    return this.#cells[IOS] ?? 0
  }

  get merges(): number {
    return this.#cells[MERGES] ?? 0
  }

  get sectors(): number {
    return this.#cells[SECTORS] ?? 0
  }

  get timeNs(): number {
    return this.#cells[TIME_NS] ?? 0
  }
}

const STAMP_NS = 0
const BUSY_NS = 1

/**
 * The I/O statistics of a disk: what is behind `/sys/block/<disk>/stat`. An I/O counts from its submission to its end, and belongs to
 * the group that it started with. Where the kernel counts the time with I/O in flight in ticks of its timer, this does in nanoseconds.
 * @see block/blk-mq.c blk_account_io_start, blk_account_io_done; block/blk-core.c bdev_start_io_acct, update_io_ticks
 */
export class IoStats {
  readonly clock: QueueClock
  readonly read: IoGroupStats
  readonly write: IoGroupStats
  readonly discard: IoGroupStats
  readonly flush: IoGroupStats
  inFlightReads: number
  inFlightWrites: number
  /** Counts and times outgrow a small integer, and no time is ever an argument: it would be made an object. */
  readonly #cells: Float64Array
  readonly #times: Float64Array

  constructor(scheduler: Scheduler) {
    this.clock = new QueueClock(scheduler)
    this.#cells = new Float64Array(GROUPS * CELLS)
    this.read = new IoGroup(this.#cells, StatGroup.READ)
    this.write = new IoGroup(this.#cells, StatGroup.WRITE)
    this.discard = new IoGroup(this.#cells, StatGroup.DISCARD)
    this.flush = new IoGroup(this.#cells, StatGroup.FLUSH)
    this.inFlightReads = 0
    this.inFlightWrites = 0
    this.#times = new Float64Array(2)
  }

  /** Time during which anything was in flight, up to now. */
  get busyNs(): number {
    if (this.#inFlight > 0) {
      this.clock.refresh()
      this.#tick(true)
    }
    return this.#times[BUSY_NS] ?? 0
  }

  /** An I/O is submitted; the clock is fresh. */
  start(group: StatGroup): void {
    this.#tick(false)
    if (group === StatGroup.READ) this.inFlightReads++
    else this.inFlightWrites++
  }

  /** It ended, well or not; the clock is fresh. It began at `startsNs[index]`. */
  done(group: StatGroup, startsNs: Float64Array, index: number): void {
    this.#tick(true)
    this.#count(group, startsNs, index)
    this.#leave(group)
  }

  /** It became part of another one. @see block/blk-merge.c blk_account_io_merge_request */
  mergedAway(group: StatGroup): void {
    this.merged(group)
    this.#leave(group)
  }

  /** A bio became part of a request. @see block/blk-merge.c blk_account_io_merge_bio */
  merged(group: StatGroup): void {
    this.#add(group * CELLS + MERGES, 1)
  }

  /** It did not come about. */
  cancelled(group: StatGroup): void {
    this.#leave(group)
  }

  /** A device was told to flush its cache, and did. @see block/blk-flush.c blk_account_io_flush */
  flushed(startsNs: Float64Array, index: number): void {
    this.#count(StatGroup.FLUSH, startsNs, index)
  }

  transferred(group: StatGroup, bytes: number): void {
    this.#add(group * CELLS + SECTORS, bytes / SECTOR_SIZE)
  }

  #count(group: StatGroup, startsNs: Float64Array, index: number): void {
    const at = group * CELLS
    const cells = this.#cells
    cells[at + IOS] = (cells[at + IOS] ?? 0) + 1
    cells[at + TIME_NS] = (cells[at + TIME_NS] ?? 0) + this.clock.nowNs - (startsNs[index] ?? 0)
  }

  #add(cell: number, amount: number): void {
    this.#cells[cell] = (this.#cells[cell] ?? 0) + amount
  }

  get #inFlight(): number {
    return this.inFlightReads + this.inFlightWrites
  }

  #leave(group: StatGroup): void {
    assert(this.#inFlight > 0, 'I/O statistics: more ends than starts')
    if (group === StatGroup.READ) this.inFlightReads--
    else this.inFlightWrites--
  }

  /** The time since the last change was busy when something was in flight, which at an end it was. */
  #tick(isEnd: boolean): void {
    const { nowNs } = this.clock
    const stampNs = this.#times[STAMP_NS] ?? 0
    if (nowNs <= stampNs) return
    this.#times[STAMP_NS] = nowNs
    if (!isEnd && this.#inFlight === 0) return
    this.#times[BUSY_NS] = (this.#times[BUSY_NS] ?? 0) + nowNs - stampNs
  }
}
