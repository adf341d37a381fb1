// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Scheduler } from '@iolayers/kernel'
import { QueueClock } from '../mq/queue-clock.ts'
import { opIsWrite, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import type { IoGroupStats } from './disk-stats.ts'

/** What I/O is counted as; NONE: not at all. @see include/linux/blk_types.h enum stat_group */
export const StatGroup = { NONE: -1, READ: 0, WRITE: 1, DISCARD: 2, FLUSH: 3 } as const
export type StatGroup = (typeof StatGroup)[keyof typeof StatGroup]

/** @see include/linux/blk_types.h op_stat_group */
export function opStatGroup(opf: number): StatGroup {
  const op = reqOp(opf)
  if (op === ReqOp.READ) return StatGroup.READ
  if (op === ReqOp.DISCARD) return StatGroup.DISCARD
  return opIsWrite(op) ? StatGroup.WRITE : StatGroup.READ
}

const IOS = 0
const MERGES = 1
const SECTORS = 2
const TIME_NS = 3
const GOOD_BYTES = 4
const CELLS = 5
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

  /** Of those that ended well. */
  get goodBytes(): number {
    return this.#cells[GOOD_BYTES] ?? 0
  }
}

const BUSY_SINCE_NS = 0
const BUSY_NS = 1

/**
 * The I/O statistics of a disk: what is behind `/sys/block/<disk>/stat`. An I/O counts from its submission to its end, and belongs to
 * the group that it started with. Where the kernel counts the time with I/O in flight in ticks of its timer, this does in nanoseconds, from the first
 * to the last.
 * @see block/blk-mq.c blk_account_io_start, blk_account_io_done; block/blk-core.c bdev_start_io_acct, update_io_ticks
 */
export class IoStats {
  readonly clock: QueueClock
  readonly read: IoGroup
  readonly write: IoGroup
  readonly discard: IoGroup
  readonly flush: IoGroup
  inFlight: number
  inFlightReads: number
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
    this.inFlight = 0
    this.inFlightReads = 0
    this.#times = new Float64Array(2)
  }

  /** Time during which anything was in flight, up to now. */
  get busyNs(): number {
    const busyNs = this.#times[BUSY_NS] ?? 0
    if (this.inFlight === 0) return busyNs
    this.clock.refresh()
    return busyNs + this.clock.nowNs - (this.#times[BUSY_SINCE_NS] ?? 0)
  }

  /** An I/O is submitted; the clock is fresh, and its time goes to `startsNs[index]`. */
  start(group: StatGroup, startsNs: Float64Array, index: number): void {
    const { nowNs } = this.clock
    startsNs[index] = nowNs
    if (this.inFlight === 0) this.#times[BUSY_SINCE_NS] = nowNs
    this.inFlight++
    if (group === StatGroup.READ) this.inFlightReads++
  }

  /** It ended, with so many bytes that were not counted before; the clock is fresh. It began at `startsNs[index]`. */
  done(
    group: StatGroup,
    startsNs: Float64Array,
    index: number,
    bytes: number,
    isGood: boolean,
  ): void {
    this.#count(group, startsNs, index)
    this.transferred(group, bytes, isGood)
    this.#leave(group)
  }

  /** It became part of another one. @see block/blk-merge.c blk_account_io_merge_request */
  mergedAway(group: StatGroup): void {
    this.merged(group)
    this.#leave(group)
  }

  /** A bio became part of a request. @see block/blk-merge.c blk_account_io_merge_bio */
  merged(group: StatGroup): void {
    const at = group * CELLS + MERGES
    this.#cells[at] = (this.#cells[at] ?? 0) + 1
  }

  /** It did not come about. */
  cancelled(group: StatGroup): void {
    this.#leave(group)
  }

  /** A device was told to flush its cache, and did. @see block/blk-flush.c blk_account_io_flush */
  flushed(startsNs: Float64Array, index: number): void {
    this.#count(StatGroup.FLUSH, startsNs, index)
  }

  transferred(group: StatGroup, bytes: number, isGood: boolean): void {
    const at = group * CELLS
    const cells = this.#cells
    cells[at + SECTORS] = (cells[at + SECTORS] ?? 0) + bytes / SECTOR_SIZE
    if (isGood) cells[at + GOOD_BYTES] = (cells[at + GOOD_BYTES] ?? 0) + bytes
  }

  #count(group: StatGroup, startsNs: Float64Array, index: number): void {
    const at = group * CELLS
    const cells = this.#cells
    cells[at + IOS] = (cells[at + IOS] ?? 0) + 1
    cells[at + TIME_NS] = (cells[at + TIME_NS] ?? 0) + this.clock.nowNs - (startsNs[index] ?? 0)
  }

  #leave(group: StatGroup): void {
    assert(this.inFlight > 0, 'I/O statistics: more ends than starts')
    this.inFlight--
    if (group === StatGroup.READ) this.inFlightReads--
    if (this.inFlight > 0) return
    const times = this.#times
    times[BUSY_NS] = (times[BUSY_NS] ?? 0) + this.clock.nowNs - (times[BUSY_SINCE_NS] ?? 0)
  }
}
