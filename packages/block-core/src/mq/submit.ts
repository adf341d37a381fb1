// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { bioEndio, bioEndWith, bioSplitFront } from '../bio/bio-chain.ts'
import { BioSet } from '../bio/bio-set.ts'
import { BlkStatus, errnoToBlkStatus } from '../blk-status.ts'
import { checkBio } from '../disk/check-bio.ts'
import { bioSplitToLimits } from '../limits/split.ts'
import { ElvMerge } from '../merge/elv-merge.ts'
import { bioMergeable } from '../merge/merge-ok.ts'
import { ReqFlags, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import {
  dropNeedlessFlush,
  flushStepsOf,
  prepareFlushStep,
  rqInitFromBio,
} from './flush-sequence.ts'
import type { HctxTable } from './hctx-table.ts'
import type { HwQueue, HwQueueHome } from './hw-queue.ts'
import { Plug } from './plug.ts'
import type { QueueClock } from './queue-clock.ts'
import type { Request } from './request.ts'

/**
 * From a bio to requests in a plug or with the driver. @see block/blk-mq.c blk_mq_submit_bio
 */
export class BioSubmitter {
  readonly #home: HwQueueHome
  readonly #hctxs: HctxTable
  readonly #clock: QueueClock
  readonly #splitBios: BioSet

  constructor(home: HwQueueHome, hctxs: HctxTable, splitBios: number) {
    this.#home = home
    this.#clock = home.counters.io.clock
    this.#hctxs = hctxs
    this.#splitBios = new BioSet(home.kernel, `${home.disk.name} split`, splitBios)
  }

  /** See Disk.submitBio. */
  submit(bio: Bio, plug: Plug | null): BlkStatus {
    const { disk, gate } = this.#home
    dropNeedlessFlush(bio, disk.limits)
    this.#dropNeedlessPolled(bio)
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
    const { sched } = this.#home
    const mayMerge = !gate.dying && bioMergeable(bio)
    const way = mayMerge ? sched.bioMerge(bio, plug) : ElvMerge.NO_MERGE
    if (way !== ElvMerge.NO_MERGE) {
      this.#accepted(bio)
      sched.accountMerge(bio, way)
      return BlkStatus.OK
    }
    const hctx = this.#hctxFor(plug, bio)
    const rq = this.#tryGetRequest(hctx, bio)
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
    this.#dropNeedlessPolled(bio)
    this.#accepted(bio)
    const refusal = checkBio(bio, disk)
    if (refusal !== BlkStatus.OK || nothingToDo(bio)) {
      bioEndWith(bio, refusal)
      return
    }
    let cut = this.#cutBytes(bio)
    const batch = plug ?? (cut > 0 ? new Plug() : null)
    while (cut > 0) {
      const front = yield* this.#allocSplit(batch)
      bioSplitFront(bio, cut, front)
      front.biOpf |= ReqFlags.NOMERGE
      counters.splits++
      if (trace.split.enabled) {
        trace.split.emit(disk.name, front.biIter.biSector, bio.biIter.biSector)
      }
      yield* this.#sendWait(front, batch)
      cut = this.#cutBytes(bio)
    }
    if (cut < 0) bioEndWith(bio, errnoToBlkStatus(cut))
    else if (!this.#tryMerge(bio, batch)) yield* this.#sendWait(bio, batch)
    if (plug === null) batch?.finish()
  }

  #tryMerge(bio: Bio, plug: Plug | null): boolean {
    const { gate, sched } = this.#home
    if (gate.dying || !bioMergeable(bio)) return false
    const way = sched.bioMerge(bio, plug)
    if (way === ElvMerge.NO_MERGE) return false
    sched.accountMerge(bio, way)
    return true
  }

  /** Waits until no fragment is left. On a dead disk those that have no request end as soon as their submitters run. */
  *drain(): Op<void> {
    const fragments: Bio[] = []
    while (fragments.length < this.#splitBios.sizeBios) {
      fragments.push(yield* this.#splitBios.alloc())
    }
    for (const fragment of fragments) this.#splitBios.put(fragment)
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

  /** Where to cut; a NOWAIT bio does not wait for one to cut it with. */
  #cutBytes(bio: Bio): number {
    const cut = bioSplitToLimits(bio, this.#home.disk.limits)
    if (cut <= 0 || (bio.biOpf & ReqFlags.NOWAIT) === 0) return cut
    return this.#splitBios.free > 0 ? cut : -Errno.EAGAIN
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
    for (;;) {
      // Hardware queues come and go while it sleeps.
      const hctx = this.#hctxFor(plug, bio)
      const rq = this.#tryGetRequest(hctx, bio)
      if (rq !== null) {
        this.#send(rq, bio, hctx, plug)
        return
      }
      if (gate.dying) {
        hctx.tags.passWake()
        bioEndWith(bio, BlkStatus.IOERR)
        return
      }
      if ((bio.biOpf & ReqFlags.NOWAIT) !== 0) {
        bioEndWith(bio, this.#again())
        return
      }
      plug?.finish()
      if (gate.frozen) {
        hctx.tags.passWake()
        yield* gate.waitOpen()
        continue
      }
      counters.tagWaits++
      yield* this.#waitTag(hctx, bio)
      // Woken for a tag of a queue that it does not go to any more.
      if (this.#hctxFor(plug, bio) !== hctx) hctx.tags.passWake()
    }
  }

  #tryGetRequest(hctx: HwQueue, bio: Bio): Request | null {
    return this.#home.sched.mayAllocate(bio.biOpf, hctx.nrActive) ? hctx.tryGetRequest(false) : null
  }

  #waitTag(hctx: HwQueue, bio: Bio): Op<void> {
    const { gate, sched } = this.#home
    if (sched.mayAllocate(bio.biOpf, hctx.nrActive)) return hctx.waitTag(false)
    hctx.tags.passWake()
    const giveUp = () => gate.dying || gate.frozen
    return sched.waitAllowed(bio.biOpf, () => hctx.nrActive, giveUp)
  }

  #send(rq: Request, bio: Bio, hctx: HwQueue, plug: Plug | null): void {
    const { disk, trace } = this.#home
    rqInitFromBio(rq, bio)
    if (plug === null) this.#clock.refresh()
    else plug.stamp(this.#clock)
    hctx.account(rq, bio.biOpf)
    rq.flushSteps = flushStepsOf(bio, disk.limits)
    if (rq.flushSteps !== 0) prepareFlushStep(rq, bio, disk.limits)
    if (trace.getRq.enabled) trace.rq(trace.getRq, rq, rq.dataBytes)
    if (plug === null) hctx.dispatch.issue(rq)
    else plug.add(rq)
  }

  /**
   * What nobody could poll completes by itself, and so does I/O on a registered buffer: a task that may or may not poll must not stand between the end of
   * its DMA and the drain fence. @see block/bio.c bio_clear_polled
   */
  #dropNeedlessPolled(bio: Bio): void {
    const { biOpf } = bio
    if ((biOpf & ReqFlags.POLLED) === 0) return
    if (!this.#hctxs.canPoll || (biOpf & ReqFlags.DMABUF) !== 0)
      bio.biOpf = biOpf & ~ReqFlags.POLLED
  }

  #hctxFor(plug: Plug | null, bio: Bio): HwQueue {
    return this.#hctxs.mapQueue(plug === null ? 0 : plug.cpu, bio.biOpf)
  }
}

/** No data and nothing to flush. */
function nothingToDo(bio: Bio): boolean {
  return bio.biIter.biSize === 0 && (bio.biOpf & ReqFlags.PREFLUSH) === 0
}
