// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The controller: registers, doorbells, and the work that they cause. A register access only notes what was asked and queues
// work; commands are fetched, run and completed, and interrupts raised, when the scheduler runs that work.
//
//   disabled --CC.EN=1--> (enabling) --> ready --CC.EN=0--> (resetting: cuts off what is at the stores, or waits for it) --> disabled
//                              |            |--CC.SHN-----> shut down (CSTS.SHST 10b); CC.EN=0 leads back
//                              +--bad queues or a fault on the bus--> fatal (CSTS.CFS)

import type { BusMaster } from '@iolayers/dma-mapping'
import { DeferredCall, type Kernel } from '@iolayers/kernel'
import { AdminOpcode, ERROR_LOG_NONE, FeatureId, STATUS_DNR, Status } from '../spec/index.ts'
import { adminCommands } from './admin/admin-commands.ts'
import { ASYNC_EVENTS_MAX, AsyncEvents } from './admin/async-events.ts'
import { ErrorLog } from './admin/error-log.ts'
import { FeatureTable } from './admin/feature-table.ts'
import type { ControllerIdentity } from './admin/identify-data.ts'
import { KeepAlive } from './admin/keep-alive.ts'
import { NamespaceTable } from './admin/namespace-table.ts'
import { Timestamp } from './admin/timestamp.ts'
import { type CommandTable, PENDING } from './command-handler.ts'
import { CommandRunner } from './command-runner.ts'
import { type CommandSlot, type CommandStep, SlotPool } from './command-slot.ts'
import type { InterruptSink, NamespaceInit, StoreIo } from './contracts.ts'
import { type ControllerCounters, newCounters } from './controller-counters.ts'
import {
  controllerSettings,
  type NvmeController,
  type NvmeControllerInit,
  PAGE_BYTES,
} from './controller-init.ts'
import type { CommandFault, ControllerFaults, FaultTarget } from './fault-hooks.ts'
import { ioCommands } from './io/io-commands.ts'
import type { IoEngine } from './io/io-engine.ts'
import type { Namespace } from './io/namespace.ts'
import { WriteEnd } from './io/read-write.ts'
import type { Arbiter } from './transport/arbiter.ts'
import { BusGate } from './transport/bus-gate.ts'
import { Coalescing } from './transport/coalescing.ts'
import type { CompletionPoster } from './transport/completion-poster.ts'
import { DataPointer } from './transport/data-pointer.ts'
import type { Doorbells } from './transport/doorbells.ts'
import { InterruptLines } from './transport/interrupt-lines.ts'
import { BufferedBus, MemoryBuffer } from './transport/memory-buffer.ts'
import { cutOff, dropBacklog, forgetQueues, type QueueResetParts } from './transport/queue-reset.ts'
import { QueueTable } from './transport/queue-table.ts'
import type { CompletionQueue, SubmissionQueue } from './transport/queues.ts'
import { ReadyDelay } from './transport/ready-delay.ts'
import type { ControllerRegisters } from './transport/registers.ts'
import { ShadowDoorbells } from './transport/shadow-doorbells.ts'
import type { SubmissionReader } from './transport/submission-reader.ts'
import { createTransport } from './transport/transport.ts'

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

