// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DeferredCall, type Kernel, type Prng, Timer } from '@iolayers/kernel'
import {
  BlkEhTimerReturn,
  type BlkMqHwCtx,
  type BlkMqOps,
  BlkStatus,
  blkAbortRequest,
  blkMqAddToBatch,
  blkMqCompleteRequest,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqRequestStarted,
  blkMqRequeueRequest,
  blkMqStartRequest,
  blkRqActivateDmabuf,
  blkUpdateRequest,
  MqRqState,
  type Request,
  RqList,
} from '../src/index.ts'

export const RACE_TIMEOUT_NS = 10_000_000
/** A timer that finds a call of the driver under way comes again. */
const LATE_NS = 5_000_000

/** One handing over of a request. Whoever takes it out of the driver's table decides what becomes of the request. */
interface Hold {
  readonly rq: Request<number>
  startNs: number
  aborted: boolean
  /** It was said that the driver has it in hand. */
  isDone: boolean
}

/**
 * A driver whose device ends requests at any time, or never, while their time runs out, somebody aborts them, and other CPUs come in
 * between. It checks what it is asked, and notes how each request has to end.
 */
export class RacingDriver implements BlkMqOps<number> {
  /** How what was submitted has to end: by bio, by request for what has none. */
  readonly expected: Map<object, BlkStatus> = new Map()
  quiesced = false
  calls = 0
  asked = 0
  resets = 0
  aborts = 0
  requeues = 0
  lateEnds = 0
  losses = 0
  readonly #kernel: Kernel
  readonly #random: Prng
  readonly #lazy: boolean
  readonly #holds: Map<Request<number>, Hold> = new Map()

  constructor(kernel: Kernel, random: Prng, lazy: boolean) {
    this.#kernel = kernel
    this.#random = random
    this.#lazy = lazy
  }

  get held(): number {
    return this.#holds.size
  }

  initRequest(_hctxIndex: number, tag: number): number {
    return tag
  }

  queueRq(_hctx: BlkMqHwCtx, rq: Request<number>): BlkStatus {
    if (this.quiesced) throw new Error('queueRq of a queue that is quiesced')
    this.calls++
    try {
      return this.#take(rq)
    } finally {
      this.calls--
    }
  }

  commitRqs(): void {}

  complete(rq: Request<number>): void {
    if (rq.state !== MqRqState.COMPLETE) throw new Error('complete of what is not')
    if (!this.#lazy) {
      blkMqEndRequest(rq, rq.status)
      return
    }
    this.#kernel.scheduler.queue(new DeferredCall('complete', () => blkMqEndRequest(rq, rq.status)))
  }

  timeout(rq: Request<number>): BlkEhTimerReturn {
    if (!blkMqRequestStarted(rq)) throw new Error('asked about what was not started')
    if (this.calls > 0) throw new Error('asked while it is being handed a request')
    const hold = this.#holds.get(rq)
    if (hold === undefined) return this.#lost()
    if (hold.isDone) throw new Error('asked again after DONE')
    const nowNs = this.#kernel.scheduler.nowNs()
    const limitNs = rq.timeoutNs === 0 ? RACE_TIMEOUT_NS : rq.timeoutNs
    if (!hold.aborted && nowNs < hold.startNs + limitNs) throw new Error('asked too early')
    if (nowNs > hold.startNs + limitNs + LATE_NS) throw new Error('asked too late')
    this.asked++
    this.#kernel.scheduler.choicePoint('timeout decides')
    if (this.#random.below(3) === 0) {
      this.resets++
      hold.startNs = nowNs
      hold.aborted = false
      return BlkEhTimerReturn.RESET_TIMER
    }
    hold.isDone = true
    if (this.#random.below(4) === 0) this.#endLater(hold, 3 * RACE_TIMEOUT_NS)
    else this.#finish(hold, BlkStatus.TIMEOUT)
    return BlkEhTimerReturn.DONE
  }

  /** Its device has just ended it, on another CPU, which has not said so yet. */
  #lost(): BlkEhTimerReturn {
    this.losses++
    return this.#random.below(2) === 0 ? BlkEhTimerReturn.DONE : BlkEhTimerReturn.RESET_TIMER
  }

