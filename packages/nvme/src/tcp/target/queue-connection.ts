// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One connection: a queue of a host. PDUs in, PDUs out.
//
//   ICReq, ICResp --> Connect --> [I/O: the controller makes the queue] --> commands --> end
//
//   read:   capsule --> ring --> C2HData --> CapsuleResp
//   write:  capsule with data --> ring --> CapsuleResp
//           capsule --> R2T --> H2CData ... --> ring --> CapsuleResp

import type { CoherentBlock } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import {
  AdminOpcode,
  CQE_BYTES,
  CqeOffset,
  FabricsStatus,
  FabricsType,
  FeatureId,
  SqeOffset,
  STATUS_DNR,
  Status,
  TCP_COMMON_HEADER_BYTES,
  TCP_IC_BYTES,
  TcpFatalError,
  TcpPduType,
} from '../../spec/index.ts'
import { PduError } from '../pdu-error.ts'
import { type PduHeader, PduReader, type PduSink } from '../pdu-reader.ts'
import { icResp, PduWriter, termReq } from '../pdu-writer.ts'
import {
  type Association,
  type AssociationQueue,
  IN_CAPSULE_BYTES,
  type QueueMemory,
} from './association.ts'
import { type Connected, type ConnectRegistry, connect } from './connect.ts'
import type { ListenAddress } from './discovery.ts'
import { type CommandHome, DataKind, Direction, FabricsCommand } from './fabrics-command.ts'
import { propertyGet, propertySet } from './properties.ts'
import type { PeerConnection } from './target-types.ts'

/** Data of one H2CData PDU. */
const MAX_H2C_DATA_BYTES = 131_072
const FCTYPE = 4
/** A host sends its Connect in a queue of at least so many. */
const FIRST_COMMANDS = 1
const NO_FLOW_CONTROL = 0xffff

/** Of commands that make no sense over a fabric. */
const NOT_ON_FABRICS: ReadonlySet<number> = new Set([
  AdminOpcode.DELETE_IO_SQ,
  AdminOpcode.CREATE_IO_SQ,
  AdminOpcode.DELETE_IO_CQ,
  AdminOpcode.CREATE_IO_CQ,
  AdminOpcode.DOORBELL_BUFFER_CONFIG,
])

type Live = NonNullable<Connected['queue']>

export class QueueConnection implements PduSink, AssociationQueue, CommandHome {
  readonly #registry: ConnectRegistry
  readonly #peer: PeerConnection
  readonly #closed: () => void
  readonly #reader: PduReader
  #writer: PduWriter
  #commands: FabricsCommand[]
  #live: Live | null
  #isConnecting: boolean
  #isClosed: boolean
  #sqHead: number
  /** Whose data is coming in, and where the next of it goes. */
  #current: FabricsCommand | null
  #at: number
  #type: number
  /** The Connect command, before there is a queue. */
  #connectEntry: Uint8Array | null
  #connectData: number[]

  constructor(
    components: { readonly registry: ConnectRegistry; readonly peer: PeerConnection },
    closed: () => void,
  ) {
    this.#registry = components.registry
    this.#peer = components.peer
    this.#closed = closed
    this.#reader = new PduReader(this, { side: 'controller', dataBytesMax: MAX_H2C_DATA_BYTES })
    const none = { headerDigest: false, dataDigest: false, dataAlignmentBytes: 4 }
    this.#writer = new PduWriter(none)
    this.#commands = []
    this.#live = null
    this.#isConnecting = false
    this.#isClosed = false
    this.#sqHead = 0
    this.#current = null
    this.#at = 0
    this.#type = 0
    this.#connectEntry = null
    this.#connectData = []
  }