export class Controller implements NvmeController, FaultTarget {
  readonly bar: ControllerRegisters
  readonly table: NamespaceTable
  /** Those that take commands. */
  readonly namespaces: ReadonlyMap<number, Namespace>
  readonly features: FeatureTable
  readonly keepAlive: KeepAlive
  readonly timestamp: Timestamp
  readonly errorLog: ErrorLog = new ErrorLog()
  readonly events: AsyncEvents
  readonly dataPointer: DataPointer
  readonly identity: ControllerIdentity
  readonly queues: QueueTable
  readonly queueEntriesMax: number
  readonly vectors: number
  readonly interrupts: InterruptLines
  readonly coalescing: Coalescing
  readonly memoryBuffer: MemoryBuffer | null
  readonly transferBytesMax: number
  readonly stats: ControllerCounters = newCounters()
  readonly writeEnd: CommandStep
  readonly adminCommands: CommandTable
  readonly ioCommands: CommandTable = ioCommands()
  /** Runs what takes more than one I/O. */
  readonly io: IoEngine
  pageBytes: number = PAGE_BYTES
  readonly #kernel: Kernel
  readonly #slots: SlotPool
  readonly #work: DeferredCall
  readonly #reader: SubmissionReader
  readonly #arbiter: Arbiter
  readonly #bus: BusMaster
  readonly #gate: BusGate
  readonly #doorbells: Doorbells
  readonly #faults: ControllerFaults | null
  readonly #readyDelay: ReadyDelay
  readonly #resetParts: QueueResetParts
  readonly #poster: CompletionPoster
  readonly #runner: CommandRunner
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
    const configured = () => this.features.value(FeatureId.ASYNC_EVENT_CONFIGURATION)
    this.events = new AsyncEvents(configured)
    this.table = new NamespaceTable({ kernel, events: this.events, faults }, init.capacity ?? null)
    this.namespaces = this.table.attached
    this.writeEnd = new WriteEnd()
    this.adminCommands = adminCommands({ namespaceManagement: identity.totalBytes > 0 })
    this.keepAlive = new KeepAlive(kernel, () => this.#hostIsSilent())
    this.timestamp = new Timestamp(kernel)
    const kick = () => this.kick()
    this.interrupts = new InterruptLines(this.vectors, kick)
    const coalesced = () => this.features.value(FeatureId.INTERRUPT_COALESCING)
    this.coalescing = new Coalescing(kernel, coalesced, kick)
    this.memoryBuffer = init.memoryBuffer === undefined ? null : new MemoryBuffer(init.memoryBuffer)
    const near = this.memoryBuffer === null ? bus : new BufferedBus(bus, this.memoryBuffer)
    this.#bus = near
    this.#kernel = kernel
    this.#gate = new BusGate(bus)
    this.#faults = faults
    this.#readyDelay = new ReadyDelay(kernel, () => this.kick())
    this.dataPointer = new DataPointer(near, {
      pageBytes: PAGE_BYTES,
      sgl: identity.sgl,
      // Linux sends all of the page in which it keeps the ranges of a discard.
      oversize: identity.fabric !== null,
    })
    this.queues = new QueueTable(pairs)
    this.#runner = new CommandRunner(kernel, this, faults)
    this.io = this.#runner.io
    this.#slots = new SlotPool(
      Math.min(pairs * this.queueEntriesMax, 2048) + ASYNC_EVENTS_MAX + 32,
      this.#runner,
      this.#gate,
    )
    this.#resetParts = {
      slots: this.#slots,
      queues: this.queues,
      events: this.events,
      runner: this.#runner,
    }
    this.#work = new DeferredCall('nvme controller', () => this.#run())
    const components = { kernel, bus: near, slots: this.#slots, runner: this.#runner }
    const { bar, doorbells, poster, reader, arbiter } = createTransport(this, components)
    this.bar = bar
    this.#doorbells = doorbells
    this.#poster = poster
    this.#reader = reader
    this.#arbiter = arbiter
    this.#runner.ways = { slots: this.#slots, poster }
    faults?.attach(this)
  }

  get outstanding(): number {
    return this.#slots.outstanding - this.events.held
  }

  connectInterrupts(sink: InterruptSink): void {
    this.interrupts.sink = sink
  }

  addNamespace(nsid: number, init: NamespaceInit): void {
    this.table.add(nsid, init)
    this.kick()
  }

  removeNamespace(nsid: number): void {
    this.table.remove(nsid)
    this.kick()
  }

  replaceNamespace(nsid: number, init: NamespaceInit): void {
    this.table.replace(nsid, init)
    this.kick()
  }

  destroy(): void {
    this.#destroyed = true
    this.#runner.destroyed = true
    this.#readyDelay.reset()
    this.keepAlive.reset()
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

  powerCut(): void {
    this.#forgetQueues()
    cutOff(this.#resetParts)
    this.bar.powerCut()
  }

  raiseEvent(type: number, info: number, logId: number): void {
    this.events.raise(type, info, logId)
    this.kick()
  }

  namespaceChanged(nsid: number): void {
    this.table.changed(nsid)
    this.kick()
  }

  faultOf(io: StoreIo): CommandFault | null {
    return this.#slots.slots[io.index]?.fault ?? null
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
    return this.#runner.held.count(({ sq, opcode }) => sq?.id === 0 && opcode === AdminOpcode.ABORT)
  }

  /** Stops a command that moves nothing: it ends with Command Abort Requested. False for one that cannot be stopped, or is not there. */
  abortCommand(sqid: number, commandId: number): boolean {
    const sq = this.queues.sq(sqid)
    if (sq === null) return false
    const slot =
      this.#runner.held.stop(sq, commandId) ??
      (sqid === 0 ? this.events.remove(commandId) : null) ??
      this.#reader.takeUnfetched(sq, commandId)
    if (slot !== null) this.#runner.stopped(slot, Status.ABORT_REQUESTED)
    return slot !== null
  }

  /** Stops what can be stopped of a queue that is deleted. */
  abortQueue(sq: SubmissionQueue): void {
    const next = () => this.#runner.held.stop(sq, null) ?? this.#reader.takeFirst(sq)
    for (let slot = next(); slot !== null; slot = next()) {
      this.#runner.stopped(slot, Status.ABORTED_SQ_DELETION)
    }
  }

  useShadowDoorbells(init: { readonly doorbellsAddr: number; readonly eventsAddr: number }): void {
    this.#arbiter.shadow = new ShadowDoorbells(this.#bus, init, (unreachable) => {
      if (unreachable) this.bar.fail()
      else this.#doorbells.invalidValue()
    })
  }

  /** Kept until there is an event, or a reset. @see NVMe Base 2.1, 5.1.2 */
  holdAsyncEvent(slot: CommandSlot): number {
    if (!this.events.hold(slot)) return Status.ASYNC_EVENT_LIMIT_EXCEEDED | STATUS_DNR
    if (this.events.due) this.kick()
    return PENDING
  }

  #run(): void {
    if (this.#destroyed) return
    this.#stateChanges()
    if (this.bar.ready) this.#serve()
    this.#poster.interrupt(this.queues.cqs)
  }

  #serve(): void {
    const runner = this.#runner
    runner.goOn()
    const event = this.events.take()
    if (event !== null) runner.complete(event, Status.SUCCESS)
    for (const cq of this.queues.cqs) if (cq !== null) this.#poster.flushBacklog(cq)
    const more = this.#arbiter.fetch()
    if (runner.fused.active) runner.fused.allFetched()
    if (more) this.#kernel.scheduler.queue(this.#work)
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
      this.keepAlive.reset()
      this.timestamp.reset()
    } else if (bar.wantsShutdown) this.#shutDown(still)
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
    this.#arbiter.shadow = null
    forgetQueues(this.#resetParts)
    this.#poster.forget()
  }

  /** @see NVMe Base 2.1, 3.9.3.2: what a controller does whose transport has no connection to close */
  #hostIsSilent(): void {
    this.errorLog.add(ERROR_LOG_NONE, ERROR_LOG_NONE, Status.KEEP_ALIVE_EXPIRED, 0, 0)
    this.bar.fail()
  }

  /** Abruptly: what is at the stores is cut off, and what hangs there is not waited for. @see NVMe Base 2.1, 3.6 */
  #shutDown(still: boolean): void {
    if (this.bar.shutsDownAbruptly) cutOff(this.#resetParts)
    else if (!still) return
    this.bar.becomeShutDown()
  }
}
