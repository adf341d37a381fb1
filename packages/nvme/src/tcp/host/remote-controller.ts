// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A controller that is somewhere else, as its driver sees it: registers, doorbells and rings here, and a connection for each queue pair to where the commands are
// carried out. The driver is the same as that of a controller on PCIe.
//
//   disabled --CC.EN=1--> (connecting) --> ready --CC.EN=0--> connections closed, commands forgotten --> disabled
//                              |             |---CC.SHN-----> shut down over the connection
//                              +-------------+--> connection refused or lost: fatal (CSTS.CFS), until CC.EN=0

import { BusAccess, type BusMaster } from '@iolayers/dma-mapping'
import { DeferredCall, type Kernel } from '@iolayers/kernel'
import { INVALID_FIELD, INVALID_OPCODE, PENDING } from '../../controller/command-handler.ts'
import { type CommandSlot, SlotPool } from '../../controller/command-slot.ts'
import type { InterruptSink } from '../../controller/contracts.ts'
import { newCounters } from '../../controller/controller-counters.ts'
import { Arbiter } from '../../controller/transport/arbiter.ts'
import { BusGate } from '../../controller/transport/bus-gate.ts'
import { Coalescing } from '../../controller/transport/coalescing.ts'
import { CompletionPoster } from '../../controller/transport/completion-poster.ts'
import { DataPointer } from '../../controller/transport/data-pointer.ts'
import { Doorbells } from '../../controller/transport/doorbells.ts'
import { InterruptLines } from '../../controller/transport/interrupt-lines.ts'
import type { SubmissionQueue } from '../../controller/transport/queues.ts'
import { ControllerRegisters } from '../../controller/transport/registers.ts'
import { SubmissionReader } from '../../controller/transport/submission-reader.ts'
import { AdminOpcode, Cns, NvmOpcode, SQE_BYTES, SqeOffset, Status } from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import type { LinkError } from './link-error.ts'
import { LinkRequest } from './link-request.ts'
import { RemoteQueues } from './remote-queues.ts'
import type { Session, SessionComponents, SessionInit } from './session.ts'
import { Sessions } from './sessions.ts'
import { SlotMemory } from './slot-memory.ts'
import { tellIdentity } from './told-identity.ts'