  /** Where its host came to. */
  get at(): ListenAddress {
    return { address: this.#peer.localAddress, port: this.#peer.localPort }
  }

  /** Whether it is a queue by now. */
  get isConnected(): boolean {
    return this.#live !== null
  }

  /** What came in. What is no PDU ends the connection, and no other. */
  received(bytes: Uint8Array): void {
    if (this.#isClosed) return
    try {
      this.#reader.push(bytes)
    } catch (error) {
      if (!(error instanceof PduError)) throw error
      this.#terminate(error)
    }
  }

  /** The connection is gone. */
  lost(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const live = this.#live
    this.#live = null
    if (live !== null) live.association.closeQueue(live.qid, this.#memory())
    this.#closed()
  }

  associationEnded(): void {
    this.#live = null
    if (this.#isClosed) return
    this.#isClosed = true
    this.#peer.end()
    this.#closed()
  }

  pduBegin(header: PduHeader): void {
    this.#type = header.type
    switch (header.type) {
      case TcpPduType.IC_REQ:
        this.#initialise(header.view)
        break
      case TcpPduType.CAPSULE_CMD:
        this.#beginCapsule(header)
        break
      case TcpPduType.H2C_DATA:
        this.#beginData(header)
        break
      default:
        break
    }
  }

  pduData(bytes: Uint8Array): void {
    const command = this.#current
    if (command !== null) {
      command.bytes(this.#at, this.#at + bytes.length).set(bytes)
      this.#at += bytes.length
    } else if (this.#connectEntry !== null) this.#connectData.push(...bytes)
  }

  pduEnd(digestOk: boolean): void {
    const command = this.#current
    this.#current = null
    if (this.#type === TcpPduType.H2C_TERM_REQ) {
      this.#peer.destroy()
      this.lost()
      return
    }
    if (this.#connectEntry !== null) {
      this.#connect(this.#connectEntry, digestOk)
      return
    }
    if (command === null) return
    if (!digestOk) command.isDamaged = true
    if (this.#type === TcpPduType.CAPSULE_CMD) this.#start(command)
    else if (command.receivedBytes === command.lengthBytes) {
      command.isReceiving = false
      this.#submit(command)
    }
  }

  completed(command: FabricsCommand, status: number, result: number): void {
    if (this.#live === null) return
    const hasData = status === 0 && command.direction === Direction.FROM_CONTROLLER
    this.#respond(command, status, result, 0, hasData ? command.lengthBytes : 0)
  }

  /** @see NVMe TCP Transport 1.1, 3.6.2.1 */
  #initialise(view: DataView): void {
    const version = view.getUint16(8, true)
    if (version !== 0) {
      throw this.#fatal('another version of PDUs', TcpFatalError.UNSUPPORTED_PARAMETER, 8, view)
    }
    const alignment = (view.getUint8(10) + 1) * 4
    if (alignment > TCP_IC_BYTES) {
      throw this.#fatal('HPDA is out of range', TcpFatalError.INVALID_PDU_HEADER, 10, view)
    }
    const digests = view.getUint8(11)
    const agreed = { headerDigest: (digests & 1) !== 0, dataDigest: (digests & 2) !== 0 }
    const dataAlignmentBytes = 4
    this.#send([icResp({ ...agreed, dataAlignmentBytes, maxH2cDataBytes: MAX_H2C_DATA_BYTES })])
    this.#reader.agreement = { ...agreed, dataAlignmentBytes }
    this.#writer = new PduWriter({ ...agreed, dataAlignmentBytes: alignment })
  }

  #beginCapsule({ view, dataBytes }: PduHeader): void {
    if (dataBytes > IN_CAPSULE_BYTES) {
      throw this.#fatal('more data than fits a capsule', TcpFatalError.INVALID_PDU_HEADER, 4, view)
    }
    const live = this.#live
    if (live === null) {
      if (this.#isConnecting || this.#connectEntry !== null) {
        throw this.#fatal('a command before Connect has ended', TcpFatalError.PDU_SEQUENCE, 0, view)
      }
      const at = view.byteOffset + TCP_COMMON_HEADER_BYTES
      this.#connectEntry = new Uint8Array(view.buffer.slice(at, at + 64))
      return
    }
    const command = this.#commands.find(({ isBusy }) => !isBusy)
    if (command === undefined) {
      throw this.#fatal('more commands than the queue has', TcpFatalError.PDU_SEQUENCE, 0, view)
    }
    command.begin(view, TCP_COMMON_HEADER_BYTES)
    if (live.hasFlowControl) this.#sqHead = (this.#sqHead + 1) % live.entries
    this.#current = command
    this.#at = 0
    if (command.kind !== DataKind.IN_CAPSULE) return
    if (command.offsetBytes + command.lengthBytes > dataBytes) command.kind = DataKind.WRONG
  }

  #beginData({ view, dataBytes }: PduHeader): void {
    const commandId = view.getUint16(8, true)
    const command = this.#commands[view.getUint16(10, true)]
    if (command === undefined || !command.isReceiving || command.commandId !== commandId) {
      throw this.#fatal('data that nobody asked for', TcpFatalError.INVALID_PDU_HEADER, 10, view)
    }
    const offset = view.getUint32(12, true)
    const length = view.getUint32(16, true)
    const isNext = offset === command.receivedBytes && length === dataBytes
    if (!isNext || offset + length > command.lengthBytes) {
      throw this.#fatal('data out of place', TcpFatalError.DATA_OUT_OF_RANGE, 12, view)
    }
    command.receivedBytes += length
    this.#current = command
    this.#at = offset
  }

  #connect(entry: Uint8Array, digestOk: boolean): void {
    const data = Uint8Array.from(this.#connectData)
    this.#connectEntry = null
    this.#connectData = []
    const view = new DataView(entry.buffer)
    const commandId = view.getUint16(SqeOffset.CID, true)
    const answer = (status: number, result: number): void =>
      this.#send([this.#writer.capsuleResp(cqe(status, result, 0, this.#sqHead, commandId))])
    const isConnect =
      view.getUint8(SqeOffset.OPC) === AdminOpcode.FABRICS &&
      view.getUint8(FCTYPE) === FabricsType.CONNECT
    if (!isConnect || !digestOk) {
      const status = isConnect ? Status.TRANSIENT_TRANSPORT_ERROR : SEQUENCE_ERROR
      answer(status, 0)
      return
    }
    this.#isConnecting = true
    connect(this.#registry, this, entry, data, ({ status, result, queue }) => {
      this.#isConnecting = false
      if (queue === null) {
        answer(status, result)
        return
      }
      if (!this.#goLive(queue)) answer(FabricsStatus.CONTROLLER_BUSY, 0)
      else if (!this.#isClosed) answer(status, result)
      if (this.#live === null || this.#isClosed) {
        this.#live = null
        queue.association.closeQueue(queue.qid, this.#memory())
      }
    })
  }

  /** What the queue has of the association. */
  #memory(): QueueMemory {
    const commands = this.#commands
    this.#commands = []
    return {
      own: commands.map(({ own }) => own),
      taken: commands.flatMap(({ large }) => (large === null ? [] : [large])),
    }
  }

  /** False: there is no memory for its commands. */
  #goLive(queue: Live): boolean {
    const { association, entries, hasFlowControl } = queue
    try {
      for (let index = 0; index < entries; index++) {
        const own = association.allocate(IN_CAPSULE_BYTES)
        this.#commands.push(new FabricsCommand(this, index, own))
      }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      return false
    }
    this.#live = queue
    this.#sqHead = hasFlowControl ? FIRST_COMMANDS % entries : NO_FLOW_CONTROL
    return true
  }

  /** Its capsule is whole. */
  #start(command: FabricsCommand): void {
    const live = this.#live
    if (live === null) return
    if (command.opcode === AdminOpcode.FABRICS) {
      this.#fabrics(command, live)
      return
    }
    const refusal = this.#refusal(command, live)
    if (refusal !== Status.SUCCESS) {
      this.#respond(command, refusal, 0)
      return
    }
    if (live.qid === 0) this.#beforeAdmin(command, live)
    if (command.direction === Direction.NONE) command.lengthBytes = 0
    if (command.kind === DataKind.IN_CAPSULE) this.#submit(command)
    else this.#prepare(command, live)
  }

  /** What never reaches the controller. */
  #refusal(command: FabricsCommand, { association, qid }: Live): number {
    if (!association.isReady) return SEQUENCE_ERROR
    if (qid === 0 && NOT_ON_FABRICS.has(command.opcode)) return Status.INVALID_OPCODE | STATUS_DNR
    if (command.kind === DataKind.WRONG) return Status.SGL_TYPE_INVALID | STATUS_DNR
    const { mdtsBytes } = this.#registry.settings
    const isTooLong = command.lengthBytes > mdtsBytes && command.direction !== Direction.NONE
    if (isTooLong) return Status.INVALID_FIELD | STATUS_DNR
    const readsIntoCapsule =
      command.kind === DataKind.IN_CAPSULE && command.direction !== Direction.TO_CONTROLLER
    return readsIntoCapsule ? Status.SGL_TYPE_INVALID | STATUS_DNR : Status.SUCCESS
  }

  #beforeAdmin(command: FabricsCommand, { association }: Live): void {
    const { view, opcode } = command
    if (opcode === AdminOpcode.KEEP_ALIVE) association.heard()
    else if (opcode === AdminOpcode.SET_FEATURES) {
      const isTimer = view.getUint8(SqeOffset.CDW10) === FeatureId.KEEP_ALIVE_TIMER
      if (isTimer) association.keepAliveMs = view.getUint32(SqeOffset.CDW11, true)
    } else if (opcode === AdminOpcode.ABORT) {
      // The controller knows commands by the ring's identifiers.
      const sqid = view.getUint16(SqeOffset.CDW10, true)
      const commandId = view.getUint16(SqeOffset.CDW10 + 2, true)
      const tag = association.tagOf(sqid, commandId)
      view.setUint16(SqeOffset.CDW10 + 2, tag < 0 ? 0xffff : tag, true)
    }
  }

  /** Finds memory for its data, and asks for what the host is to send. Waits where there is none now. */
  #prepare(command: FabricsCommand, live: Live): void {
    const { lengthBytes } = command
    if (lengthBytes > IN_CAPSULE_BYTES) {
      command.large = live.association.takeMemory(lengthBytes)
      if (command.large === null) {
        live.association.waitForMemory(() => {
          if (this.#live === live) this.#prepare(command, live)
        })
        return
      }
    }
    if (command.direction === Direction.TO_CONTROLLER && lengthBytes > 0) {
      command.isReceiving = true
      const place = { commandId: command.commandId, offsetBytes: 0, lengthBytes }
      this.#send([this.#writer.r2t(place, command.index)])
      return
    }
    // Nothing of others is to be seen where the controller writes less.
    command.bytes(0, lengthBytes).fill(0)
    this.#submit(command)
  }

  #submit(command: FabricsCommand): void {
    const live = this.#live
    if (live === null) return
    if (command.isDamaged) {
      this.#respond(command, Status.TRANSIENT_TRANSPORT_ERROR, 0)
      return
    }
    const { dmaAddr } = command.block
    const start = command.kind === DataKind.IN_CAPSULE ? command.offsetBytes : 0
    const data = { dmaAddr: dmaAddr + start, lengthBytes: command.lengthBytes }
    command.tag = live.ring.submit(command.entry, data, command)
    if (command.tag < 0) this.#respond(command, Status.INTERNAL_ERROR, 0)
  }

  #fabrics(command: FabricsCommand, { association, qid }: Live): void {
    const type = command.view.getUint8(FCTYPE)
    if (type === FabricsType.DISCONNECT) {
      const status = qid === 0 ? FabricsStatus.INVALID_QUEUE_TYPE | STATUS_DNR : Status.SUCCESS
      this.#respond(command, status, 0)
      if (status !== Status.SUCCESS) return
      this.#peer.end()
      this.lost()
    } else if (type === FabricsType.PROPERTY_GET && qid === 0) {
      const { status, low, high } = propertyGet(association, command.view)
      this.#respond(command, status, low, high)
    } else if (type === FabricsType.PROPERTY_SET && qid === 0) {
      this.#respond(command, propertySet(association, command.view), 0)
    } else {
      const isAgain = type === FabricsType.CONNECT
      this.#respond(command, isAgain ? SEQUENCE_ERROR : Status.INVALID_OPCODE | STATUS_DNR, 0)
    }
  }

