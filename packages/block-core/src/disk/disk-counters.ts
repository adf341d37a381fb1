// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { Request } from '../mq/request.ts'
import { opIsWrite, ReqOp, reqOp } from '../req-flags.ts'
import type { DiskStats } from './disk-stats.ts'

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
  readonly #wide: Float64Array

  constructor() {
    this.splits = 0
    this.merges = 0
    this.requeues = 0
    this.errors = 0
    this.flushes = 0
    this.tagWaits = 0
    this.again = 0
    this.batches = 0
    this.inFlight = 0
    this.#wide = new Float64Array(WIDE_COUNTERS)
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
  addMerge(_opf: number): void {
    this.merges++
  }

  /** Called before the bios of the request end. */
  addCompletion(rq: Request, status: BlkStatus): void {
    this.#add(COMPLETIONS, 1)
    if (status !== BlkStatus.OK) {
      this.errors++
      return
    }
    const bio = rq.bio
    if (bio === null) return
    if (bio.biIter.biSize === 0) this.flushes++
    for (let each: typeof rq.bio = bio; each !== null; each = each.biNext) this.#addBytes(each)
  }

  /** The same for a bio of a disk without requests. @see block/blk-core.c bio_end_io_acct */
  addBioCompletion(bio: Bio, status: BlkStatus): void {
    this.#add(COMPLETIONS, 1)
    if (status !== BlkStatus.OK) {
      this.errors++
      return
    }
    if (bio.biIter.biSize === 0) this.flushes++
    this.#addBytes(bio)
  }

  #addBytes(bio: Bio): void {
    const op = reqOp(bio.biOpf)
    if (op === ReqOp.READ) this.#add(BYTES_READ, bio.biIter.biSize)
    else if (opIsWrite(op)) this.#add(BYTES_WRITTEN, bio.biIter.biSize)
  }

  #at(index: number): number {
    return this.#wide[index] ?? 0
  }

  #add(index: number, amount: number): void {
    this.#wide[index] = (this.#wide[index] ?? 0) + amount
  }
}
