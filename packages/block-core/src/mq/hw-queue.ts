// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, DeferredCall, type Kernel, type Op, type Scheduler, Timer } from '@iolayers/kernel'
import { bioEndWith, bioRoot } from '../bio/bio-chain.ts'
import { BioFlag, bioSetFlag } from '../bio/bio-flags.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import type { BlockTrace } from '../disk/block-trace.ts'
import type { Disk } from '../disk/disk.ts'
import type { DiskCounters } from '../disk/disk-counters.ts'
import type { Elevator } from '../elevator/elevator.ts'
import type { QueueSched } from '../elevator/queue-sched.ts'
import { ReqFlags, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import type { BlkMqOps } from './blk-mq-ops.ts'
import { nextFlushStep } from './flush-sequence.ts'
import type { BlkMqHwCtx } from './hw-ctx.ts'
import type { QueueGate } from './queue-gate.ts'
import { HctxType } from './queue-map.ts'
import { MqRqState, type Request } from './request.ts'
import { blkRqDeactivateDmabuf } from './rq-active.ts'
import { RqList } from './rq-list.ts'
import type { TagMap } from './tag-map.ts'
import type { TagUser } from './tag-user.ts'

/** After this a driver without resources is asked again, if no completion did it before. @see block/blk-mq.c BLK_MQ_RESOURCE_DELAY */
const BLK_MQ_RESOURCE_DELAY_NS = 3_000_000

/** What a hardware queue shares with the rest of its disk. */
export interface HwQueueHome {
  readonly kernel: Kernel
  readonly disk: Disk
  readonly gate: QueueGate
  readonly counters: DiskCounters
  readonly trace: BlockTrace
  readonly sched: QueueSched
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
  type: HctxType
  nrCtx: number
  readonly #gate: QueueGate
  readonly #sched: QueueSched
  readonly #counters: DiskCounters
  readonly #trace: BlockTrace
  readonly #scheduler: Scheduler
  readonly #dispatch: RqList
  readonly #runList: RqList
  readonly #insertList: RqList
  readonly #runCall: DeferredCall
  readonly #runTimer: Timer
  #running: boolean
  #runAgain: boolean

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
    this.#trace = home.trace
    this.#scheduler = kernel.scheduler
    this.#dispatch = new RqList()
    this.#runList = new RqList()
    this.#insertList = new RqList()
    this.#runCall = new DeferredCall(`run hw queue ${disk.name}/${queueNum}`, () => this.#run())
    this.#runTimer = new Timer(kernel.scheduler, `rerun ${disk.name}/${queueNum}`, () =>
      this.#run(),
    )
    this.#running = false
    this.#runAgain = false
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

  /** Hands one request to the driver or to the scheduler, or keeps it for later. */
  issue(rq: Request): void {
    const { elevator } = this.#sched
    if (elevator !== null && goesBySched(rq)) {
      this.#insertList.addTail(rq)
      elevator.insertRequests(this.queueNum, this.#insertList, false)
      this.kick()
      return
    }
    if (this.#mustPark) {
      this.#dispatch.addTail(rq)
      return
    }
    if (!this.#queueRq(rq, true)) this.#refused(rq)
  }

  /**
   * Hands over requests of this queue in one batch, where the driver has `queueRqs`; the list is empty afterwards. A scheduler takes
   * them first, and gives them one by one.
   */
  issueList(list: RqList): void {
    const { elevator } = this.#sched
    if (elevator !== null) {
      this.#insert(elevator, list)
      this.#run()
      return
    }
    if (this.#mustPark) {
      this.#parkAll(list)
      return
    }
    this.#issueNow(list)
  }

  #issueNow(list: RqList): void {
    let uncommitted = this.#offerBatch(list)
    for (let rq = list.pop(); rq !== null; rq = list.pop()) {
      const last = list.isEmpty
      if (!this.#queueRq(rq, last)) {
        this.#refused(rq)
        this.#parkAll(list)
        break
      }
      uncommitted = !last || rq.state === MqRqState.IDLE
    }
    if (uncommitted) this.ops.commitRqs(this)
  }

  /** @see block/blk-mq.c blk_mq_start_request */
  start(rq: Request): void {
    assert(rq.state === MqRqState.IDLE, 'start: the request was started before')
    rq.state = MqRqState.IN_FLIGHT
    this.#counters.inFlight++
    if (rq.dataBytes > 0) markIssued(rq)
    const { rqIssue } = this.#trace
    if (rqIssue.enabled) this.#trace.rq(rqIssue, rq, rq.dataBytes)
  }

  /** The driver gives a request back that it had started. It drops `active`, and comes again. */
  requeue(rq: Request): void {
    assert(rq.state !== MqRqState.IDLE, 'requeue: the request was not started')
    this.#rollback(rq)
    nextGeneration(rq)
    this.#dispatch.addHead(rq)
  }

  /** Ends a request, or one step of its flush sequence. */
  finish(rq: Request, status: BlkStatus): void {
    if (rq.dmaSegments !== null) blkRqDeactivateDmabuf(rq)
    this.#leaveDriver(rq)
    const { rqComplete } = this.#trace
    if (rqComplete.enabled) {
      this.#trace.rqEnd(rqComplete, rq, blkStatusToErrno(status))
    }
    if (status === BlkStatus.OK && rq.flushSteps !== 0 && nextFlushStep(rq, this.disk.limits)) {
      nextGeneration(rq)
      this.#dispatch.addTail(rq)
      this.kick()
      return
    }
    this.#endBios(rq, status)
    this.#free(rq)
    if (this.#hasWork) this.kick()
  }

  /** The bios of a request that was not handed over have become part of another one. */
  freeMerged(rq: Request): void {
    assert(rq.bio === null && rq.state === MqRqState.IDLE, 'hw queue: not merged away')
    this.#free(rq)
  }

  /** Runs the queue soon, from a call of its own. */
  kick(): void {
    if (this.#hasWork) this.#scheduler.queue(this.#runCall)
  }

  /** Nothing will run any more. */
  shutdown(): void {
    assert(!this.#hasWork, 'hw queue: shut down with requests')
    this.#runTimer.cancel()
  }

  get #mustPark(): boolean {
    return this.#gate.quiesced || !this.#dispatch.isEmpty
  }

  get #hasWork(): boolean {
    if (!this.#dispatch.isEmpty) return true
    const { elevator } = this.#sched
    return elevator?.hasWork(this.queueNum) ?? false
  }

  /** What the driver refused goes first; while it has no resources the scheduler keeps the rest, and can still sort it. */
  #run(): void {
    if (this.#gate.quiesced) return
    if (this.#running) {
      // Another CPU is at it, and may have passed what this run is for.
      this.#runAgain = true
      return
    }
    const { elevator } = this.#sched
    this.#running = true
    if (!this.#dispatch.isEmpty) {
      this.#runList.take(this.#dispatch)
      this.#issueNow(this.#runList)
    }
    if (elevator !== null) this.#dispatchSched(elevator)
    this.#running = false
    if (this.#dispatch.isEmpty) this.#runTimer.cancel()
    if (!this.#runAgain) return
    this.#runAgain = false
    this.kick()
  }

  /** Flushes and passthrough requests go around the scheduler. @see block/blk-mq.c blk_mq_insert_request */
  #insert(elevator: Elevator, list: RqList): void {
    for (let rq = list.pop(); rq !== null; rq = list.pop()) {
      if (goesBySched(rq)) this.#insertList.addTail(rq)
      else this.#dispatch.addTail(rq)
    }
    if (!this.#insertList.isEmpty) {
      elevator.insertRequests(this.queueNum, this.#insertList, false)
    }
  }

  /** @see block/blk-mq-sched.c __blk_mq_do_dispatch_sched */
  #dispatchSched(elevator: Elevator): void {
    let uncommitted = false
    while (!this.#mustPark) {
      const rq = elevator.dispatchRequest(this.queueNum)
      if (rq === null) break
      if (rq.mqHctx !== null && rq.mqHctx !== this) {
        rq.mqHctx.#issueDispatched(rq)
        continue
      }
      const last = !elevator.hasWork(this.queueNum)
      if (!this.#queueRq(rq, last)) {
        this.#refused(rq)
        break
      }
      uncommitted = !last || rq.state === MqRqState.IDLE
    }
    if (uncommitted) this.ops.commitRqs(this)
  }

  /** For a request of this queue that the scheduler gave to another one. */
  #issueDispatched(rq: Request): void {
    if (this.#mustPark) this.#dispatch.addTail(rq)
    else if (!this.#queueRq(rq, true)) this.#refused(rq)
  }

  #offerBatch(list: RqList): boolean {
    const { ops } = this
    if (ops.queueRqs === undefined || list.head === list.tail) return false
    this.#counters.batches++
    ops.queueRqs(this, list)
    for (let rq = list.head; rq !== null; rq = rq.queueNext) {
      if (rq.dmaSegments !== null || rq.state !== MqRqState.IDLE) this.#rollback(rq)
    }
    return true
  }

  /** False: the driver has no resources for it now. True: it took it, or the request ended. */
  #queueRq(rq: Request, last: boolean): boolean {
    if (this.#scheduler.exploring) this.#scheduler.choicePoint('blk_mq queue_rq')
    if (this.#gate.quiesced) return false
    const { generation } = rq
    const status = this.ops.queueRq(this, rq, last)
    if (status === BlkStatus.OK) {
      assert(
        rq.generation !== generation || rq.state !== MqRqState.IDLE,
        'queueRq took a request and did not start it',
      )
      return true
    }
    assert(rq.generation === generation, 'queueRq refused a request that it had ended')
    if (status === BlkStatus.RESOURCE || status === BlkStatus.DEV_RESOURCE) {
      this.#rollback(rq)
      return false
    }
    this.finish(rq, status)
    return true
  }

  #refused(rq: Request): void {
    this.#dispatch.addTail(rq)
    if (!this.#gate.quiesced && !this.#runTimer.pending) {
      this.#runTimer.arm(BLK_MQ_RESOURCE_DELAY_NS)
    }
  }

  #parkAll(list: RqList): void {
    for (let rq = list.pop(); rq !== null; rq = list.pop()) this.#dispatch.addTail(rq)
  }

  #rollback(rq: Request): void {
    if (rq.dmaSegments !== null) blkRqDeactivateDmabuf(rq)
    this.#leaveDriver(rq)
    this.#counters.requeues++
    const { rqRequeue } = this.#trace
    if (rqRequeue.enabled) this.#trace.rq(rqRequeue, rq, rq.dataBytes)
  }

  #leaveDriver(rq: Request): void {
    if (rq.state === MqRqState.IDLE) return
    rq.state = MqRqState.IDLE
    this.#counters.inFlight--
  }

  #endBios(rq: Request, status: BlkStatus): void {
    this.#counters.addCompletion(rq, status)
    let bio = rq.bio
    rq.bio = null
    while (bio !== null) {
      const next = bio.biNext
      bio.biNext = null
      assert(
        status !== BlkStatus.AGAIN || (bio.biOpf & ReqFlags.NOWAIT) !== 0,
        'AGAIN for a request that did not ask for NOWAIT',
      )
      const { bioComplete } = this.#trace
      if (bioComplete.enabled) {
        const { biSector, biSize } = bio.biIter
        const sectors = biSize / SECTOR_SIZE
        bioComplete.emit(this.disk.name, biSector, sectors, blkStatusToErrno(status))
      }
      bioEndWith(bio, status)
      bio = next
    }
  }

  #free(rq: Request): void {
    const { elevator } = this.#sched
    if (elevator !== null && rq.elv !== null) elevator.completed(rq)
    rq.mqHctx = null
    rq.dmabufMap = null
    rq.flushSteps = 0
    nextGeneration(rq)
    this.tags.put(this.tagUser, rq.tag)
    this.#gate.exit()
    if (elevator !== null) this.#sched.wakeAll()
  }
}

/** Steps of a flush, and what drivers make for themselves, do not. */
function goesBySched(rq: Request): boolean {
  return rq.flushSteps === 0 && reqOp(rq.cmdFlags) < ReqOp.DRV_IN
}

/** The device may see it from now on: the death of a map is terminal for the whole I/O. */
function markIssued(rq: Request): void {
  for (let bio = rq.bio; bio !== null; bio = bio.biNext) bioSetFlag(bioRoot(bio), BioFlag.ISSUED)
}

/** Stays a small integer. */
function nextGeneration(rq: Request): void {
  rq.generation = (rq.generation + 1) & 0x3fff_ffff
}
