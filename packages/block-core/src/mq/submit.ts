// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, Errno, type Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { bioEndio, bioEndWith, bioSplitFront } from '../bio/bio-chain.ts'
import { BioSet } from '../bio/bio-set.ts'
import { BlkStatus, errnoToBlkStatus } from '../blk-status.ts'
import { checkBio } from '../disk/check-bio.ts'
import { bioSplitToLimits } from '../limits/split.ts'
import { ReqFlags, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import {
  dropNeedlessFlush,
  flushStepsOf,
  prepareFlushStep,
  rqInitFromBio,
} from './flush-sequence.ts'
import type { HwQueue, HwQueueHome } from './hw-queue.ts'
import { Plug } from './plug.ts'
import type { Request } from './request.ts'

/**
 * From a bio to requests in a plug or with the driver. @see block/blk-mq.c blk_mq_submit_bio
 */
export class BioSubmitter {
  readonly #home: HwQueueHome
  readonly #hctxs: readonly HwQueue[]
  readonly #splitBios: BioSet

  constructor(home: HwQueueHome, hctxs: readonly HwQueue[], splitBios: number) {
    this.#home = home
    this.#hctxs = hctxs
    this.#splitBios = new BioSet(home.kernel, `${home.disk.name} split`, splitBios)
  }

  /** See Disk.submitBio. */
  submit(bio: Bio, plug: Plug | null): BlkStatus {
    const { disk, gate } = this.#home
    dropNeedlessFlush(bio, disk.limits)
    const refusal = checkBio(bio, disk)
    if (refusal !== BlkStatus.OK) return refusal
    if (nothingToDo(bio)) {
      this.#accepted(bio)
      bioEndio(bio)
      return BlkStatus.OK
    }
    const cut = bioSplitToLimits(bio, disk.limits)
    if (cut < 0 && cut !== -Errno.EAGAIN) return errnoToBlkStatus(cut)
    if (cut !== 0) return this.#again()
    const hctx = this.#hctxFor(plug)
    const rq = hctx.tryGetRequest()
    if (rq === null) {
      if (gate.dying) return BlkStatus.IOERR
      return this.#again()
    }
    this.#accepted(bio)
    this.#send(rq, bio, hctx, plug)
    return BlkStatus.OK
  }

  /** See Disk.submitBioWait. */
  *submitWait(bio: Bio, plug: Plug | null): Op<void> {
    const { disk, counters, trace } = this.#home
    dropNeedlessFlush(bio, disk.limits)
    this.#accepted(bio)
    const refusal = checkBio(bio, disk)
    if (refusal !== BlkStatus.OK || nothingToDo(bio)) {
      bioEndWith(bio, refusal)
      return
    }
    let cut = bioSplitToLimits(bio, disk.limits)
    const batch = plug ?? (cut > 0 ? new Plug() : null)
    while (cut > 0) {
      const front = yield* this.#allocSplit(batch)
      bioSplitFront(bio, cut, front)
      counters.splits++
      if (trace.split.enabled) {
        trace.split.emit(disk.name, front.biIter.biSector, bio.biIter.biSector)
      }
      yield* this.#sendWait(front, batch)
      cut = bioSplitToLimits(bio, disk.limits)
    }
    if (cut < 0) bioEndWith(bio, errnoToBlkStatus(cut))
    else yield* this.#sendWait(bio, batch)
    if (plug === null) batch?.finish()
  }

  get idle(): boolean {
    return this.#splitBios.free === this.#splitBios.sizeBios
  }

  #again(): BlkStatus {
    this.#home.counters.again++
    return BlkStatus.AGAIN
  }

  #accepted(bio: Bio): void {
    const { disk, counters, trace } = this.#home
    counters.addBio()
    if (trace.bioQueue.enabled) {
      const { biSector, biSize } = bio.biIter
      trace.bioQueue.emit(disk.name, reqOp(bio.biOpf), biSector, biSize / SECTOR_SIZE)
    }
  }

  *#allocSplit(plug: Plug | null): Op<Bio> {
    const front = this.#splitBios.tryAlloc()
    if (front !== null) return front
    // What would free one may still be in the plug.
    plug?.finish()
    return yield* this.#splitBios.alloc()
  }

  *#sendWait(bio: Bio, plug: Plug | null): Op<void> {
    const { gate, counters } = this.#home
    const hctx = this.#hctxFor(plug)
    for (;;) {
      const rq = hctx.tryGetRequest()
      if (rq !== null) {
        this.#send(rq, bio, hctx, plug)
        return
      }
      if (gate.dying) {
        hctx.passTagWake()
        bioEndWith(bio, BlkStatus.IOERR)
        return
      }
      if ((bio.biOpf & ReqFlags.NOWAIT) !== 0) {
        bioEndWith(bio, this.#again())
        return
      }
      plug?.finish()
      if (gate.frozen) {
        hctx.passTagWake()
        yield* gate.waitOpen()
        continue
      }
      counters.tagWaits++
      yield* hctx.tags.wait.waitEvent(() => hctx.tags.free > 0 || gate.dying)
    }
  }

  #send(rq: Request, bio: Bio, hctx: HwQueue, plug: Plug | null): void {
    const { disk, trace } = this.#home
    rqInitFromBio(rq, bio)
    rq.flushSteps = flushStepsOf(bio, disk.limits)
    if (rq.flushSteps !== 0) prepareFlushStep(rq, bio, disk.limits)
    if (trace.getRq.enabled) trace.rq(trace.getRq, rq, rq.dataBytes)
    if (plug === null) hctx.issue(rq)
    else plug.add(rq)
  }

  #hctxFor(plug: Plug | null): HwQueue {
    const hctx = this.#hctxs[plug === null ? 0 : plug.cpu % this.#hctxs.length]
    assert(hctx !== undefined, 'plug: no such cpu')
    return hctx
  }
}

/** No data and nothing to flush. */
function nothingToDo(bio: Bio): boolean {
  return bio.biIter.biSize === 0 && (bio.biOpf & ReqFlags.PREFLUSH) === 0
}
