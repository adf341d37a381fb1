// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The controller: registers, doorbells, and the work that they cause. A register access only notes what was asked and queues
// work; commands are fetched, run and completed, and interrupts raised, when the scheduler runs that work.
//
//   disabled --CC.EN=1--> (enabling) --> ready --CC.EN=0--> (resetting: waits for what is at the stores) --> disabled
//                              |            |--CC.SHN-----> shut down (CSTS.SHST 10b); CC.EN=0 leads back
//                              +--bad queues or a fault on the bus--> fatal (CSTS.CFS)

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import { assert, DeferredCall, type Kernel, KernelError, type Tracepoint } from '@iolayers/kernel'
import {
  CQE_BYTES,
  CqeOffset,
  FeatureId,
  NvmOpcode,
  SQE_BYTES,
  SqeOffset,
  STATUS_DNR,
  Status,
  statusField,
} from '../spec/index.ts'
import { PENDING, runAdmin } from './admin.ts'
import { type CommandSlot, SlotPool } from './command-slot.ts'
import type {
  InterruptSink,
  NamespaceInit,
  NamespaceStore,
  NvmeControllerStats,
  RegisterBar,
  StoreCompletion,
  StoreIo,
} from './contracts.ts'
import { StoreOp } from './contracts.ts'
import { DataPointer } from './data-pointer.ts'
import { type ControllerIdentity, NAMESPACES_MAX } from './identify.ts'
import { runIo } from './io-commands.ts'
import { CompletionQueue, SubmissionQueue } from './queues.ts'
import { ControllerRegisters } from './registers.ts'

export interface NvmeControllerInit {
  /** Whether SGLs are supported; true by default. */
  readonly sgl?: boolean
  /** Largest transfer of a command: a power of two, at least 4096; 1 MiB by default. */
  readonly mdtsBytes?: number
  /** I/O queue pairs; 8 by default, at most 64. */
  readonly maxQueuePairs?: number
  /** Entries of a queue; 1024 by default, 2 to 65536. */
  readonly maxQueueEntries?: number
  readonly serialNumber?: string
}

/** An NVMe controller, driven as hardware is. @see NVMe Base 2.1; NVMe over PCIe Transport 1.1 */
export interface NvmeController {
  readonly bar: RegisterBar
  readonly stats: NvmeControllerStats
  /** Commands fetched and not completed, held asynchronous event requests not counted. */
  readonly outstanding: number
  connectInterrupts(sink: InterruptSink): void
  /** The store stays the caller's. Throws EEXIST, EINVAL. */
  addNamespace(nsid: number, init: NamespaceInit): void
  /** Stops at once: no command is fetched or completed any more. Idempotent. */
  destroy(): void
}

/** What the command handlers see of a namespace. */
export interface Namespace {
  readonly store: NamespaceStore
  readonly blockBytes: number
  readonly blockShift: number
  readonly blocks: number
}

type Counters = { -readonly [K in keyof NvmeControllerStats]: NvmeControllerStats[K] }

const PAGE_BYTES = 4096
const BURST = 64
const ASYNC_EVENTS = 4
const ABORTS = 4
const LOG_BYTES_MAX = 1 << 20

export function createNvmeController(
  components: { readonly kernel: Kernel; readonly bus: BusMaster },
  init: NvmeControllerInit = {},
): NvmeController {
  return new Controller(components.kernel, components.bus, init)
}