/** The feature Arbitration: as many commands of a queue in a row as there may be. */
const BURST_UNLIMITED = 7
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
  readonly #kernel: Kernel
  readonly #events: RemoteEvents
  readonly #gate: BusGate
  readonly #queues: RemoteQueues
  readonly #sessions: Sessions
  readonly #slots: SlotPool
  readonly #requests: LinkRequest[]
  readonly #arbiter: Arbiter
  readonly #poster: CompletionPoster
  readonly #interrupts: InterruptLines
  readonly #dataPointer: DataPointer
  readonly #work: DeferredCall
  /** Whose data is Identify Controller. */
  readonly #identifying: Set<CommandSlot>
  readonly #entry: Uint8Array

  /** `session`: the first, opened before anybody enables the controller. */
  constructor(
    components: SessionComponents & { readonly bus: BusMaster },
    init: RemoteInit,
    events: RemoteEvents,
    session: Session,
  ) {
    const { kernel, bus } = components
    this.#kernel = kernel
    this.#events = events
    const { ioQueues, queueEntries } = init
    this.#gate = new BusGate(bus)
    const slots = Math.min(SLOTS_MAX, ioQueues * queueEntries + ADMIN_SLOTS)
    this.#slots = new SlotPool(slots, { storeDone: () => {} }, this.#gate)
    this.#sessions = new Sessions(
      components,
      init,
      {
        connected: ({ link }) => {
          this.#queues.links[0] = link
          this.#kick()
        },
        failed: () => this.bar.fail(),
        shutDown: () => this.bar.becomeShutDown(),
        lost: (error) => this.#lost(error),
      },
      session,
    )
    this.#queues = new RemoteQueues(ioQueues, {
      scheduler: kernel.scheduler,
      slots: this.#slots,
      connect: (qid, entries) => this.#sessions.connectQueue(qid, entries),
      finish: (slot, status) => this.#finish(slot, status),
      kick: () => this.#kick(),
    })
    this.#requests = this.#slots.slots.map(
      (slot) => new LinkRequest(new SlotMemory(slot.io), (request) => this.#ended(slot, request)),
    )
    const kick = (): void => this.#kick()
    this.#interrupts = new InterruptLines(ioQueues + 1, kick)
    const { table } = this.#queues
    // The driver is our own: what its doorbells say is ignored where it makes no sense, and nobody asks for an error log of it.
    const invalid = (): void => {}
    const msix = (): boolean => this.#interrupts.msix
    const doorbells = new Doorbells({ queues: table, kick, msix, invalid })
    this.bar = new ControllerRegisters(
      {
        queueEntriesMax: Math.min(queueEntries, session.queueEntries),
        queuePairs: ioQueues,
        memoryBuffer: null,
      },
      doorbells,
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
    doorbells.poster = this.#poster
    const starter = { start: this.#start.bind(this) }
    const reader = new SubmissionReader({ bus, bar: this.bar, slots: this.#slots, starter })
    const feature = (): number => BURST_UNLIMITED
    this.#arbiter = new Arbiter({ queues: table, reader, feature, weighted: () => false })
    this.#dataPointer = new DataPointer(bus, { pageBytes: PAGE_BYTES, sgl: true, oversize: false })
    this.#work = new DeferredCall('nvme/tcp controller', () => this.#run())
    this.#identifying = new Set()
    this.#entry = new Uint8Array(SQE_BYTES)
    this.#queues.links[0] = session.link
  }

  get controllerId(): number {
    return this.#sessions.current?.controllerId ?? 0
  }

  connectInterrupts(sink: InterruptSink): void {
    this.#interrupts.sink = sink
  }

  /** Why it has failed the last time. */
  get failure(): LinkError | null {
    return this.#sessions.failure
  }

  /** A connection of the first session is gone. Atomic. */
  linkLost(error: LinkError): void {
    this.#sessions.lost(error)
  }

  /** A connection that is being made is given up: enabling fails. */
  abandon(): void {
    this.#sessions.abandon()
  }

  /** Closes all connections. The driver has let go of it. Idempotent. */
  destroy(): void {
    this.#gate.open = false
    this.#forget()
  }

  #kick(): void {
    this.#kernel.scheduler.queue(this.#work)
  }

  #lost(error: LinkError): void {
    this.#forget()
    this.bar.fail()
    this.#events.lost(error)
  }

  #run(): void {
    const { bar } = this
    if (bar.wantsReset) {
      this.#forget()
      bar.becomeDisabled()
    }
    if (bar.wantsShutdown) this.#sessions.shutDown()
    if (bar.wantsEnable) this.#enable()
    if (bar.ready) this.#serve()
    this.#poster.interrupt(this.#queues.table.cqs)
  }

  #serve(): void {
    for (const cq of this.#queues.table.cqs) if (cq !== null) this.#poster.flushBacklog(cq)
    if (this.#arbiter.fetch()) this.#kick()
  }

  #enable(): void {
    const { bar } = this
    const admin = bar.adminQueues()
    if (admin === null || admin.pageBytes !== PAGE_BYTES) {
      bar.fail()
      return
    }
    if (this.#sessions.current === null) {
      this.#sessions.connect()
      return
    }
    this.#queues.table.setAdmin(admin)
    bar.becomeReady()
  }

  /** All connections are closed, and no memory is touched afterwards. What the driver had here it takes back itself. */
  #forget(): void {
    this.#sessions.forget()
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

  #ended(slot: CommandSlot, { memory, status, low }: LinkRequest): void {
    const { minPageShift = 12 } = this.#sessions.current ?? {}
    if (this.#identifying.delete(slot) && status === Status.SUCCESS) {
      tellIdentity(memory, minPageShift, TRANSFER_SHIFT_MAX)
    }
    slot.result = low
    this.#finish(slot, status)
    this.#kick()
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
