// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertLive, DeferredCall, type Scheduler, Timer } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import type { DiskCounters } from '../disk/disk-counters.ts'
import type { Elevator } from '../elevator/elevator.ts'
import type { QueueSched } from '../elevator/queue-sched.ts'
import { ReqOp, reqOp } from '../req-flags.ts'
import type { HwQueue, HwQueueHome } from './hw-queue.ts'
import type { QueueGate } from './queue-gate.ts'
import { MqRqState, type Request } from './request.ts'
import { RqList } from './rq-list.ts'
import type { RqTimeouts } from './rq-timeouts.ts'

/** After this a driver without resources is asked again, if no completion did it before. @see block/blk-mq.c BLK_MQ_RESOURCE_DELAY */
const BLK_MQ_RESOURCE_DELAY_NS = 3_000_000

/**
 * How requests of one hardware queue get to the driver: at once or by the scheduler, one by one or in batches. What the driver refused
 * it keeps, and offers again before anything else.
 */
export class HctxDispatch {
  readonly #hctx: HwQueue
  readonly #gate: QueueGate
  readonly #sched: QueueSched
  readonly #counters: DiskCounters
  readonly #timeouts: RqTimeouts
  readonly #scheduler: Scheduler
  readonly #dispatch: RqList
  readonly #runList: RqList
  readonly #insertList: RqList
  readonly #runCall: DeferredCall
  readonly #runTimer: Timer
  #running: boolean
  #runAgain: boolean

  constructor(home: HwQueueHome, hctx: HwQueue) {
    const { scheduler } = home.kernel
    const name = `${home.disk.name}/${hctx.queueNum}`
    this.#hctx = hctx
    this.#gate = home.gate
    this.#sched = home.sched
    this.#counters = home.counters
    this.#timeouts = home.timeouts
    this.#scheduler = scheduler
    this.#dispatch = new RqList()
    this.#runList = new RqList()
    this.#insertList = new RqList()
    this.#runCall = new DeferredCall(`run hw queue ${name}`, () => this.#run())
    this.#runTimer = new Timer(scheduler, `rerun ${name}`, () => this.#run())
    this.#running = false
    this.#runAgain = false
  }

  /** Hands one request to the driver or to the scheduler, or keeps it for later. */
  issue(rq: Request): void {
    const { elevator } = this.#sched
    if (elevator !== null && goesBySched(rq)) {
      this.#insertList.addTail(rq)
      elevator.insertRequests(this.#hctx.queueNum, this.#insertList, false)
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
    if (this.#timeouts.enabled) this.#counters.io.clock.refresh()
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
    if (uncommitted) this.#commit()
  }

  /** A command of somebody's own: before or behind what the driver refused. @see block/blk-mq.c blk_mq_request_bypass_insert */
  insertBypass(rq: Request, atHead: boolean): void {
    if (atHead) this.#dispatch.addHead(rq)
    else this.#dispatch.addTail(rq)
  }

  /** Runs the queue soon, from a call of its own. */
  kick(): void {
    if (this.#hasWork) this.#scheduler.queue(this.#runCall)
  }

  /** Runs the queue in a while. @see block/blk-mq.c blk_mq_delay_run_hw_queue */
  delayRun(delayNs: number): void {
    this.#runTimer.arm(delayNs)
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
    return elevator?.hasWork(this.#hctx.queueNum) ?? false
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
    this.#counters.io.clock.refresh()
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
      elevator.insertRequests(this.#hctx.queueNum, this.#insertList, false)
    }
  }

  /** @see block/blk-mq-sched.c __blk_mq_do_dispatch_sched */
  #dispatchSched(elevator: Elevator): void {
    let uncommitted = false
    while (!this.#mustPark) {
      const rq = elevator.dispatchRequest(this.#hctx.queueNum)
      if (rq === null) break
      if (rq.mqHctx !== null && rq.mqHctx !== this.#hctx) {
        rq.mqHctx.dispatch.#issueDispatched(rq)
        continue
      }
      const last = !elevator.hasWork(this.#hctx.queueNum)
      if (!this.#queueRq(rq, last)) {
        this.#refused(rq)
        break
      }
      uncommitted = !last || rq.state === MqRqState.IDLE
    }
    if (uncommitted) this.#commit()
  }

  /** For a request of this queue that the scheduler gave to another one. */
  #issueDispatched(rq: Request): void {
    if (this.#mustPark) this.#dispatch.addTail(rq)
    else if (!this.#queueRq(rq, true)) this.#refused(rq)
  }

  #offerBatch(list: RqList): boolean {
    const { ops } = this.#hctx
    if (ops.queueRqs === undefined || list.head === list.tail) return false
    this.#counters.batches++
    this.#gate.dispatching++
    ops.queueRqs(this.#hctx, list)
    this.#gate.dispatched()
    for (let rq = list.head; rq !== null; rq = rq.queueNext) {
      if (rq.dmaSegments !== null || rq.state !== MqRqState.IDLE) this.#hctx.rollback(rq)
    }
    return true
  }

  /** False: the driver has no resources for it now. True: it took it, or the request ended. */
  #queueRq(rq: Request, last: boolean): boolean {
    if (this.#scheduler.exploring) this.#scheduler.choicePoint('blk_mq queue_rq')
    if (this.#gate.quiesced) return false
    const { generation } = rq
    this.#gate.dispatching++
    const status = this.#hctx.ops.queueRq(this.#hctx, rq, last)
    this.#gate.dispatched()
    if (status === BlkStatus.OK) {
      assert(
        rq.generation !== generation || rq.state !== MqRqState.IDLE,
        'queueRq took a request and did not start it',
      )
      return true
    }
    assertLive(rq.generation === generation, 'queueRq refused a request that it had ended')
    if (status === BlkStatus.RESOURCE || status === BlkStatus.DEV_RESOURCE) {
      this.#hctx.rollback(rq)
      return false
    }
    this.#counters.io.clock.refresh()
    this.#hctx.finish(rq, status)
    return true
  }

  #commit(): void {
    this.#gate.dispatching++
    this.#hctx.ops.commitRqs(this.#hctx)
    this.#gate.dispatched()
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
}

/** Steps of a flush, and what drivers make for themselves, do not. */
function goesBySched(rq: Request): boolean {
  return rq.flushSteps === 0 && reqOp(rq.cmdFlags) < ReqOp.DRV_IN
}