export class Controller implements NvmeController, StoreCompletion {
  readonly bar: ControllerRegisters
  readonly namespaces: Map<number, Namespace> = new Map()
  readonly features: Map<number, number>
  readonly dataPointer: DataPointer
  readonly identity: ControllerIdentity
  readonly queueEntriesMax: number
  readonly vectors: number
  readonly transferBytesMax: number
  readonly logBytesMax: number = LOG_BYTES_MAX
  readonly stats: Counters = {
    adminCommands: 0,
    ioCommands: 0,
    errors: 0,
    bytesRead: 0,
    bytesWritten: 0,
    interrupts: 0,
    invalidDoorbells: 0,
  }
  pageBytes: number = PAGE_BYTES
  readonly #kernel: Kernel
  readonly #bus: BusMaster
  readonly #sqs: (SubmissionQueue | null)[]
  readonly #cqs: (CompletionQueue | null)[]
  readonly #slots: SlotPool
  readonly #held: CommandSlot[] = []
  readonly #work: DeferredCall
  readonly #sqRange: BusRange = new BusRange()
  readonly #cqRange: BusRange = new BusRange()
  readonly #traceCommand: Tracepoint
  readonly #traceComplete: Tracepoint
  #sink: InterruptSink | null = null
  #anyDirty = false
  #destroyed = false

