// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A controller that is somewhere else, as its driver sees it: registers, doorbells and rings here, and a connection for each queue pair to where the commands are
// carried out. The driver is the same as that of a controller on PCIe.
//
//   disabled --CC.EN=1--> (connecting) --> ready --CC.EN=0--> connections closed, commands forgotten --> disabled
//                              |             |---CC.SHN-----> shut down over the connection
//                              +-------------+--> connection refused or lost: fatal (CSTS.CFS), until CC.EN=0

import { BusAccess, type BusMaster } from '@iolayers/dma-mapping'
import { DeferredCall, type Op } from '@iolayers/kernel'
import { INVALID_FIELD, INVALID_OPCODE, PENDING } from '../../controller/command-handler.ts'
import { type CommandSlot, SlotPool } from '../../controller/command-slot.ts'
import type { InterruptSink } from '../../controller/contracts.ts'
import { newCounters } from '../../controller/controller-counters.ts'
import { BusGate } from '../../controller/transport/bus-gate.ts'
import { Coalescing } from '../../controller/transport/coalescing.ts'
import { CompletionPoster } from '../../controller/transport/completion-poster.ts'
import { DataPointer } from '../../controller/transport/data-pointer.ts'
import { InterruptLines } from '../../controller/transport/interrupt-lines.ts'
import type { SubmissionQueue } from '../../controller/transport/queues.ts'
import { ControllerRegisters } from '../../controller/transport/registers.ts'
import { SubmissionReader } from '../../controller/transport/submission-reader.ts'
import {
  AdminOpcode,
  Cns,
  IDENTIFY_BYTES,
  NvmOpcode,
  SQE_BYTES,
  SqeOffset,
  Status,
} from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import { LinkError } from './link-error.ts'
import { LinkRequest } from './link-request.ts'
import type { QueueLink } from './queue-link.ts'
import { RemoteQueues } from './remote-queues.ts'
import {
  openQueue,
  openSession,
  type Session,
  type SessionComponents,
  type SessionInit,
  shutDown,
} from './session.ts'
import { SlotMemory } from './slot-memory.ts'
import { tellIdentity } from './told-identity.ts'

/** Commands of a queue before others get their turn. */
const BURST = 64
const ADMIN_SLOTS = 64
const SLOTS_MAX = 4096
const PAGE_BYTES = 4096
/** 8 MiB: what one command moves at most. */
const TRANSFER_SHIFT_MAX = 23

export interface RemoteInit extends SessionInit {
  readonly ioQueues: number
  /** Entries of an I/O queue at most. */
  readonly queueEntries: number
}

/** What is told of the connections. From scheduler-run work; atomic. */
export interface RemoteEvents {
  /** A connection of a controller that was enabled is gone: it has failed, and does no more DMA. */
  lost(error: LinkError): void
}

export class RemoteController {
  readonly bar: ControllerRegisters
  /** Why it has failed the last time. */
  failure: LinkError | null
  readonly #components: SessionComponents
  readonly #init: RemoteInit
  readonly #events: RemoteEvents
  readonly #gate: BusGate
  readonly #queues: RemoteQueues
  readonly #slots: SlotPool
  readonly #requests: LinkRequest[]
  readonly #reader: SubmissionReader
  readonly #poster: CompletionPoster
  readonly #interrupts: InterruptLines
  readonly #dataPointer: DataPointer
  readonly #work: DeferredCall
  /** Connections that are being made: closed with the rest. */
  readonly #opening: Set<QueueLink>
  /** Whose data is Identify Controller. */
  readonly #identifying: Set<CommandSlot>
  readonly #entry: Uint8Array
  #session: Session | null
  /** Of the session: what was begun for one that is over is forgotten. */
  #generation: number
  #isConnecting: boolean
  #isShuttingDown: boolean

