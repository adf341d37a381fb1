// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  BlkEhTimerReturn,
  type BlkMqHwCtx,
  type BlkMqOps,
  BlkStatus,
  blkMqAddToBatch,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqRequeueRequest,
  blkMqStartRequest,
  type Disk,
  MqRqState,
  ReqOp,
  type Request,
  RqList,
  reqOp,
} from '@iolayers/block-core'
import { assert } from '@iolayers/kernel'
import { STATUS_CRD_MASK, STATUS_CRD_SHIFT, STATUS_DNR } from '../../spec/index.ts'
import { CtrlState } from '../ctrl/ctrl-state.ts'
import type { CommandData } from '../dma/command-data.ts'
import type { DiscardData } from '../dma/discard-data.ts'
import type { DmabufData } from '../dma/dmabuf-data.ts'
import { type IodBounds, IodPayload, iodFreeDescriptors, NvmeIod } from '../dma/iod.ts'
import type { MappedData } from '../dma/mapped-data.ts'
import { HOST_ABORTED_CMD, nvmeErrorStatus } from '../nvme-error-status.ts'
import type { CqeSink, NvmeQueue } from '../queue/nvme-queue.ts'
import type { HostCounters } from '../stats.ts'
import type { HostTrace } from './host-trace.ts'
import type { NvmeNs } from './nvme-ns.ts'
import {
  CID_TAG_BITS,
  CID_TAG_MASK,
  commandIdOf,
  nextGenctr,
  nvmOpcodeOf,
  writeCommand,
} from './setup-cmd.ts'

/** An I/O queue and the requests that the controller has of it. */
export interface IoQueue {
  readonly queue: NvmeQueue
  /** By tag. */
  readonly inFlight: (Request<NvmeIod> | null)[]
  readonly batch: RqList<NvmeIod>
}

/** What requests that take too long need of the life of their controller. All of it is atomic. */
export interface IoRecovery {
  readonly state: CtrlState
  /** It says of itself that only a reset helps, or says nothing any more. */
  readonly fatal: boolean
  /** Asks the controller to abort a command. False where it cannot be asked now. */
  tryAbort(sqid: number, commandId: number): boolean
  /** Takes the controller out of service and has it reset: both begin later, from a work queue. */
  recover(): void
}

export interface NvmeIoComponents {
  readonly dmabufData: DmabufData
  readonly mappedData: MappedData
  readonly discardData: DiscardData
  readonly commandData: CommandData
  readonly trace: HostTrace
  readonly counters: HostCounters
  /** Without it no request ever takes too long. */
  readonly recovery?: IoRecovery
}

export interface NvmeIoInit {
  readonly bounds: IodBounds
  readonly queueDepth: number
  readonly maxRetries: number
  /** By the Command Retry Delay of a status, 1 to 3, from index 0: how long to wait with the next attempt. None where it is left out. */
  readonly retryDelaysNs?: readonly number[]
}

/**
 * Requests to commands and completions to ends of requests.
 *
 *   queueRq: prepare data (may fail, holds nothing then) -> start -> post the entry -> [last] doorbell
 *   completion: find by command id -> end the data's DMA -> end, batch or requeue the request
 *   timeout: look for the completion -> abort the command -> have the controller reset; ends nothing, and drops nothing
 *   cancellation, once the controller is stopped: end the data's DMA -> requeue or end the request
 *
 * @see drivers/nvme/host/pci.c nvme_queue_rq, nvme_handle_cqe, nvme_pci_complete_batch
 */
export class NvmeIo implements BlkMqOps<NvmeIod>, CqeSink {
  /** Requests are taken; else they end with IOERR. @see drivers/nvme/host/pci.c NVMEQ_ENABLED */
  online: boolean
  /** Only where there is somebody to turn to. */
  readonly timeout?: (rq: Request<NvmeIod>) => BlkEhTimerReturn
  protected readonly data: DmabufData
  protected readonly mapped: MappedData
  protected readonly discards: DiscardData
  protected readonly commands: CommandData
  protected readonly trace: HostTrace
  protected readonly counters: HostCounters
  protected readonly init: NvmeIoInit
  protected readonly queues: IoQueue[]
  readonly #namespaces: Map<Disk, NvmeNs>
  /** The namespace of the last request: most often also the next one's. */
  #lastNs: NvmeNs | null