  /** The end of a command: its data, if it has any, and its completion. */
  #respond(command: FabricsCommand, status: number, low: number, high = 0, dataBytes = 0): void {
    const parts: Uint8Array[] = []
    const live = this.#live
    const isShort = live?.hasFlowControl === false && low === 0 && high === 0 && dataBytes > 0
    if (dataBytes > 0) {
      const place = {
        commandId: command.commandId,
        offsetBytes: 0,
        lengthBytes: dataBytes,
        isLast: true,
      }
      const data = command.bytes(0, dataBytes)
      // What is in memory of the command's own has to be out of the way of the next one.
      const kept = command.large === null ? data.slice() : data
      const digest = this.#writer.dataDigest(kept)
      parts.push(this.#writer.c2hData(place, isShort), kept)
      if (digest !== null) parts.push(digest)
    }
    if (!isShort) {
      parts.push(this.#writer.capsuleResp(cqe(status, low, high, this.#sqHead, command.commandId)))
    }
    const { large } = command
    command.large = null
    command.isBusy = false
    this.#send(parts, large)
  }

  #send(parts: readonly Uint8Array[], block: CoherentBlock | null = null): void {
    const association = this.#live?.association ?? null
    if (block === null || association === null) this.#peer.send(parts)
    else this.#peer.send(parts, () => giveBack(association, block))
  }