  constructor(kernel: Kernel, bus: BusMaster, init: NvmeControllerInit) {
    const pairs = within('maxQueuePairs', init.maxQueuePairs ?? 8, 1, 64)
    this.queueEntriesMax = within('maxQueueEntries', init.maxQueueEntries ?? 1024, 2, 65536)
    this.transferBytesMax = within('mdtsBytes', init.mdtsBytes ?? 1 << 20, PAGE_BYTES, 1 << 27)
    const mdts = Math.log2(this.transferBytesMax / PAGE_BYTES)
    if (!Number.isInteger(mdts))
      throw new KernelError('EINVAL', 'mdtsBytes', {
        value: init.mdtsBytes,
        accepted: 'a power of two',
      })
    const sgl = init.sgl ?? true
    const serialNumber = init.serialNumber ?? 'IOLAYERS0001'
    this.identity = {
      serialNumber,
      modelNumber: 'iolayers NVMe controller',
      firmwareRevision: '1.0',
      subsystemNqn: `nqn.2026-11.org.iolayers:${serialNumber}`,
      mdts,
      sgl,
      asyncEvents: ASYNC_EVENTS,
      aborts: ABORTS,
    }
    this.vectors = pairs + 1
    this.features = defaultFeatures(pairs)
    this.#kernel = kernel
    this.#bus = bus
    this.dataPointer = new DataPointer(bus, { pageBytes: PAGE_BYTES, sgl })
    this.#sqs = new Array<SubmissionQueue | null>(pairs + 1).fill(null)
    this.#cqs = new Array<CompletionQueue | null>(pairs + 1).fill(null)
    this.#slots = new SlotPool(
      Math.min(pairs * this.queueEntriesMax, 2048) + ASYNC_EVENTS + 32,
      this,
    )
    this.#work = new DeferredCall('nvme controller', () => this.#run())
    this.bar = new ControllerRegisters(
      { queueEntriesMax: this.queueEntriesMax, queuePairs: pairs },
      this,
    )
    this.#traceCommand = kernel.tracer.point('nvmet_req_init', [
      'sqid',
      'cid',
      'opcode',
      'ranges',
      'length',
    ])
    this.#traceComplete = kernel.tracer.point('nvmet_req_complete', ['sqid', 'cid', 'status'])
  }

  get outstanding(): number {
    return this.#slots.outstanding - this.#held.length
  }

  connectInterrupts(sink: InterruptSink): void {
    this.#sink = sink
  }

  addNamespace(nsid: number, init: NamespaceInit): void {
    within('nsid', nsid, 1, NAMESPACES_MAX)
    if (this.namespaces.has(nsid))
      throw new KernelError('EEXIST', `namespace ${nsid} is there already`)
    const blockBytes = init.logicalBlockBytes ?? 512
    if (blockBytes !== 512 && blockBytes !== 4096) {
      throw new KernelError('EINVAL', 'logicalBlockBytes', {
        value: blockBytes,
        accepted: '512 or 4096',
      })
    }
    const blocks = Math.floor(init.store.sizeBytes / blockBytes)
    if (blocks === 0) {
      throw new KernelError('EINVAL', 'size of the store', {
        value: init.store.sizeBytes,
        accepted: `at least ${blockBytes}`,
      })
    }
    this.namespaces.set(nsid, {
      store: init.store,
      blockBytes,
      blockShift: Math.log2(blockBytes),
      blocks,
    })
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
      this.stats.invalidDoorbells++
      return
    }
    sq.tail = value
    this.kick()
  }

  ringCqHead(id: number, value: number): void {
    const cq = this.#cqs[id] ?? null
    if (cq === null || value >= cq.entries) {
      this.stats.invalidDoorbells++
      return
    }
    cq.head = value
    if (cq.backlogFirst !== null) this.kick()
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

  setCompletionQueue(id: number, cq: CompletionQueue | null): void {
    this.#cqs[id] = cq
  }

  /** Kept until there is an event, or a reset. @see NVMe Base 2.1, 5.1.2 */
  holdAsyncEvent(slot: CommandSlot): number {
    if (this.#held.length === ASYNC_EVENTS) return Status.ASYNC_EVENT_LIMIT_EXCEEDED | STATUS_DNR
    this.#held.push(slot)
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
    if (status === Status.SUCCESS) this.#countBytes(slot)
    this.#complete(slot, status)
    this.kick()
  }

  #run(): void {
    if (this.#destroyed) return
    this.#stateChanges()
    if (this.bar.ready) {
      for (let id = 0; id < this.#cqs.length; id++) this.#flushBacklog(this.#cqs[id] ?? null)
      let more = false
      for (let id = 0; id < this.#sqs.length; id++)
        more = this.#fetch(this.#sqs[id] ?? null) || more
      if (more) this.#kernel.scheduler.queue(this.#work)
    }
    if (this.#anyDirty) this.#interrupt()
  }

  #stateChanges(): void {
    const { bar } = this
    if (bar.wantsEnable) this.#enable()
    if (!bar.wantsReset && !bar.wantsShutdown) return
    if (bar.wantsReset) this.#forgetQueues()
    // Ready goes away, and a shutdown is complete, only when no store can touch host memory any more.
    if (this.outstanding > 0) return
    if (bar.wantsReset) bar.becomeDisabled()
    else bar.becomeShutDown()
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
    for (const slot of this.#held.splice(0)) this.#slots.give(slot)
    for (const slot of this.#slots.slots) {
      if (slot.sq === null) continue
      const { sq } = slot
      if (sq.deletion !== null) {
        this.#slots.give(sq.deletion)
        sq.deletion = null
      }
      for (let late = sq.cq.shiftBacklog(); late !== null; late = sq.cq.shiftBacklog())
        this.#slots.give(late)
    }
    this.#anyDirty = false
  }

  /** Runs up to a burst of commands; true when there may be more. */
  #fetch(sq: SubmissionQueue | null): boolean {
    if (sq === null) return false
    const range = this.#sqRange
    let budget = BURST
    while (budget > 0 && sq.head !== sq.tail && sq.cq.backlogFirst === null && this.bar.ready) {
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
    return sq.head !== sq.tail && sq.cq.backlogFirst === null
  }

  #start(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
    slot.sq = sq
    slot.opcode = view.getUint8(at + SqeOffset.OPC)
    slot.commandId = view.getUint16(at + SqeOffset.CID, true)
    sq.outstanding++
    let status: number
    if (sq.id === 0) {
      this.stats.adminCommands++
      status = runAdmin(this, slot, view, at)
    } else {
      this.stats.ioCommands++
      status = runIo(this, slot, view, at)
    }
    if (this.#traceCommand.enabled) {
      this.#traceCommand.emit(
        sq.id,
        slot.commandId,
        slot.opcode,
        slot.io.count,
        slot.io.lengthBytes,
      )
    }
    if (status !== PENDING) this.#complete(slot, status)
  }

  #countBytes(slot: CommandSlot): void {
    if (slot.opcode === NvmOpcode.READ) this.stats.bytesRead += slot.io.lengthBytes
    else if (slot.opcode === NvmOpcode.WRITE) this.stats.bytesWritten += slot.io.lengthBytes
  }

  #complete(slot: CommandSlot, status: number): void {
    const { sq } = slot
    assert(sq !== null, 'a command was completed twice')
    if (status !== Status.SUCCESS) this.stats.errors++
    slot.status = status
    sq.outstanding--
    if (this.#cqs[sq.cq.id] !== sq.cq) {
      // The queue went away in a reset: nobody is told.
      this.#slots.give(slot)
      return
    }
    if (sq.cq.full || sq.cq.backlogFirst !== null) sq.cq.pushBacklog(slot)
    else this.#post(sq, slot)
    const { deletion } = sq
    if (deletion === null || sq.outstanding > 0) return
    sq.deletion = null
    sq.cq.users--
    this.#complete(deletion, Status.SUCCESS)
  }

  #post(sq: SubmissionQueue, slot: CommandSlot): void {
    const { cq } = sq
    const range = this.#cqRange
    const reached = this.#bus.translate(
      cq.baseAddr + cq.tail * CQE_BYTES,
      CQE_BYTES,
      BusAccess.WRITE,
      range,
    )
    if (reached < CQE_BYTES) {
      this.bar.fail()
      this.#slots.give(slot)
      return
    }
    const { view } = range.side
    const at = range.offset
    view.setUint32(at + CqeOffset.DW0, slot.result, true)
    view.setUint32(at + CqeOffset.DW1, 0, true)
    view.setUint16(at + CqeOffset.SQHD, sq.head, true)
    view.setUint16(at + CqeOffset.SQID, sq.id, true)
    view.setUint16(at + CqeOffset.CID, slot.commandId, true)
    // The phase is in the last word written: the entry is whole when it turns.
    view.setUint16(at + CqeOffset.STATUS, statusField(slot.status, cq.phase), true)
    cq.advanceTail()
    cq.dirty = true
    this.#anyDirty = true
    if (this.#traceComplete.enabled) this.#traceComplete.emit(sq.id, slot.commandId, slot.status)
    this.#slots.give(slot)
  }

  #flushBacklog(cq: CompletionQueue | null): void {
    if (cq === null) return
    while (cq.backlogFirst !== null && !cq.full) {
      const slot = cq.shiftBacklog()
      if (slot?.sq) this.#post(slot.sq, slot)
    }
  }

  #interrupt(): void {
    this.#anyDirty = false
    for (const cq of this.#cqs) {
      if (cq === null || !cq.dirty) continue
      cq.dirty = false
      if (!cq.interruptsEnabled || this.bar.isMasked(cq.vector)) continue
      this.stats.interrupts++
      this.#sink?.raise(cq.vector)
    }
  }
}

/** The mandatory features and their defaults. @see NVMe Base 2.1, 5.1.25; NVM Command Set 1.1, 4.1.3 */
function defaultFeatures(pairs: number): Map<number, number> {
  const zeroBased = pairs - 1
  const TEMPERATURE_WARNING_KELVIN = 343
  return new Map<number, number>([
    [FeatureId.ARBITRATION, 7],
    [FeatureId.POWER_MANAGEMENT, 0],
    [FeatureId.TEMPERATURE_THRESHOLD, TEMPERATURE_WARNING_KELVIN],
    [FeatureId.ERROR_RECOVERY, 0],
    [FeatureId.VOLATILE_WRITE_CACHE, 1],
    [FeatureId.NUMBER_OF_QUEUES, zeroBased | (zeroBased << 16)],
    [FeatureId.INTERRUPT_COALESCING, 0],
    [FeatureId.INTERRUPT_VECTOR_CONFIGURATION, 0],
    [FeatureId.WRITE_ATOMICITY_NORMAL, 0],
    [FeatureId.ASYNC_EVENT_CONFIGURATION, 0],
  ])
}

function within(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw new KernelError('EINVAL', name, { value, accepted: `${min} to ${max}` })
}
