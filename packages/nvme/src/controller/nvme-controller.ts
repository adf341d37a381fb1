// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The controller: registers, doorbells, and the work that they cause. A register access only notes what was asked and queues
// work; commands are fetched, run and completed, and interrupts raised, when the scheduler runs that work.
//
//   disabled --CC.EN=1--> (enabling) --> ready --CC.EN=0--> (resetting: cuts off what is at the stores, or waits for it) --> disabled
//                              |            |--CC.SHN-----> shut down (CSTS.SHST 10b); CC.EN=0 leads back
//                              +--bad queues or a fault on the bus--> fatal (CSTS.CFS)

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import {
  assert,
  assertOnce,
  DeferredCall,
  type Kernel,
  KernelError,
  type Tracepoint,
} from '@iolayers/kernel'
import {
  AsyncErrorInfo,
  ERROR_LOG_NONE,
  FUSE_MASK,
  getUint64,
  PSDT_SHIFT,
  Psdt,
  SQE_BYTES,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../spec/index.ts'
import { PENDING, runAdmin } from './admin.ts'
import { ASYNC_EVENTS_MAX, AsyncEvents } from './async-events.ts'
import { type CommandSlot, SlotPool } from './command-slot.ts'
import { CompletionPoster } from './completion-poster.ts'
import type { InterruptSink, NamespaceInit, StoreCompletion, StoreIo } from './contracts.ts'
import { StoreOp } from './contracts.ts'
import { type ControllerCounters, countMoved, newCounters } from './controller-counters.ts'
import {
  controllerSettings,
  type NvmeController,
  type NvmeControllerInit,
  PAGE_BYTES,
  within,
} from './controller-init.ts'
import { DataPointer } from './data-pointer.ts'
import { ErrorLog } from './error-log.ts'
import { FeatureTable } from './features.ts'
import { type ControllerIdentity, NAMESPACES_MAX } from './identify.ts'
import { runIo } from './io-commands.ts'
import { makeNamespace, type Namespace } from './namespace.ts'
import { CompletionQueue, SubmissionQueue } from './queues.ts'
import { ControllerRegisters } from './registers.ts'

const BURST = 64
export function createNvmeController(
  components: { readonly kernel: Kernel; readonly bus: BusMaster },
  init: NvmeControllerInit = {},
): NvmeController {
  return new Controller(components.kernel, components.bus, init)
}

export class Controller implements NvmeController, StoreCompletion {
  readonly bar: ControllerRegisters
  readonly namespaces: Map<number, Namespace> = new Map()
  readonly features: FeatureTable
  readonly errorLog: ErrorLog = new ErrorLog()
  readonly events: AsyncEvents = new AsyncEvents()
  readonly dataPointer: DataPointer
  readonly identity: ControllerIdentity
  readonly queueEntriesMax: number
  readonly vectors: number
  readonly transferBytesMax: number
  readonly stats: ControllerCounters = newCounters()
  pageBytes: number = PAGE_BYTES
  readonly #kernel: Kernel
  readonly #bus: BusMaster
  readonly #sqs: (SubmissionQueue | null)[]
  readonly #cqs: (CompletionQueue | null)[]
  readonly #slots: SlotPool
  readonly #work: DeferredCall
  readonly #sqRange: BusRange = new BusRange()
  readonly #traceCommand: Tracepoint
  readonly #poster: CompletionPoster
  #destroyed = false

  constructor(kernel: Kernel, bus: BusMaster, init: NvmeControllerInit) {
    const { pairs, queueEntriesMax, transferBytesMax, identity } = controllerSettings(init)
    this.queueEntriesMax = queueEntriesMax
    this.transferBytesMax = transferBytesMax
    this.identity = identity
    this.vectors = pairs + 1
    this.features = new FeatureTable(pairs)
    this.#kernel = kernel
    this.#bus = bus
    this.dataPointer = new DataPointer(bus, { pageBytes: PAGE_BYTES, sgl: identity.sgl })
    this.#sqs = new Array<SubmissionQueue | null>(pairs + 1).fill(null)
    this.#cqs = new Array<CompletionQueue | null>(pairs + 1).fill(null)
    this.#slots = new SlotPool(
      Math.min(pairs * this.queueEntriesMax, 2048) + ASYNC_EVENTS_MAX + 32,
      this,
      bus,
    )
    this.#work = new DeferredCall('nvme controller', () => this.#run())
    this.bar = new ControllerRegisters(
      { queueEntriesMax: this.queueEntriesMax, queuePairs: pairs },
      this,
    )
    this.#traceCommand = kernel.tracer.point('nvmet_req_init', ['sqid', 'cid', 'opcode', 'nsid'])
    this.#poster = new CompletionPoster({
      kernel,
      bus,
      bar: this.bar,
      slots: this.#slots,
      stats: this.stats,
    })
  }

  get outstanding(): number {
    return this.#slots.outstanding - this.events.held
  }

  connectInterrupts(sink: InterruptSink): void {
    this.#poster.sink = sink
  }

  addNamespace(nsid: number, init: NamespaceInit): void {
    within('nsid', nsid, 1, NAMESPACES_MAX)
    if (this.namespaces.has(nsid))
      throw new KernelError('EEXIST', `namespace ${nsid} is there already`)
    this.namespaces.set(nsid, makeNamespace(init))
  }

  destroy(): void {
    this.#destroyed = true
    this.#forgetQueues()
  }

  // What the registers ask for. None of it does work inside the access.

  /** CC or a doorbell changed something: look at it soon. */
  kick(): void {
    if (!this.#destroyed) this.#kernel.scheduler.queue(this.#work)
  }

  ringSqTail(id: number, value: number): void {
    const sq = this.#sqs[id] ?? null
    if (sq === null || value >= sq.entries) {
      this.#invalidDoorbell(sq !== null)
      return
    }
    sq.tail = value
    this.kick()
  }

  ringCqHead(id: number, value: number): void {
    const cq = this.#cqs[id] ?? null
    if (cq === null || !cq.validHead(value)) {
      this.#invalidDoorbell(cq !== null)
      return
    }
    cq.head = value
    if (cq.backlogFirst !== null) this.kick()
  }

  /** What was completed while its vector was masked is told now. */
  unmasked(): void {
    this.#poster.again()
    this.kick()
  }

  /** Ignored, but for an event and an entry in the error log. @see NVMe Base 2.1, 5.1.2 */
  #invalidDoorbell(queueExists: boolean): void {
    this.stats.invalidDoorbells++
    this.errorLog.add(ERROR_LOG_NONE, ERROR_LOG_NONE, Status.SUCCESS, 0, 0)
    const { INVALID_DOORBELL_VALUE, INVALID_DOORBELL_REGISTER } = AsyncErrorInfo
    this.events.error(queueExists ? INVALID_DOORBELL_VALUE : INVALID_DOORBELL_REGISTER)
    if (this.events.due) this.kick()
  }

  // What admin commands need.

  get hasIoQueues(): boolean {
    return this.#cqs.some((cq, id) => id > 0 && cq !== null)
  }

  get queueCountFeature(): number {
    const zeroBased = this.#sqs.length - 2
    return zeroBased | (zeroBased << 16)
  }

  validQueueId(id: number): boolean {
    return id > 0 && id < this.#sqs.length
  }

  submissionQueue(id: number): SubmissionQueue | null {
    return this.#sqs[id] ?? null
  }

  completionQueue(id: number): CompletionQueue | null {
    return this.#cqs[id] ?? null
  }

  setSubmissionQueue(id: number, sq: SubmissionQueue | null): void {
    this.#sqs[id] = sq
  }

  /** Completions that found a queue full go with it. */
  setCompletionQueue(id: number, cq: CompletionQueue | null): void {
    const before = this.#cqs[id] ?? null
    if (before !== null) this.#dropBacklog(before)
    this.#cqs[id] = cq
  }

  /** Kept until there is an event, or a reset. @see NVMe Base 2.1, 5.1.2 */
  holdAsyncEvent(slot: CommandSlot): number {
    if (!this.events.hold(slot)) return Status.ASYNC_EVENT_LIMIT_EXCEEDED | STATUS_DNR
    if (this.events.due) this.kick()
    return PENDING
  }

  storeDone(io: StoreIo, status: number): void {
    const slot = this.#slots.slots[io.index]
    assert(slot !== undefined, 'a store ended an I/O of nobody')
    if (slot.fua && status === Status.SUCCESS) {
      slot.fua = false
      const namespace = this.namespaces.get(slot.nsid)
      if (namespace !== undefined) {
        io.op = StoreOp.FLUSH
        namespace.store.submit(io)
        return
      }
    }
    if (status === Status.SUCCESS) countMoved(this.stats, slot)
    else this.#logStoreError(slot, status)
    this.#complete(slot, status)
    this.kick()
  }

  #run(): void {
    if (this.#destroyed) return
    this.#stateChanges()
    if (this.bar.ready) {
      const event = this.events.take()
      if (event !== null) this.#complete(event, Status.SUCCESS)
      for (const cq of this.#cqs) if (cq !== null) this.#poster.flushBacklog(cq)
      let more = false
      for (let id = 0; id < this.#sqs.length; id++)
        more = this.#fetch(this.#sqs[id] ?? null) || more
      if (more) this.#kernel.scheduler.queue(this.#work)
    }
    this.#poster.interrupt(this.#cqs)
  }

  #stateChanges(): void {
    const { bar } = this
    if (bar.wantsReset) {
      this.#forgetQueues()
      this.#cutOff()
    }
    // Ready goes away, and a shutdown is complete, only when no store can touch host memory any more.
    const still = this.outstanding === 0
    if (bar.wantsReset && still) {
      bar.becomeDisabled()
      this.features.reset()
    } else if (bar.wantsShutdown && still) bar.becomeShutDown()
    if (bar.wantsEnable) this.#enable()
  }

  #enable(): void {
    const admin = this.bar.adminQueues()
    if (admin === null) {
      this.bar.fail()
      return
    }
    this.pageBytes = admin.pageBytes
    this.dataPointer.init.pageBytes = admin.pageBytes
    const cq = new CompletionQueue({
      id: 0,
      baseAddr: admin.acq,
      entries: admin.cqEntries,
      vector: 0,
      interruptsEnabled: true,
    })
    this.#cqs[0] = cq
    this.#sqs[0] = new SubmissionQueue({ id: 0, baseAddr: admin.asq, entries: admin.sqEntries, cq })
    this.bar.becomeReady()
  }

  /** What is at a store goes on there; its end is then nobody's business. */
  #forgetQueues(): void {
    this.#sqs.fill(null)
    this.#cqs.fill(null)
    for (const slot of this.events.reset()) this.#slots.give(slot)
    for (const slot of this.#slots.slots) {
      if (slot.sq === null) continue
      const { sq } = slot
      if (sq.deletion !== null) {
        this.#slots.give(sq.deletion)
        sq.deletion = null
      }
      this.#dropBacklog(sq.cq)
    }
    this.#poster.forget()
  }

  /**
   * Takes from the stores what they can let go of: it moves nothing any more. What they cannot (a file, with a system call under way) ends
   * there, and is waited for. Called when the queues are forgotten, so that whoever still has a queue is at a store.
   */
  #cutOff(): void {
    for (const slot of this.#slots.slots) {
      if (slot.sq === null) continue
      const store = this.namespaces.get(slot.nsid)?.cancellable ?? null
      if (store?.cancel(slot.io)) this.#slots.give(slot)
    }
  }

  #dropBacklog(cq: CompletionQueue): void {
    for (let late = cq.shiftBacklog(); late !== null; late = cq.shiftBacklog()) {
      this.#slots.give(late)
    }
  }

  /** Runs up to a burst of commands; true when there may be more. */
  #fetch(sq: SubmissionQueue | null): boolean {
    if (sq === null) return false
    const range = this.#sqRange
    let budget = BURST
    while (budget > 0 && sq.head !== sq.tail && sq.cq.backlogFirst === null && this.bar.fetches) {
      const ready = Math.min(sq.readyInARow, budget)
      const reached = this.#bus.translate(
        sq.baseAddr + sq.head * SQE_BYTES,
        ready * SQE_BYTES,
        BusAccess.READ,
        range,
      )
      if (reached < SQE_BYTES) {
        this.bar.fail()
        return false
      }
      const { view } = range.side
      const { offset } = range
      const count = Math.floor(reached / SQE_BYTES)
      for (let i = 0; i < count; i++) {
        const slot = this.#slots.take()
        if (slot === null) return false
        sq.advanceHead()
        this.#start(sq, slot, view, offset + i * SQE_BYTES)
      }
      budget -= count
    }
    return sq.head !== sq.tail && sq.cq.backlogFirst === null && this.bar.fetches
  }

  #start(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
    slot.sq = sq
    slot.opcode = view.getUint8(at + SqeOffset.OPC)
    slot.commandId = view.getUint16(at + SqeOffset.CID, true)
    sq.outstanding++
    if (sq.id === 0) this.stats.adminCommands++
    else this.stats.ioCommands++
    if (this.#traceCommand.enabled) {
      const nsid = view.getUint32(at + SqeOffset.NSID, true)
      this.#traceCommand.emit(sq.id, slot.commandId, slot.opcode, nsid)
    }
    let status = this.#refused(sq, view, at)
    if (status === Status.SUCCESS) {
      status = sq.id === 0 ? runAdmin(this, slot, view, at) : runIo(this, slot, view, at)
    }
    if (status === PENDING) return
    if (status !== Status.SUCCESS) {
      const nsid = view.getUint32(at + SqeOffset.NSID, true)
      const lba = sq.id === 0 ? 0 : getUint64(view, at + SqeOffset.CDW10)
      this.errorLog.add(sq.id, slot.commandId, status, nsid, lba)
    }
    this.#complete(slot, status)
  }

  /** No fused commands; and over PCIe admin commands have no SGLs. @see NVMe Base 2.1, 4.1 (FUSE, PSDT) */
  #refused(sq: SubmissionQueue, view: DataView, at: number): number {
    const flags = view.getUint8(at + SqeOffset.FLAGS)
    if (flags === 0) return Status.SUCCESS
    const fused = (flags & FUSE_MASK) !== 0
    const adminSgl = sq.id === 0 && flags >>> PSDT_SHIFT !== Psdt.PRP
    return fused || adminSgl ? Status.INVALID_FIELD | STATUS_DNR : Status.SUCCESS
  }

  #logStoreError(slot: CommandSlot, status: number): void {
    const shift = this.namespaces.get(slot.nsid)?.blockShift ?? 0
    const lba = Math.floor(slot.io.offsetBytes / 2 ** shift)
    this.errorLog.add(slot.sq?.id ?? ERROR_LOG_NONE, slot.commandId, status, slot.nsid, lba)
  }

  #complete(slot: CommandSlot, status: number): void {
    const { sq } = slot
    assertOnce(sq !== null, 'a command was completed twice')
    if (status !== Status.SUCCESS) this.stats.errors++
    slot.status = status
    sq.outstanding--
    if (this.#cqs[sq.cq.id] !== sq.cq) {
      // The queue went away in a reset: nobody is told.
      this.#slots.give(slot)
      return
    }
    this.#poster.deliver(sq, slot)
    const { deletion } = sq
    if (deletion === null || sq.outstanding > 0) return
    sq.deletion = null
    sq.cq.users--
    this.#complete(deletion, Status.SUCCESS)
  }
}