  #fatal(text: string, fatalError: number, at: number, view: DataView): PduError {
    const header = new Uint8Array(
      view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength),
    )
    return new PduError(text, fatalError, at, header)
  }

  #terminate({ fatalError, information, header }: PduError): void {
    const type = TcpPduType.C2H_TERM_REQ
    this.#peer.send([termReq(type, fatalError, information, header)])
    this.#peer.end()
    this.lost()
  }

  /** The ring's identifier of a command, by the host's; -1 where there is none. */
  tagOf(commandId: number): number {
    const command = this.#commands.find((one) => one.isBusy && one.commandId === commandId)
    return command?.tag ?? -1
  }
}

const SEQUENCE_ERROR = Status.COMMAND_SEQUENCE_ERROR | STATUS_DNR

function giveBack(association: Association, block: CoherentBlock): void {
  if (!association.isOver) association.giveMemory(block)
}

function cqe(
  status: number,
  low: number,
  high: number,
  sqHead: number,
  commandId: number,
): Uint8Array {
  const bytes = new Uint8Array(CQE_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(CqeOffset.DW0, low, true)
  view.setUint32(4, high, true)
  view.setUint16(CqeOffset.SQHD, sqHead, true)
  view.setUint16(CqeOffset.CID, commandId, true)
  view.setUint16(CqeOffset.STATUS, status << 1, true)
  return bytes
}
