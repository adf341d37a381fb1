// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, type Op, type Scheduler } from '@iolayers/kernel'
import { bioRoot } from '../bio/bio-chain.ts'
import { BioFlag, bioSetFlag } from '../bio/bio-flags.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import type { BlockTrace } from '../disk/block-trace.ts'
import type { Disk } from '../disk/disk.ts'
import type { DiskCounters } from '../disk/disk-counters.ts'
import { type IoStats, opStatGroup } from '../disk/io-stats.ts'
import type { QueueSched } from '../elevator/queue-sched.ts'
import { ReqOp, reqOp } from '../req-flags.ts'
import type { BlkMqOps } from './blk-mq-ops.ts'
import { nextFlushStep } from './flush-sequence.ts'
import { HctxDispatch } from './hctx-dispatch.ts'
import type { BlkMqHwCtx } from './hw-ctx.ts'
import type { QueueGate } from './queue-gate.ts'
import { HctxType } from './queue-map.ts'
import { MqRqState, type Request } from './request.ts'
import type { RequeueList } from './requeue-list.ts'
import { blkRqDeactivateDmabuf } from './rq-active.ts'
import { RqEndIoRet } from './rq-end-io.ts'
import { RqEnder } from './rq-ender.ts'
import type { RqTimeouts } from './rq-timeouts.ts'
import type { RqTimes } from './rq-times.ts'
import type { TagMap } from './tag-map.ts'
import type { TagUser } from './tag-user.ts'

/** What a hardware queue shares with the rest of its disk. */
export interface HwQueueHome {
  readonly kernel: Kernel
  readonly disk: Disk
  readonly gate: QueueGate
  readonly counters: DiskCounters
  readonly trace: BlockTrace
  readonly sched: QueueSched
  readonly requeues: RequeueList
  readonly timeouts: RqTimeouts
}

/** Where a hardware queue is in its tag set, and whose tags it takes. */
export interface HwQueuePlace {
  readonly queueNum: number
  readonly tags: TagMap
  readonly tagUser: TagUser
}

/**
 * One hardware queue of one disk: hands requests to the driver, keeps what it refused, and ends them.
 *
 *   new --issue--> driver --finish--> ended
 *    ^               |
 *    +-- dispatch <--+  RESOURCE, DEV_RESOURCE, requeue: run again at the next completion or after 3 ms
 */
export class HwQueue implements BlkMqHwCtx {
  readonly queueNum: number
  readonly disk: Disk
  readonly tags: TagMap
  readonly tagUser: TagUser
  readonly ops: BlkMqOps
  readonly scheduler: Scheduler
  readonly dispatch: HctxDispatch
  type: HctxType
  nrCtx: number
  readonly #gate: QueueGate
  readonly #sched: QueueSched
  readonly #counters: DiskCounters
  readonly #io: IoStats
  readonly #times: RqTimes
  readonly #trace: BlockTrace
  readonly #ender: RqEnder
  readonly #requeues: RequeueList
  readonly #timeouts: RqTimeouts

  constructor(home: HwQueueHome, ops: BlkMqOps, place: HwQueuePlace) {
    const { kernel, disk } = home
    const { queueNum, tags, tagUser } = place
    this.queueNum = queueNum
    this.disk = disk
    this.tags = tags
    this.tagUser = tagUser
    this.ops = ops
    this.type = HctxType.DEFAULT
    this.nrCtx = 0
    this.#gate = home.gate
    this.#sched = home.sched
    this.#counters = home.counters
    this.#io = home.counters.io
    this.#times = tags.times
    this.#trace = home.trace
    this.#ender = new RqEnder(disk.name, home.counters, home.trace)
    this.#requeues = home.requeues
    this.#timeouts = home.timeouts
    this.scheduler = kernel.scheduler
    this.dispatch = new HctxDispatch(home, this)
  }

  get nrActive(): number {
    return this.tagUser.active
  }

