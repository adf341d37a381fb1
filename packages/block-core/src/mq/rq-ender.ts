// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { bioAdvance, bioEndWith } from '../bio/bio-chain.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import type { BlockTrace } from '../disk/block-trace.ts'
import type { DiskCounters } from '../disk/disk-counters.ts'
import { ReqFlags, SECTOR_SIZE } from '../req-flags.ts'
import type { Request } from './request.ts'
import type { RqTimes } from './rq-times.ts'

/** Ends the bios of requests of one disk, all at once or bytes at a time, and counts what they moved. */
export class RqEnder {
  readonly #name: string
  readonly #counters: DiskCounters
  readonly #trace: BlockTrace

  constructor(name: string, counters: DiskCounters, trace: BlockTrace) {
    this.#name = name
    this.#counters = counters
    this.#trace = trace
  }

  /** Ends what bios the request has left. The clock is fresh. */
  endBios(rq: Request, times: RqTimes, status: BlkStatus): void {
    this.#counters.addCompletion(rq, times, status)
    let bio = rq.bio
    rq.bio = null
    rq.bioTail = null
    while (bio !== null) {
      const next = bio.biNext
      this.#endBio(bio, status)
      bio = next
    }
  }

  /**
   * The first `bytes` of a request came to `status`: bios that lie in them end, the request begins behind them. False when nothing is
   * left. Its count of segments stays, as a bound. The bio of a flush sequence ends with the last step.
   * @see block/blk-mq.c blk_update_request
   */
  update(rq: Request, status: BlkStatus, bytes: number): boolean {
    assert(bytes >= 0 && bytes <= rq.dataBytes, 'update request: more bytes than it has')
    this.#counters.addTransfer(rq, status, bytes)
    let left = bytes
    const isSequence = rq.flushSteps !== 0
    while (!isSequence && rq.bio !== null && left >= rq.bio.biIter.biSize) {
      const bio = rq.bio
      left -= bio.biIter.biSize
      rq.bio = bio.biNext
      this.#endBio(bio, status)
    }
    if (rq.bio === null) {
      rq.bioTail = null
      rq.dataBytes = 0
      return false
    }
    if (left > 0) {
      if (status !== BlkStatus.OK && rq.bio.biStatus === BlkStatus.OK) rq.bio.biStatus = status
      bioAdvance(rq.bio, left)
    }
    rq.dataBytes -= bytes
    rq.sector += Math.floor(bytes / SECTOR_SIZE)
    if (rq.dmabufMap !== null) rq.dmabufOffsetBytes += bytes
    return rq.dataBytes > 0
  }

  #endBio(bio: Bio, status: BlkStatus): void {
    bio.biNext = null
    assert(
      status !== BlkStatus.AGAIN || (bio.biOpf & ReqFlags.NOWAIT) !== 0,
      'AGAIN for a request that did not ask for NOWAIT',
    )
    const { bioComplete } = this.#trace
    if (bioComplete.enabled) {
      const { biSector, biSize } = bio.biIter
      const sectors = biSize / SECTOR_SIZE
      bioComplete.emit(this.#name, biSector, sectors, blkStatusToErrno(status))
    }
    bioEndWith(bio, status)
  }
}