  constructor(components: NvmeIoComponents, init: NvmeIoInit) {
    this.online = true
    const { recovery } = components
    if (recovery !== undefined) this.timeout = (rq) => this.expired(rq, recovery)
    this.data = components.dmabufData
    this.mapped = components.mappedData
    this.discards = components.discardData
    this.commands = components.commandData
    this.trace = components.trace
    this.counters = components.counters
    this.init = init
    this.queues = []
    this.#namespaces = new Map()
    this.#lastNs = null
  }

  /** The hardware queues of the tag set, in the order of these calls; queue identifiers count from 1. */
  addQueue(queue: NvmeQueue): void {
    assert(queue.qid === this.queues.length + 1, 'nvme: I/O queues are added in order')
    const inFlight = new Array<Request<NvmeIod> | null>(this.init.queueDepth).fill(null)
    this.queues.push({ queue, inFlight, batch: new RqList() })
  }

  addNamespace(ns: NvmeNs): void {
    this.#namespaces.set(ns.disk, ns)
  }

  /** Its disk was destroyed: no request for it is left. */
  removeNamespace(disk: Disk): void {
    this.#namespaces.delete(disk)
    if (this.#lastNs?.disk === disk) this.#lastNs = null
  }

  initRequest(): NvmeIod {
    return new NvmeIod(this.init.bounds)
  }

  queueRq(hctx: BlkMqHwCtx, rq: Request<NvmeIod>, last: boolean): BlkStatus {
    if (!this.online) return BlkStatus.IOERR
    const { queue, inFlight } = this.#queueAt(hctx.queueNum)
    const ns = this.#nsOf(hctx.disk)
    const opcode = nvmOpcodeOf(rq)
    if (opcode < 0) return BlkStatus.NOTSUPP
    const status = this.prepareData(rq)
    if (status !== BlkStatus.OK) {
      if (status !== BlkStatus.RESOURCE) rq.pdu.retries = 0
      return status
    }
    nextGenctr(rq.pdu)
    rq.pdu.aborted = false
    blkMqStartRequest(rq)
    if (this.trace.setupCmd.enabled) this.trace.emitSetupCmd(rq, ns, queue, opcode)
    if (this.trace.dataPointer.enabled && rq.pdu.payload !== IodPayload.NONE) {
      this.trace.emitDataPointer(rq)
    }
    inFlight[rq.tag] = rq
    this.counters.requests++
    writeCommand(queue.sqView, queue.slot(), rq, ns, opcode)
    queue.advance()
    if (last) queue.ring()
    return BlkStatus.OK
  }

  commitRqs(hctx: BlkMqHwCtx): void {
    this.#queueAt(hctx.queueNum).queue.ring()
  }

  poll(hctx: BlkMqHwCtx): number {
    return this.reap(hctx.queueNum)
  }

  /** Ends what the controller has completed on a queue. Also the interrupt handler. @see drivers/nvme/host/pci.c nvme_irq */
  reap(index: number): number {
    const io = this.#queueAt(index)
    const found = io.queue.reap(this)
    this.endBatch(io.batch)
    return found
  }

  handleCqe(queue: NvmeQueue, commandId: number, status: number, result: number): void {
    const io = this.#queueAt(queue.qid - 1)
    const rq = this.#findRq(io, commandId)
    if (rq === null) {
      this.counters.unknownCompletions++
      return
    }
    io.inFlight[rq.tag] = null
    this.counters.completions++
    if (this.trace.sq.enabled) this.trace.emitSq(rq, queue)
    this.endData(rq)
    if (this.trace.completeRq.enabled) this.trace.emitCompleteRq(rq, queue, result, status)
    const blkStatus = nvmeErrorStatus(status)
    const { own } = rq.pdu
    if (own !== null) {
      own.status = status
      own.result = result
    }
    if (!this.addToBatch(rq, io.batch, blkStatus)) this.fail(rq, status, blkStatus)
  }

  /**
   * What went well ends together with the others of its batch; its data's DMA has been ended by then, as that of any other request (H1). False: the request
   * has to be ended by itself.
   */
  protected addToBatch(
    rq: Request<NvmeIod>,
    batch: RqList<NvmeIod>,
    blkStatus: BlkStatus,
  ): boolean {
    if (!blkMqAddToBatch(rq, batch, blkStatus)) return false
    rq.pdu.retries = 0
    return true
  }

  /** Ends all that a run over the completion queue has put into a batch. @see drivers/nvme/host/pci.c nvme_pci_complete_batch */
  protected endBatch(batch: RqList<NvmeIod>): void {
    blkMqEndRequestBatch(batch)
  }

  /**
   * A status that does not forbid it is tried again, unless the disk is dead; a request whose map has died meanwhile ends with STALE then.
   * @see drivers/nvme/host/core.c nvme_decide_disposition, nvme_complete_rq
   */
  protected fail(rq: Request<NvmeIod>, status: number, blkStatus: BlkStatus): void {
    const iod = rq.pdu
    this.counters.errors++
    if (this.mayRetry(rq, status)) {
      iod.retries++
      this.counters.retries++
      this.requeue(rq, (status & STATUS_CRD_MASK) >>> STATUS_CRD_SHIFT)
      return
    }
    iod.retries = 0
    blkMqEndRequest(rq, blkStatus)
  }

  /** Somebody's own command is his to send again. */
  protected mayRetry(rq: Request<NvmeIod>, status: number): boolean {
    const isDying = rq.mqHctx?.disk.queue.dying === true
    const { retries, own } = rq.pdu
    return (status & STATUS_DNR) === 0 && retries < this.init.maxRetries && !isDying && own === null
  }

  /** At once, or after the delay that the controller has asked for; with it come all that wait on the disk. @see drivers/nvme/host/core.c nvme_retry_req */
  protected requeue(rq: Request<NvmeIod>, crd: number): void {
    const queue = rq.mqHctx?.disk.queue
    const delayNs = this.init.retryDelaysNs?.[crd - 1] ?? 0
    blkMqRequeueRequest(rq, delayNs === 0)
    if (delayNs > 0) queue?.delayKickRequeueList(delayNs)
  }

  /**
   * Takes back what the controller has. It must be proven unable to do DMA (stopped with CSTS.RDY 0, or without bus mastering): the requests give back
   * here what they hold, and may be handed over again.
   * @see drivers/nvme/host/core.c nvme_cancel_tagset
   */
  cancelAll(): void {
    for (const io of this.queues) {
      for (let tag = 0; tag < io.inFlight.length; tag++) {
        const rq = io.inFlight[tag] ?? null
        if (rq !== null) this.cancel(io, rq)
      }
    }
  }

  /** Requests that the controller has. */
  get nrInFlight(): number {
    let count = 0
    for (const { inFlight } of this.queues) {
      for (const rq of inFlight) if (rq !== null) count++
    }
    return count
  }

  /** One request: drops `active`, once, as a completion would (R-MQ-7, H15). @see drivers/nvme/host/core.c nvme_cancel_request */
  protected cancel(io: IoQueue, rq: Request<NvmeIod>): void {
    io.inFlight[rq.tag] = null
    this.counters.cancelled++
    if (this.trace.cancel.enabled) this.trace.emitCancel(rq, io.queue)
    this.endData(rq)
    this.fail(rq, HOST_ABORTED_CMD, nvmeErrorStatus(HOST_ABORTED_CMD))
  }

  /**
   * A request took too long. The device may be at its memory all the same: whatever comes of this, the request keeps what it holds (R-MQ-7).
   * @see drivers/nvme/host/pci.c nvme_timeout
   */
  protected expired(rq: Request<NvmeIod>, recovery: IoRecovery): BlkEhTimerReturn {
    const hctx = rq.mqHctx
    assert(hctx !== null, 'nvme: a timeout of a free request')
    const { queue } = this.#queueAt(hctx.queueNum)
    this.counters.timeouts++
    if (recovery.fatal) return this.giveUpOn(rq, queue, recovery)
    const { generation } = rq
    this.reap(hctx.queueNum)
    if (rq.generation !== generation || rq.state !== MqRqState.IN_FLIGHT) {
      this.counters.lostInterrupts++
      return BlkEhTimerReturn.DONE
    }
    // Whoever resets the controller cancels the request soon, whatever the controller does.
    if (recovery.state === CtrlState.RESETTING) return BlkEhTimerReturn.RESET_TIMER
    if (recovery.state !== CtrlState.LIVE || rq.pdu.aborted) {
      return this.giveUpOn(rq, queue, recovery)
    }
    if (recovery.tryAbort(queue.qid, commandIdOf(rq))) {
      rq.pdu.aborted = true
      if (this.trace.timeout.enabled) this.trace.emitTimeout(rq, queue, 'abort')
    }
    return BlkEhTimerReturn.RESET_TIMER
  }

  protected giveUpOn(
    rq: Request<NvmeIod>,
    queue: NvmeQueue,
    recovery: IoRecovery,
  ): BlkEhTimerReturn {
    if (this.trace.timeout.enabled) this.trace.emitTimeout(rq, queue, 'reset controller')
    recovery.recover()
    return BlkEhTimerReturn.DONE
  }

  /** Anything but OK: nothing is held (R4). The status goes to the block layer as it is (R3, R5). */
  protected prepareData(rq: Request<NvmeIod>): BlkStatus {
    if (rq.dmabufMap !== null) return this.data.prepare(rq)
    if (reqOp(rq.cmdFlags) > ReqOp.WRITE) return this.prepareOther(rq)
    return rq.dataBytes === 0 ? BlkStatus.OK : this.mapped.prepare(rq)
  }

  /** What has no data that a bio would name. */
  protected prepareOther(rq: Request<NvmeIod>): BlkStatus {
    const { own } = rq.pdu
    if (own !== null) return this.commands.prepare(rq.pdu, own)
    if (reqOp(rq.cmdFlags) !== ReqOp.DISCARD) return BlkStatus.OK
    const hctx = rq.mqHctx
    assert(hctx !== null, 'nvme: a free request is prepared')
    const status = this.discards.prepare(rq, this.#nsOf(hctx.disk).sectorsPerLba)
    if (status === BlkStatus.RESOURCE) this.counters.resourceRefusals++
    return status
  }

  /** The hardware is done with the data of a request, whatever came of it: what `prepareData` took goes back, once (H1). */
  protected endData(rq: Request<NvmeIod>): void {
    const { payload } = rq.pdu
    if (payload === IodPayload.DMABUF) this.data.end(rq)
    else if (payload === IodPayload.MAPPED) this.mapped.end(rq)
    else if (payload === IodPayload.DESCRIPTORS) {
      iodFreeDescriptors(rq.pdu)
      rq.pdu.payload = IodPayload.NONE
    }
  }

  /** Null for an identifier that is not in flight: never used, done already, or of an earlier use of its tag. */
  #findRq(io: IoQueue, commandId: number): Request<NvmeIod> | null {
    const rq = io.inFlight[commandId & CID_TAG_MASK] ?? null
    if (rq === null || rq.pdu.genctr !== commandId >>> CID_TAG_BITS) return null
    return rq
  }

  #queueAt(index: number): IoQueue {
    const io = this.queues[index]
    assert(io !== undefined, 'nvme: no such I/O queue')
    return io
  }

  #nsOf(disk: Disk): NvmeNs {
    if (this.#lastNs !== null && this.#lastNs.disk === disk) return this.#lastNs
    const ns = this.#namespaces.get(disk)
    assert(ns !== undefined, 'nvme: a disk of another host')
    this.#lastNs = ns
    return ns
  }
}
