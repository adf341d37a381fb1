// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One connection: a queue of a host. PDUs in, PDUs out.
//
//   ICReq, ICResp --> Connect --> [I/O: the controller makes the queue] --> commands --> end
//
//   read:   capsule --> ring --> C2HData --> CapsuleResp
//   write:  capsule with data --> ring --> CapsuleResp
//           capsule --> R2T --> H2CData ... --> ring --> CapsuleResp

import { KernelError } from '@iolayers/kernel'
import {
  AdminOpcode,
  FabricsStatus,
  FabricsType,
  SqeOffset,
  STATUS_DNR,
  Status,
  TCP_COMMON_HEADER_BYTES,
  TcpFatalError,
  TcpPduType,
} from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import { fatal, PduError } from '../pdu-error.ts'
import { type PduHeader, PduReader, type PduSink } from '../pdu-reader.ts'
import { PduWriter, termReq } from '../pdu-writer.ts'
import { beforeAdmin, refusal, SEQUENCE_ERROR } from './admission.ts'
import { type AssociationQueue, IN_CAPSULE_BYTES, type QueueMemory } from './association.ts'
import { type Connected, type ConnectRegistry, connect, isConnect } from './connect.ts'
import type { ListenAddress } from './discovery.ts'
import { type CommandHome, DataKind, FabricsCommand } from './fabrics-command.ts'
import { type Initialised, initialise, MAX_H2C_DATA_BYTES } from './initialise.ts'
import { propertyGet, propertySet } from './properties.ts'
import { type CommandResult, completionEntry, responseParts } from './response.ts'
import type { PeerConnection } from './target-types.ts'

const FCTYPE = 4
const NO_FLOW_CONTROL = 0xffff

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
    this.#writer = new PduWriter(this.#reader.agreement)
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
    // What came with the end of the connection is not looked at.
    if (this.#isClosed) return
    switch (header.type) {
      case TcpPduType.IC_REQ:
        this.#agree(initialise(header.view))
        break
      case TcpPduType.CAPSULE_CMD:
        this.#beginCapsule(header)
        break
      case TcpPduType.H2C_DATA:
        this.#beginData(header)
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
    const dataBytes = hasData ? command.lengthBytes : 0
    this.#respond(command, { status, low: result, dataBytes })
  }

  #agree({ reads, writes, reply }: Initialised): void {
    this.#peer.send([reply])
    this.#reader.agreement = reads
    this.#writer = new PduWriter(writes)
  }

  #beginCapsule({ view, dataBytes }: PduHeader): void {
    if (dataBytes > IN_CAPSULE_BYTES) {
      throw fatal('more data than fits a capsule', TcpFatalError.INVALID_PDU_HEADER, 4, view)
    }
    const live = this.#live
    if (live === null) {
      if (this.#isConnecting || this.#connectEntry !== null) {
        throw fatal('a command before Connect has ended', TcpFatalError.PDU_SEQUENCE, 0, view)
      }
      const at = view.byteOffset + TCP_COMMON_HEADER_BYTES
      this.#connectEntry = new Uint8Array(view.buffer.slice(at, at + 64))
      return
    }
    const command = this.#commands.find(({ isBusy }) => !isBusy)
    if (command === undefined) {
      throw fatal('more commands than the queue has', TcpFatalError.PDU_SEQUENCE, 0, view)
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
      throw fatal('data that nobody asked for', TcpFatalError.INVALID_PDU_HEADER, 10, view)
    }
    const offset = view.getUint32(12, true)
    const length = view.getUint32(16, true)
    const isNext = offset === command.receivedBytes && length === dataBytes
    if (!isNext || offset + length > command.lengthBytes) {
      throw fatal('data out of place', TcpFatalError.DATA_OUT_OF_RANGE, 12, view)
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
      this.#peer.send([
        this.#writer.capsuleResp(completionEntry(status, result, 0, this.#sqHead, commandId)),
      ])
    if (!isConnect(view) || !digestOk) {
      answer(isConnect(view) ? Status.TRANSIENT_TRANSPORT_ERROR : SEQUENCE_ERROR, 0)
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
    // Its Connect was the first entry of the queue.
    this.#sqHead = hasFlowControl ? 1 : NO_FLOW_CONTROL
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
    const refused = refusal(command, live, this.#registry.settings.mdtsBytes)
    if (refused !== Status.SUCCESS) {
      this.#respond(command, { status: refused })
      return
    }
    if (live.qid === 0) beforeAdmin(command, live.association)
    if (command.direction === Direction.NONE) command.lengthBytes = 0
    if (command.kind === DataKind.IN_CAPSULE) this.#submit(command)
    else this.#prepare(command, live)
  }

  /** Finds memory for its data, and asks for what the host is to send. Waits where there is none now. */
  #prepare(command: FabricsCommand, live: Live): void {
    const { lengthBytes } = command
    if (lengthBytes > IN_CAPSULE_BYTES) {
      command.large = live.association.takeMemory(lengthBytes)
      if (command.large === null && !live.association.hasTakenMemory) {
        this.#respond(command, { status: Status.INTERNAL_ERROR })
        return
      }
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
      this.#peer.send([this.#writer.r2t(place, command.index)])
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
      this.#respond(command, { status: Status.TRANSIENT_TRANSPORT_ERROR })
      return
    }
    const { dmaAddr } = command.block
    const start = command.kind === DataKind.IN_CAPSULE ? command.offsetBytes : 0
    const data = { dmaAddr: dmaAddr + start, lengthBytes: command.lengthBytes }
    command.tag = live.ring.submit(command.entry, data, command)
    if (command.tag < 0) this.#respond(command, { status: Status.INTERNAL_ERROR })
  }

  #fabrics(command: FabricsCommand, { association, qid }: Live): void {
    const type = command.view.getUint8(FCTYPE)
    if (type === FabricsType.DISCONNECT) {
      const status = qid === 0 ? FabricsStatus.INVALID_QUEUE_TYPE | STATUS_DNR : Status.SUCCESS
      this.#respond(command, { status })
      if (status !== Status.SUCCESS) return
      this.#peer.end()
      this.lost()
    } else if (type === FabricsType.PROPERTY_GET && qid === 0) {
      this.#respond(command, propertyGet(association, command.view))
    } else if (type === FabricsType.PROPERTY_SET && qid === 0) {
      this.#respond(command, { status: propertySet(association, command.view) })
    } else {
      const isAgain = type === FabricsType.CONNECT
      const status = isAgain ? SEQUENCE_ERROR : Status.INVALID_OPCODE | STATUS_DNR
      this.#respond(command, { status })
    }
  }

  /** The end of a command, whose memory is free again as soon as its data is sent. */
  #respond(
    command: FabricsCommand,
    result: Omit<CommandResult, 'low' | 'sqHead' | 'mayBeShort'> & { readonly low?: number },
  ): void {
    const live = this.#live
    const mayBeShort = live?.hasFlowControl === false
    const parts = responseParts(this.#writer, command, {
      low: 0,
      ...result,
      sqHead: this.#sqHead,
      mayBeShort,
    })
    const { large } = command
    command.large = null
    command.isBusy = false
    if (large === null || live === null) this.#peer.send(parts)
    else {
      const { association } = live
      this.#peer.send(parts, () => {
        if (!association.isOver) association.giveMemory(large)
      })
    }
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