  /** `session`: the first, opened before anybody enables the controller. */
  constructor(
    components: SessionComponents & { readonly bus: BusMaster },
    init: RemoteInit,
    events: RemoteEvents,
    session: Session,
  ) {
    const { kernel, bus } = components
    this.#components = components
    this.#init = init
    this.#events = events
    this.failure = null
    const { ioQueues, queueEntries } = init
    this.#gate = new BusGate(bus)
    const slots = Math.min(SLOTS_MAX, ioQueues * queueEntries + ADMIN_SLOTS)
    this.#slots = new SlotPool(slots, { storeDone: () => {} }, this.#gate)
    this.#queues = new RemoteQueues(ioQueues, {
      scheduler: kernel.scheduler,
      slots: this.#slots,
      connect: (qid, entries) => this.#connectQueue(qid, entries),
      finish: (slot, status) => this.#finish(slot, status),
      kick: () => this.#kick(),
    })
    this.#requests = this.#slots.slots.map(
      (slot) => new LinkRequest(new SlotMemory(slot.io), (request) => this.#ended(slot, request)),
    )
    const kick = (): void => this.#kick()
    this.#interrupts = new InterruptLines(ioQueues + 1, kick)
    this.bar = new ControllerRegisters(
      {
        queueEntriesMax: Math.min(queueEntries, session.queueEntries),
        queuePairs: ioQueues,
        memoryBuffer: null,
      },
      {
        kick,
        unmasked: () => {
          this.#poster.again()
          kick()
        },
        ringSqTail: (id, value) => this.#ringTail(id, value),
        ringCqHead: (id, value) => this.#ringHead(id, value),
      },
    )
    const coalescing = new Coalescing(kernel, () => 0, kick)
    this.#poster = new CompletionPoster({
      kernel,
      bus,
      bar: this.bar,
      slots: this.#slots,
      stats: newCounters(),
      interrupts: { lines: this.#interrupts, coalescing },
    })
    const starter = { start: this.#start.bind(this) }
    this.#reader = new SubmissionReader({ bus, bar: this.bar, slots: this.#slots, starter })
    this.#dataPointer = new DataPointer(bus, { pageBytes: PAGE_BYTES, sgl: true, oversize: false })
    this.#work = new DeferredCall('nvme/tcp controller', () => this.#run())
    this.#opening = new Set()
    this.#identifying = new Set()
    this.#entry = new Uint8Array(SQE_BYTES)
    this.#session = session
    this.#queues.links[0] = session.link
    this.#generation = 0
    this.#isConnecting = false
    this.#isShuttingDown = false
  }

  get controllerId(): number {
    return this.#session?.controllerId ?? 0
  }

  connectInterrupts(sink: InterruptSink): void {
    this.#interrupts.sink = sink
  }

  /** A connection of the session is gone. Atomic. */
  linkLost(error: LinkError): void {
    if (this.#session === null) return
    this.failure = error
    this.#forget()
    this.bar.fail()
    this.#events.lost(error)
  }

  /** A connection that is being made is given up: enabling fails. */
  abandon(): void {
    if (this.#isConnecting)
      for (const link of this.#opening) link.abort('nobody waits for it any more')
  }

  /** Closes all connections. The driver has let go of it. Idempotent. */
  destroy(): void {
    this.#gate.open = false
    this.#forget()
  }

  #kick(): void {
    this.#components.kernel.scheduler.queue(this.#work)
  }

  #ringTail(id: number, value: number): void {
    const sq = this.#queues.table.sq(id)
    if (sq === null || value >= sq.entries) return
    sq.tail = value
    this.#kick()
  }

  #ringHead(id: number, value: number): void {
    const cq = this.#queues.table.cq(id)
    if (cq === null || !cq.validHead(value)) return
    cq.head = value
    if (cq.backlogFirst !== null) this.#kick()
  }

  #run(): void {
    const { bar } = this
    if (bar.wantsReset) {
      this.#forget()
      bar.becomeDisabled()
    }
    if (bar.wantsShutdown) this.#shutDown()
    if (bar.wantsEnable) this.#enable()
    if (bar.ready) this.#serve()
    this.#poster.interrupt(this.#queues.table.cqs)
  }

  #serve(): void {
    let more = false
    for (const cq of this.#queues.table.cqs) if (cq !== null) this.#poster.flushBacklog(cq)
    for (const sq of this.#queues.table.sqs) more = this.#reader.fetch(sq, BURST) || more
    if (more) this.#kick()
  }

  #enable(): void {
    const { bar } = this
    const admin = bar.adminQueues()
    if (admin === null || admin.pageBytes !== PAGE_BYTES) {
      bar.fail()
      return
    }
    if (this.#session !== null) {
      this.#queues.table.setAdmin(admin)
      bar.becomeReady()
      return
    }
    if (this.#isConnecting) return
    this.#isConnecting = true
    const { scheduler } = this.#components.kernel
    scheduler.spawn('nvme/tcp connect', this.#connect(this.#generation))
  }

  /** A session for a controller that was enabled again. */
  *#connect(generation: number): Op<void> {
    try {
      const lost = (error: LinkError): void => {
        if (generation === this.#generation) this.linkLost(error)
      }
      const session = yield* openSession(this.#ways, this.#init, lost)
      if (generation !== this.#generation) {
        session.link.close()
        return
      }
      this.#session = session
      this.#queues.links[0] = session.link
      this.failure = null
    } catch (error) {
      if (!(error instanceof LinkError)) throw error
      if (generation !== this.#generation) return
      this.failure = error
      this.bar.fail()
    } finally {
      if (generation === this.#generation) {
        this.#isConnecting = false
        this.#kick()
      }
    }
  }

  /** An I/O queue of the session. See QueuesHome.connect. */
  *#connectQueue(qid: number, entries: number): Op<QueueLink | null | false> {
    const generation = this.#generation
    const session = this.#session
    if (session === null) return false
    try {
      const lost = (error: LinkError): void => {
        if (generation === this.#generation) this.linkLost(error)
      }
      const link = yield* openQueue(this.#ways, this.#init, session, { qid, entries }, lost)
      if (generation === this.#generation) return link
      link.close()
      return false
    } catch (error) {
      if (!(error instanceof LinkError)) throw error
      if (generation !== this.#generation) return false
      this.failure = error
      return null
    }
  }

  get #ways(): SessionComponents {
    return { ...this.#components, opened: (link) => this.#opening.add(link) }
  }

  #shutDown(): void {
    const session = this.#session
    if (this.#isShuttingDown) return
    if (session === null) {
      this.bar.fail()
      return
    }
    this.#isShuttingDown = true
    this.#components.kernel.scheduler.spawn('nvme/tcp shutdown', this.#shutDownOver(session))
  }

  *#shutDownOver(session: Session): Op<void> {
    const generation = this.#generation
    try {
      yield* shutDown(this.#components.kernel.scheduler, session, this.#init)
      if (generation === this.#generation) this.bar.becomeShutDown()
    } catch (error) {
      if (!(error instanceof LinkError)) throw error
      if (generation !== this.#generation) return
      this.failure = error
      this.bar.fail()
    }
  }

  /** All connections are closed, and no memory is touched afterwards. What the driver had here it takes back itself. */
  #forget(): void {
    this.#generation++
    this.#session = null
    this.#isConnecting = false
    this.#isShuttingDown = false
    for (const link of this.#opening) link.close()
    this.#opening.clear()
    this.#queues.forget()
    for (const slot of this.#slots.slots) if (slot.sq !== null) this.#slots.give(slot)
    this.#identifying.clear()
    this.#poster.forget()
  }

  #start(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
    slot.sq = sq
    slot.opcode = view.getUint8(at + SqeOffset.OPC)
    slot.commandId = view.getUint16(at + SqeOffset.CID, true)
    slot.nsid = view.getUint32(at + SqeOffset.NSID, true)
    slot.io.lengthBytes = 0
    sq.outstanding++
    const status = sq.id === 0 ? this.#admin(slot, view, at) : this.#send(slot, view, at)
    if (status !== PENDING) this.#finish(slot, status)
  }

  /** What makes queues is for here; all else goes on. */
  #admin(slot: CommandSlot, view: DataView, at: number): number {
    switch (slot.opcode) {
      case AdminOpcode.CREATE_IO_CQ:
        return this.#queues.createCq(view, at)
      case AdminOpcode.CREATE_IO_SQ:
        return this.#queues.createSq(slot, view, at)
      case AdminOpcode.DELETE_IO_SQ:
        return this.#queues.deleteSq(view, at)
      case AdminOpcode.DELETE_IO_CQ:
        return this.#queues.deleteCq(view, at)
      case AdminOpcode.DOORBELL_BUFFER_CONFIG:
        return INVALID_OPCODE
      default:
        return this.#send(slot, view, at)
    }
  }

  #send(slot: CommandSlot, view: DataView, at: number): number {
    const link = this.#queues.links[slot.sq?.id ?? 0] ?? null
    const request = this.#requests[slot.io.index]
    if (link === null || request === undefined) return Status.INTERNAL_ERROR
    const direction = (slot.opcode & 3) as Direction
    if (direction === Direction.BOTH) return INVALID_FIELD
    const access = direction === Direction.TO_CONTROLLER ? BusAccess.READ : BusAccess.WRITE
    if (direction !== Direction.NONE && hasData(view, at)) {
      const most = 2 ** TRANSFER_SHIFT_MAX
      const found = this.#dataPointer.resolveWhole(view, at, most, access, slot.io)
      if (found !== Status.SUCCESS) return found
    }
    const isRead = slot.sq?.id !== 0 && slot.opcode === NvmOpcode.READ
    if (isIdentifyController(slot, view, at)) this.#identifying.add(slot)
    request.begin(slot.commandId, direction, isRead)
    this.#entry.set(new Uint8Array(view.buffer, view.byteOffset + at, SQE_BYTES))
    link.submit(request, this.#entry)
    return PENDING
  }

  #ended(slot: CommandSlot, { status, low }: LinkRequest): void {
    if (this.#identifying.delete(slot) && status === Status.SUCCESS) this.#tell(slot)
    slot.result = low
    this.#finish(slot, status)
    this.#kick()
  }

  #tell({ io }: CommandSlot): void {
    const memory = this.#requests[io.index]?.memory
    if (memory === undefined || memory.lengthBytes < IDENTIFY_BYTES) return
    const data = new Uint8Array(IDENTIFY_BYTES)
    let done = 0
    for (const part of memory.parts(0, IDENTIFY_BYTES)) {
      data.set(part, done)
      done += part.length
    }
    tellIdentity(data, this.#session?.minPageShift ?? 12, TRANSFER_SHIFT_MAX)
    memory.put(0, data)
  }

  #finish(slot: CommandSlot, status: number): void {
    const { sq } = slot
    if (sq === null) return
    slot.status = status
    slot.over = true
    sq.outstanding--
    this.#poster.deliver(sq, slot)
  }
}

/** The data pointer names something. */
function hasData(view: DataView, at: number): boolean {
  for (let dword = 0; dword < 4; dword++) {
    if (view.getUint32(at + SqeOffset.DPTR + 4 * dword, true) !== 0) return true
  }
  return false
}

function isIdentifyController(slot: CommandSlot, view: DataView, at: number): boolean {
  const cns = view.getUint8(at + SqeOffset.CDW10)
  return slot.sq?.id === 0 && slot.opcode === AdminOpcode.IDENTIFY && cns === Cns.CONTROLLER
}
