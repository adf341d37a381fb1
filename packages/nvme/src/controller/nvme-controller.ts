// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The controller: registers, doorbells, and the work that they cause. A register access only notes what was asked and queues
// work; commands are fetched, run and completed, and interrupts raised, when the scheduler runs that work.
//
//   disabled --CC.EN=1--> (enabling) --> ready --CC.EN=0--> (resetting: cuts off what is at the stores, or waits for it) --> disabled
//                              |            |--CC.SHN-----> shut down (CSTS.SHST 10b); CC.EN=0 leads back
//                              +--bad queues or a fault on the bus--> fatal (CSTS.CFS)

import type { BusMaster } from '@iolayers/dma-mapping'
import {
  assert,
  assertOnce,
  DeferredCall,
  type Kernel,
  KernelError,
  type Tracepoint,
} from '@iolayers/kernel'
import {
  AdminOpcode,
  ERROR_LOG_NONE,
  getUint64,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../spec/index.ts'
import { adminCommands } from './admin/admin-commands.ts'
import { ASYNC_EVENTS_MAX, AsyncEvents } from './admin/async-events.ts'
import { ErrorLog } from './admin/error-log.ts'
import { FeatureTable } from './admin/feature-table.ts'
import { type ControllerIdentity, NAMESPACES_MAX } from './admin/identify-data.ts'
import { refused } from './command-checks.ts'
import { type CommandTable, INVALID_OPCODE, PENDING } from './command-handler.ts'
import { type CommandSlot, type CommandStep, SlotPool } from './command-slot.ts'
import type { InterruptSink, NamespaceInit, StoreCompletion, StoreIo } from './contracts.ts'
import { type ControllerCounters, countMoved, newCounters } from './controller-counters.ts'
import {
  controllerSettings,
  type NvmeController,
  type NvmeControllerInit,
  PAGE_BYTES,
  within,
} from './controller-init.ts'
import { type ControllerFaults, type FaultTarget, HoldAt } from './fault-hooks.ts'
import { commandInfo, copyEntry, HeldCommands } from './held-commands.ts'
import { FlushAfterWrite } from './io/flush.ts'
import { ioCommands } from './io/io-commands.ts'
import { makeNamespace, type Namespace } from './io/namespace.ts'
import { BusGate } from './transport/bus-gate.ts'
import { CompletionPoster } from './transport/completion-poster.ts'
import { DataPointer } from './transport/data-pointer.ts'
import { Doorbells } from './transport/doorbells.ts'
import { cutOff, dropBacklog, forgetQueues, type QueueResetParts } from './transport/queue-reset.ts'
import { QueueTable } from './transport/queue-table.ts'
import type { CompletionQueue, SubmissionQueue } from './transport/queues.ts'
import { ReadyDelay } from './transport/ready-delay.ts'
import { ControllerRegisters } from './transport/registers.ts'
import { type CommandStarter, SubmissionReader } from './transport/submission-reader.ts'

export function createNvmeController(
  components: {
    readonly kernel: Kernel
    readonly bus: BusMaster
    /** What goes wrong in it; nothing by default. */
    readonly faults?: ControllerFaults
  },
  init: NvmeControllerInit = {},
): NvmeController {
  return new Controller(components.kernel, components.bus, components.faults ?? null, init)
}

export class Controller implements NvmeController, StoreCompletion, CommandStarter, FaultTarget {
  readonly bar: ControllerRegisters
  readonly namespaces: Map<number, Namespace> = new Map()
  readonly features: FeatureTable
  readonly errorLog: ErrorLog = new ErrorLog()
  readonly events: AsyncEvents = new AsyncEvents()
  readonly dataPointer: DataPointer
  readonly identity: ControllerIdentity
  readonly queues: QueueTable
  readonly queueEntriesMax: number
  readonly vectors: number
  readonly transferBytesMax: number
  readonly stats: ControllerCounters = newCounters()
  readonly flushAfterWrite: CommandStep = new FlushAfterWrite(this.namespaces)
  pageBytes: number = PAGE_BYTES
  readonly #kernel: Kernel
  readonly #slots: SlotPool
  readonly #work: DeferredCall
  readonly #reader: SubmissionReader
  readonly #gate: BusGate
  readonly #faults: ControllerFaults | null
  readonly #held: HeldCommands = new HeldCommands(() => this.kick())
  readonly #readyDelay: ReadyDelay
  readonly #resetParts: QueueResetParts
  readonly #traceCommand: Tracepoint
  readonly #poster: CompletionPoster
  readonly #adminCommands: CommandTable = adminCommands()
  readonly #ioCommands: CommandTable = ioCommands()
  #destroyed = false

  constructor(
    kernel: Kernel,
    bus: BusMaster,
    faults: ControllerFaults | null,
    init: NvmeControllerInit,
  ) {
    const { pairs, queueEntriesMax, transferBytesMax, identity } = controllerSettings(init)
    this.queueEntriesMax = queueEntriesMax
    this.transferBytesMax = transferBytesMax
    this.identity = identity
    this.vectors = pairs + 1
    this.features = new FeatureTable(pairs)
    this.#kernel = kernel
    this.#gate = new BusGate(bus)
    this.#faults = faults
    this.#readyDelay = new ReadyDelay(kernel, () => this.kick())
    this.dataPointer = new DataPointer(bus, { pageBytes: PAGE_BYTES, sgl: identity.sgl })
    this.queues = new QueueTable(pairs)
    this.#slots = new SlotPool(
      Math.min(pairs * this.queueEntriesMax, 2048) + ASYNC_EVENTS_MAX + 32,
      this,
      this.#gate,
    )
    this.#resetParts = {
      slots: this.#slots,
      queues: this.queues,
      events: this.events,
      held: this.#held,
      namespaces: this.namespaces,
    }
    this.#work = new DeferredCall('nvme controller', () => this.#run())
    const { queues, events, errorLog, stats } = this
    const kick = () => this.kick()
    const doorbells = new Doorbells({ queues, events, errorLog, stats, kick })
    this.bar = new ControllerRegisters({ queueEntriesMax, queuePairs: pairs }, doorbells)
    this.#traceCommand = kernel.tracer.point('nvmet_req_init', ['sqid', 'cid', 'opcode', 'nsid'])
    this.#poster = new CompletionPoster({
      kernel,
      bus,
      bar: this.bar,
      slots: this.#slots,
      stats: this.stats,
    })
    doorbells.poster = this.#poster
    this.#reader = new SubmissionReader({ bus, bar: this.bar, slots: this.#slots, starter: this })
    faults?.attach(this)
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
    this.#readyDelay.reset()
    this.#forgetQueues()
  }

  // What those who make it fail ask for.

  fail(): void {
    this.bar.fail()
  }

  remove(): void {
    this.bar.vanish()
    this.#gate.open = false
    this.destroy()
    cutOff(this.#resetParts)
  }

  /** Something is new: looks at it soon, never inside a register access. */
  kick(): void {
    if (!this.#destroyed) this.#kernel.scheduler.queue(this.#work)
  }

  // What admin commands need.

  /** Completions that found a queue full go with it. */
  setCompletionQueue(id: number, cq: CompletionQueue | null): void {
    const before = this.queues.cq(id)
    if (before !== null) dropBacklog(this.#slots, before)
    this.queues.cqs[id] = cq
  }

  /** What Identify says of it: the truth, but for faults. */
  get toldIdentity(): ControllerIdentity {
    return { ...this.identity, ...this.#faults?.identifyLies }
  }

  /** Aborts that are held, and count for the limit of them. */
  get abortsHeld(): number {
    return this.#held.count(({ sq, opcode }) => sq?.id === 0 && opcode === AdminOpcode.ABORT)
  }

  /** Stops a command that moves nothing: it ends with Command Abort Requested. False for one that cannot be stopped, or is not there. */
  abortCommand(sqid: number, commandId: number): boolean {
    const sq = this.queues.sq(sqid)
    if (sq === null) return false
    const slot =
      this.#held.stop(sq, commandId) ??
      (sqid === 0 ? this.events.remove(commandId) : null) ??
      this.#reader.takeUnfetched(sq, commandId)
    if (slot !== null) this.#stopped(slot, Status.ABORT_REQUESTED)
    return slot !== null
  }

  /** Stops what can be stopped of a queue that is deleted. */
  abortQueue(sq: SubmissionQueue): void {
    const next = () => this.#held.stop(sq, null) ?? this.#reader.takeFirst(sq)
    for (let slot = next(); slot !== null; slot = next()) {
      this.#stopped(slot, Status.ABORTED_SQ_DELETION)
    }
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
    const { step } = slot
    if (step !== null) {
      slot.step = null
      status = step.storeDone(slot, status)
      if (status === PENDING) return
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
      this.#goOn()
      const event = this.events.take()
      if (event !== null) this.#complete(event, Status.SUCCESS)
      const { sqs, cqs } = this.queues
      for (const cq of cqs) if (cq !== null) this.#poster.flushBacklog(cq)
      let more = false
      for (let id = 0; id < sqs.length; id++) more = this.#reader.fetch(sqs[id] ?? null) || more
      if (more) this.#kernel.scheduler.queue(this.#work)
    }
    this.#poster.interrupt(this.queues.cqs)
  }

  #stateChanges(): void {
    const { bar } = this
    const resets = bar.wantsReset && this.#faults?.ignoresDisable !== true
    if (resets) {
      this.#forgetQueues()
      cutOff(this.#resetParts)
    }
    // Ready goes away, and a shutdown is complete, only when no store can touch host memory any more.
    const still = this.outstanding === 0
    if (resets && still) {
      bar.becomeDisabled()
      this.#readyDelay.reset()
      this.features.reset()
    } else if (bar.wantsShutdown && still) bar.becomeShutDown()
    if (bar.wantsEnable && this.#readyDelay.over(this.#faults?.readyDelayNs ?? 0)) this.#enable()
  }

  #enable(): void {
    const admin = this.bar.adminQueues()
    if (admin === null) {
      this.bar.fail()
      return
    }
    this.pageBytes = admin.pageBytes
    this.dataPointer.init.pageBytes = admin.pageBytes
    this.queues.setAdmin(admin)
    this.#readyDelay.reset()
    this.bar.becomeReady()
  }

  #forgetQueues(): void {
    forgetQueues(this.#resetParts)
    this.#poster.forget()
  }

  start(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
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
    if (this.#faults === null || !this.#goesWrong(this.#faults, slot, view, at)) {
      this.#execute(sq, slot, view, at)
    }
  }

  #execute(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
    let status = refused(sq.id, view, at)
    if (status === Status.SUCCESS) {
      const run = (sq.id === 0 ? this.#adminCommands : this.#ioCommands)[slot.opcode]
      status = run ? run(this, slot, view, at) : INVALID_OPCODE
    }
    if (status === PENDING) return
    if (status !== Status.SUCCESS) {
      const nsid = view.getUint32(at + SqeOffset.NSID, true)
      const lba = sq.id === 0 ? 0 : getUint64(view, at + SqeOffset.CDW10)
      this.errorLog.add(sq.id, slot.commandId, status, nsid, lba)
    }
    this.#complete(slot, status)
  }

  #logStoreError(slot: CommandSlot, status: number): void {
    const shift = this.namespaces.get(slot.nsid)?.blockShift ?? 0
    const lba = Math.floor(slot.io.offsetBytes / 2 ** shift)
    this.errorLog.add(slot.sq?.id ?? ERROR_LOG_NONE, slot.commandId, status, slot.nsid, lba)
  }

  /** Asks what is wrong with a command. True when it is not run now. */
  #goesWrong(faults: ControllerFaults, slot: CommandSlot, view: DataView, at: number): boolean {
    const fault = faults.command(commandInfo(slot.sq?.id ?? 0, slot, view, at))
    slot.fault = fault
    if (fault === null) return false
    if (fault.hold === HoldAt.BEFORE) {
      this.#held.add(slot, fault, copyEntry(view, at), Status.SUCCESS)
      return true
    }
    if (fault.status < 0) return false
    this.#complete(slot, fault.status)
    return true
  }

  /** Commands that were held, and are no more, go on where they were. */
  #goOn(): void {
    for (let held = this.#held.takeDue(); held !== null; held = this.#held.takeDue()) {
      const { slot, entry } = held
      if (entry === null) this.#finish(slot, held.status)
      else if (slot.sq !== null) this.#execute(slot.sq, slot, entry, 0)
    }
  }

  #complete(slot: CommandSlot, status: number): void {
    const { fault } = slot
    if (fault === null || fault.hold !== HoldAt.AFTER) this.#finish(slot, status)
    else if (this.#destroyed || (fault.abortable && slot.sq?.deletion)) this.#finish(slot, status)
    else this.#held.add(slot, fault, null, status)
  }

  /** A command that was stopped: whatever was wrong with it, it ends as it should. */
  #stopped(slot: CommandSlot, status: number): void {
    slot.fault = null
    this.#finish(slot, status)
  }

  #finish(slot: CommandSlot, status: number): void {
    const { sq, fault } = slot
    assertOnce(sq !== null, 'a command was completed twice')
    if (status !== Status.SUCCESS) this.stats.errors++
    slot.status = status
    sq.outstanding--
    if (this.queues.cqs[sq.cq.id] !== sq.cq) {
      // The queue went away in a reset: nobody is told.
      this.#slots.give(slot)
      return
    }
    if (fault === null) this.#poster.deliver(sq, slot)
    else this.#poster.deliverWrong(sq, slot, fault)
    const { deletion } = sq
    if (deletion === null || sq.outstanding > 0) return
    sq.deletion = null
    sq.cq.users--
    this.#complete(deletion, Status.SUCCESS)
  }
}