  /** Somebody has no patience with one of them. */
  abortOne(): void {
    const holds = [...this.#holds.values()]
    const hold = holds[this.#random.below(Math.max(holds.length, 1))]
    if (hold === undefined || !blkMqRequestStarted(hold.rq)) return
    this.aborts++
    hold.aborted = true
    blkAbortRequest(hold.rq)
  }

  #take(rq: Request<number>): BlkStatus {
    const { scheduler } = this.#kernel
    const refusal = [BlkStatus.RESOURCE, BlkStatus.DEV_RESOURCE, BlkStatus.MEDIUM][
      this.#random.below(16)
    ]
    if (rq.dmabufMap !== null) {
      const status = blkRqActivateDmabuf(rq)
      if (status !== BlkStatus.OK) return this.#refuse(rq, status)
    }
    if (refusal !== undefined) return this.#refuse(rq, refusal)
    const hold = { rq, startNs: scheduler.nowNs(), aborted: false, isDone: false }
    if (this.#holds.has(rq)) throw new Error('a request that the driver has comes again')
    this.#holds.set(rq, hold)
    blkMqStartRequest(rq)
    const way = this.#random.below(8)
    if (way === 0) this.#finish(hold, BlkStatus.OK)
    else if (way < 6) this.#endLater(hold, 2 * RACE_TIMEOUT_NS)
    scheduler.choicePoint('queueRq goes on')
    return BlkStatus.OK
  }

  #refuse(rq: Request<number>, status: BlkStatus): BlkStatus {
    const isFinal = status !== BlkStatus.RESOURCE && status !== BlkStatus.DEV_RESOURCE
    if (isFinal) this.#note(rq, status)
    return status
  }

  #endLater(hold: Hold, withinNs: number): void {
    const { scheduler } = this.#kernel
    const status = this.#random.below(8) === 0 ? BlkStatus.TRANSPORT : BlkStatus.OK
    const step = 500_000
    const delayNs = step * this.#random.below(withinNs / step)
    new Timer(scheduler, 'device', () => this.#finish(hold, status)).arm(delayNs)
  }

  /** The device, or who gave up waiting for it: the first of them decides. */
  #finish(hold: Hold, status: BlkStatus): void {
    const { rq } = hold
    if (this.#holds.get(rq) !== hold) return
    this.#holds.delete(rq)
    if (hold.isDone && status !== BlkStatus.TIMEOUT) this.lateEnds++
    this.#kernel.scheduler.choicePoint('device is done')
    if (rq.dataBytes > 512 && this.#random.below(4) === 0) this.#part(rq)
    const way = this.#random.below(5)
    if (way === 0) this.#requeue(rq)
    else {
      this.#note(rq, status)
      this.#end(rq, status, way)
    }
  }

  #end(rq: Request<number>, status: BlkStatus, way: number): void {
    if (way === 1) {
      const batch = new RqList<number>()
      if (blkMqAddToBatch(rq, batch, status)) blkMqEndRequestBatch(batch)
      else blkMqEndRequest(rq, status)
    } else if (way === 2) blkMqEndRequest(rq, status)
    else blkMqCompleteRequest(rq, status)
  }

  #part(rq: Request<number>): void {
    if (!blkUpdateRequest(rq, BlkStatus.OK, 512)) throw new Error('nothing is left of a request')
  }

  #requeue(rq: Request<number>): void {
    this.requeues++
    const queue = rq.mqHctx?.disk.queue
    const kick = this.#random.below(2) === 0
    blkMqRequeueRequest(rq, kick)
    if (!kick) queue?.delayKickRequeueList(1_000_000 * this.#random.below(4))
  }

  #note(rq: Request<number>, status: BlkStatus): void {
    this.expected.set(rq.endIo === null && rq.bio !== null ? rq.bio : rq, status)
  }
}

/** The same for batches: what it does not take it leaves on the list. */
export class RacingBatchDriver extends RacingDriver {
  queueRqs(hctx: BlkMqHwCtx, list: RqList<number>): void {
    const left = new RqList<number>()
    for (let rq = list.pop(); rq !== null; rq = list.pop()) {
      if (this.queueRq(hctx, rq) !== BlkStatus.OK) left.addTail(rq)
    }
    list.take(left)
  }
}