  /** A free request, entered into the queue; null where there is no tag for it or the queue is frozen or dying. */
  tryGetRequest(reserved: boolean): Request | null {
    if (!this.#gate.tryEnter()) return null
    const rq = this.tags.tryGet(this.tagUser, reserved)
    if (rq === null) {
      this.#gate.exit()
      return null
    }
    rq.mqHctx = this
    nextGeneration(rq)
    this.#counters.addRequest()
    return rq
  }

  /** Waits until there is a tag for this queue, until this queue is gone, or the disk is dying. */
  waitTag(reserved: boolean): Op<void> {
    return this.tags.waitTag(this.tagUser, reserved, () => this.#gate.dying)
  }

  /** A request that a bio was made counts from now on. The clock is fresh. */
  account(rq: Request, opf: number): void {
    const group = opStatGroup(opf)
    rq.statGroup = group
    this.#io.start(group, this.#times.startNs, rq.tag)
  }

  /** @see block/blk-mq.c blk_mq_start_request */
  start(rq: Request): void {
    assert(rq.state === MqRqState.IDLE, 'start: the request was started before')
    rq.state = MqRqState.IN_FLIGHT
    this.#counters.inFlight++
    if (rq.dataBytes > 0) markIssued(rq)
    if (rq.flushSteps !== 0) this.#times.issueNs[rq.tag] = this.#io.clock.nowNs
    this.#timeouts.add(rq, this)
    const { rqIssue } = this.#trace
    if (rqIssue.enabled) this.#trace.rq(rqIssue, rq, rq.dataBytes)
  }

  /** The driver gives a request back that it had started. It drops `active`, and comes again when the list is kicked. */
  requeue(rq: Request, kick: boolean): void {
    assert(rq.state !== MqRqState.IDLE, 'requeue: the request was not started')
    this.rollback(rq)
    nextGeneration(rq)
    this.#requeues.add(rq)
    if (kick) this.#requeues.kick()
  }

  /** See blkAbortRequest. */
  abort(rq: Request): void {
    this.refreshClock()
    this.#timeouts.abort(rq, this)
  }

  /** Before a batch of ends. */
  refreshClock(): void {
    this.#io.clock.refresh()
  }

  /** See blkUpdateRequest. */
  update(rq: Request, status: BlkStatus, bytes: number): boolean {
    return this.#ender.update(rq, status, bytes)
  }

  /** Ends a request, or one step of its flush sequence. The clock is fresh. */
  finish(rq: Request, status: BlkStatus): void {
    if (rq.dmaSegments !== null) blkRqDeactivateDmabuf(rq)
    const times = this.#times
    if (rq.flushSteps !== 0 && reqOp(rq.cmdFlags) === ReqOp.FLUSH) {
      this.#io.flushed(times.issueNs, rq.tag)
    }
    this.#leaveDriver(rq)
    const { rqComplete } = this.#trace
    if (rqComplete.enabled) {
      this.#trace.rqEnd(rqComplete, rq, blkStatusToErrno(status))
    }
    if (status === BlkStatus.OK && rq.flushSteps !== 0 && nextFlushStep(rq, this.disk.limits)) {
      nextGeneration(rq)
      this.dispatch.insertBypass(rq, false)
      this.dispatch.kick()
      return
    }
    this.#ender.endBios(rq, times, status)
    if (rq.endIo === null || this.#endIo(rq, status) === RqEndIoRet.FREE) this.free(rq)
    this.dispatch.kick()
  }

  /** The bios of a request that was not handed over have become part of another one. */
  freeMerged(rq: Request): void {
    assert(rq.bio === null && rq.state === MqRqState.IDLE, 'hw queue: not merged away')
    this.free(rq)
  }

  /** The driver does not have it any more: drops `active`. */
  rollback(rq: Request): void {
    if (rq.dmaSegments !== null) blkRqDeactivateDmabuf(rq)
    this.#leaveDriver(rq)
    this.#counters.requeues++
    this.scheduler.watch?.retried(rq, 'a request went back to be sent again')
    const { rqRequeue } = this.#trace
    if (rqRequeue.enabled) this.#trace.rq(rqRequeue, rq, rq.dataBytes)
  }

  #leaveDriver(rq: Request): void {
    if (rq.state === MqRqState.IDLE) return
    rq.state = MqRqState.IDLE
    this.#counters.inFlight--
    if (this.#counters.inFlight === 0) this.#timeouts.idle()
  }

  #endIo(rq: Request, status: BlkStatus): RqEndIoRet {
    const { endIo } = rq
    assert(endIo !== null, 'hw queue: nobody to tell')
    rq.endIo = null
    nextGeneration(rq)
    return endIo.rqEndIo(rq, status)
  }

  /** Gives the tag back. */
  free(rq: Request): void {
    const { elevator } = this.#sched
    if (elevator !== null && rq.elv !== null) elevator.completed(rq)
    rq.mqHctx = null
    rq.dmabufMap = null
    rq.flushSteps = 0
    if (rq.timeoutNs !== 0) rq.timeoutNs = 0
    nextGeneration(rq)
    this.tags.put(this.tagUser, rq.tag)
    this.#gate.exit()
    if (elevator !== null) this.#sched.wakeAll()
  }
}

/** The device may see it from now on: the death of a map is terminal for the whole I/O. */
function markIssued(rq: Request): void {
  for (let bio = rq.bio; bio !== null; bio = bio.biNext) bioSetFlag(bioRoot(bio), BioFlag.ISSUED)
}

/** Stays a small integer. */
function nextGeneration(rq: Request): void {
  rq.generation = (rq.generation + 1) & 0x3fff_ffff
}
