// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The host's end of one connection: a queue. Commands out, their data and their ends in.
//
//   ICReq --> ICResp --> commands --> end
//
//   read:   capsule --> C2HData... --> [CapsuleResp]
//   write:  capsule (with its data, where that is short) | capsule --> R2T --> H2CData... --> CapsuleResp

import { Completion, type Op, type Scheduler } from '@iolayers/kernel'
import {
  CqeOffset,
  SqeOffset,
  Status,
  TCP_COMMON_HEADER_BYTES,
  TcpFatalError,
  TcpFlags,
  TcpPduType,
} from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import { fatal, PduError } from '../pdu-error.ts'
import { type PduAgreement, type PduHeader, PduReader, type PduSink } from '../pdu-reader.ts'
import { icReq, PduWriter, termReq } from '../pdu-writer.ts'
import { describeData } from './describe-data.ts'
import { LinkError } from './link-error.ts'
import { BufferMemory, LinkRequest } from './link-request.ts'
import type { Dial, LinkEvents, LinkSocket } from './link-socket.ts'
import { checkC2hData, checkIcResp, checkR2t } from './pdu-checks.ts'

const ALIGNMENT_BYTES = 4
/** Of the data of one PDU: what a controller could send at most. */
const PDU_DATA_BYTES_MAX = 2 ** 31 - 1

export interface LinkDigests {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
}

export interface QueueLinkInit extends LinkDigests {
  /** For messages: whose queue it is, and which. */
  readonly name: string
}

/** What a command of the link's owner came to. */
export interface LinkResult {
  readonly status: number
  readonly low: number
  readonly high: number
}

export class QueueLink implements PduSink, LinkEvents {
  /** Bytes of data that may go with a command in its capsule. */
  inCapsuleBytes = 0
  readonly #init: QueueLinkInit
  readonly #lost: (error: LinkError) => void
  readonly #socket: LinkSocket
  readonly #reader: PduReader
  readonly #ready: Completion
  readonly #scheduler: Scheduler
  readonly #requests: Map<number, LinkRequest>
  /** Of `execute`, which wait. */
  readonly #waiting: Set<Completion>
  #writer: PduWriter | null
  #maxH2cBytes: number
  #error: LinkError | null
  /** Of the PDU that comes in. */
  #header: PduHeader | null
  #receiving: LinkRequest | null
  #terminated: Uint8Array

  /** Begins to connect. `lost` is told once that it is over, unless it is closed before. Atomic. */
  constructor(
    components: { readonly scheduler: Scheduler; readonly dial: Dial },
    init: QueueLinkInit,
    lost: (error: LinkError) => void,
  ) {
    this.#scheduler = components.scheduler
    this.#init = init
    this.#lost = lost
    this.#reader = new PduReader(this, { side: 'host', dataBytesMax: PDU_DATA_BYTES_MAX })
    this.#ready = new Completion(components.scheduler, `${init.name}: initialisation`)
    this.#requests = new Map()
    this.#waiting = new Set()
    this.#writer = null
    this.#maxH2cBytes = 0
    this.#error = null
    this.#header = null
    this.#receiving = null
    this.#terminated = new Uint8Array()
    this.#socket = components.dial(this)
  }

  /** Returns when commands can be sent. Throws LinkError. */
  *initialised(timeoutNs: number): Op<void> {
    const left = yield* this.#ready.waitTimeout(timeoutNs)
    if (this.#error !== null) throw this.#error
    if (left > 0) return
    const error = this.#failure('ETIMEDOUT', `no connection within ${timeoutNs / 1e6} ms`)
    this.close()
    throw error
  }

  /** Sends a command: 64 bytes, of which the identifier and the data pointer are the link's to write. The memory of the request is the link's until its end. */
  submit(request: LinkRequest, entry: Uint8Array): void {
    const writer = this.#writer
    if (writer === null || this.#error !== null) return
    const { memory, direction } = request
    const { lengthBytes } = memory
    const writes = direction === Direction.TO_CONTROLLER && lengthBytes > 0
    const isInCapsule = writes && lengthBytes <= this.inCapsuleBytes
    describeData(entry, request, isInCapsule)
    this.#requests.set(request.commandId, request)
    if (!isInCapsule) {
      this.#socket.send([writer.capsuleCmd(entry, 0)])
      return
    }
    request.movedBytes = lengthBytes
    const parts = memory.parts(0, lengthBytes)
    this.#sendData(request, writer.capsuleCmd(entry, lengthBytes), parts, true)
  }

  /** A command of the owner's own. Throws LinkError where the connection is lost, or there is no answer in time. */
  *execute(
    what: string,
    entry: Uint8Array,
    data: { readonly dataIn?: Uint8Array; readonly dataOut?: Uint8Array },
    timeoutNs: number,
  ): Op<LinkResult> {
    const done = new Completion(this.#scheduler, `${this.#init.name}: ${what}`)
    const memory = new BufferMemory(data.dataIn ?? data.dataOut ?? new Uint8Array())
    const request = new LinkRequest(memory, () => done.complete())
    const direction = directionOf(data)
    request.begin(
      new DataView(entry.buffer, entry.byteOffset).getUint16(SqeOffset.CID, true),
      direction,
      false,
    )
    this.#waiting.add(done)
    try {
      this.submit(request, entry)
      const left = this.#error === null ? yield* done.waitTimeout(timeoutNs) : 1
      if (this.#error !== null) throw this.#error
      if (left > 0) return request
      throw this.#failure('ETIMEDOUT', `no answer to ${what} within ${timeoutNs / 1e6} ms`)
    } finally {
      this.#waiting.delete(done)
    }
  }

  /** Closes at once; nobody is told, and no memory is touched afterwards. Idempotent. */
  close(): void {
    this.#end(this.#failure('ESHUTDOWN', 'the connection is closed'))
    this.#socket.destroy()
  }

  /** As a connection that is lost. */
  abort(why: string): void {
    this.#socket.destroy()
    this.#lose(this.#failure('ECANCELED', why))
  }

  connected(): void {
    if (this.#error !== null) return
    const { headerDigest, dataDigest } = this.#init
    const init = { headerDigest, dataDigest, dataAlignmentBytes: ALIGNMENT_BYTES, maxR2t: 1 }
    this.#socket.send([icReq(init)])
  }

  received(bytes: Uint8Array): void {
    if (this.#error !== null) return
    try {
      this.#reader.push(bytes)
    } catch (error) {
      if (!(error instanceof PduError)) throw error
      const { fatalError, information, header, message } = error
      this.#socket.send([termReq(TcpPduType.H2C_TERM_REQ, fatalError, information, header)])
      this.#socket.end()
      this.#lose(this.#failure('EPROTO', `what came is not NVMe/TCP: ${message}`))
    }
  }

  disconnected({ code, message }: LinkError): void {
    this.#lose(this.#failure(code, message))
  }

  pduBegin(header: PduHeader): void {
    if (this.#error !== null) return
    this.#header = header
    if (header.type !== TcpPduType.C2H_DATA) return
    const { view } = header
    const request = this.#requestOf(view, view.getUint16(8, true), 8, 'C2HData')
    checkC2hData(header, request)
    this.#receiving = request
  }

  pduData(bytes: Uint8Array): void {
    if (this.#error !== null) return
    const request = this.#receiving
    if (request === null) {
      this.#terminated = bytes.slice()
      return
    }
    if (request.memory.isReachable) request.memory.put(request.movedBytes, bytes)
    else request.isDamaged = true
    request.movedBytes += bytes.length
  }

  pduEnd(digestOk: boolean): void {
    const header = this.#header
    if (this.#error !== null || header === null) return
    const { type, view, flags } = header
    const request = this.#receiving
    this.#receiving = null
    if (type === TcpPduType.IC_RESP) this.#initialise(view)
    else if (type === TcpPduType.CAPSULE_RESP) this.#completion(view)
    else if (type === TcpPduType.R2T) this.#readyToTransfer(view)
    else if (type === TcpPduType.C2H_TERM_REQ) this.#terminate(view)
    else if (request !== null) {
      if (!digestOk) request.isDamaged = true
      if ((flags & TcpFlags.SUCCESS) !== 0) this.#finish(request, Status.SUCCESS, 0, 0)
    }
  }

  /** @see NVMe TCP Transport 1.1, 3.6.2.2; drivers/nvme/host/tcp.c nvme_tcp_init_connection */
  #initialise(view: DataView): void {
    const { headerDigest, dataDigest } = this.#init
    const { alignmentBytes, maxH2cBytes } = checkIcResp(view, this.#init)
    const agreement: PduAgreement = {
      headerDigest,
      dataDigest,
      dataAlignmentBytes: ALIGNMENT_BYTES,
    }
    this.#reader.agreement = agreement
    this.#writer = new PduWriter({ ...agreement, dataAlignmentBytes: alignmentBytes })
    this.#maxH2cBytes = maxH2cBytes
    this.#ready.completeAll()
  }

  #completion(view: DataView): void {
    const at = TCP_COMMON_HEADER_BYTES
    const commandId = view.getUint16(at + CqeOffset.CID, true)
    const request = this.#requestOf(view, commandId, at + CqeOffset.CID, 'CapsuleResp')
    if (request.hasStatus) {
      throw fatal('a second CapsuleResp', TcpFatalError.PDU_SEQUENCE, 0, view)
    }
    const status = view.getUint16(at + CqeOffset.STATUS, true) >>> 1
    const low = view.getUint32(at + CqeOffset.DW0, true)
    this.#finish(request, status, low, view.getUint32(at + CqeOffset.DW1, true))
  }

  /** What the controller asks for goes out at once, in PDUs of the size that it takes. */
  #readyToTransfer(view: DataView): void {
    const writer = this.#writer
    const request = this.#requestOf(view, view.getUint16(8, true), 8, 'R2T')
    const transferTag = view.getUint16(10, true)
    const offset = view.getUint32(12, true)
    const length = view.getUint32(16, true)
    const { memory } = request
    checkR2t(view, request)
    if (!memory.isReachable || writer === null) return
    request.movedBytes += length
    for (let done = 0; done < length; done += this.#maxH2cBytes) {
      const bytes = Math.min(this.#maxH2cBytes, length - done)
      const isLast = done + bytes === length
      const place = {
        commandId: request.commandId,
        offsetBytes: offset + done,
        lengthBytes: bytes,
        isLast,
      }
      this.#sendData(
        request,
        writer.h2cData(place, transferTag),
        memory.parts(offset + done, bytes),
        isLast,
      )
    }
  }

  /** A header and the data itself, which nobody copies; of the `last` it is heard when it is out. */
  #sendData(request: LinkRequest, header: Uint8Array, data: Uint8Array[], last: boolean): void {
    const digest = this.#writer?.dataDigest(...data) ?? null
    const parts = digest === null ? [header, ...data] : [header, ...data, digest]
    if (!last) {
      this.#socket.send(parts)
      return
    }
    request.unsent++
    this.#socket.send(parts, () => {
      if (this.#error !== null) return
      request.unsent--
      if (request.hasStatus) this.#finished(request)
    })
  }

  /** @see NVMe TCP Transport 1.1, 3.6.2.4 */
  #terminate(view: DataView): void {
    const status = view.getUint16(8, true)
    const name =
      Object.entries(TcpFatalError).find(([, value]) => value === status)?.[0] ?? 'unknown'
    const of = this.#terminated[0]
    const about =
      of === undefined ? '' : `, about a PDU of type ${of.toString(16).padStart(2, '0')}h`
    this.#socket.destroy()
    this.#lose(
      this.#failure(
        'ECONNABORTED',
        `the controller has terminated the connection: ${name}${about}`,
      ),
    )
  }

  #finish(request: LinkRequest, status: number, low: number, high: number): void {
    const { memory, direction, isDamaged, isExact, movedBytes } = request
    const isShort =
      isExact && direction === Direction.FROM_CONTROLLER && movedBytes < memory.lengthBytes
    const isWrong = status === Status.SUCCESS && (isDamaged || isShort)
    request.hasStatus = true
    request.status = isWrong ? Status.TRANSIENT_TRANSPORT_ERROR : status
    request.low = low
    request.high = high
    this.#finished(request)
  }

  #finished(request: LinkRequest): void {
    if (request.unsent > 0) return
    this.#requests.delete(request.commandId)
    request.end()
  }

  #requestOf(view: DataView, commandId: number, at: number, name: string): LinkRequest {
    const request = this.#requests.get(commandId)
    if (request !== undefined) return request
    const text = `${name} of a command ${commandId} that is not there`
    throw fatal(text, TcpFatalError.INVALID_PDU_HEADER, at, view)
  }

  #lose(error: LinkError): void {
    if (this.#error !== null) return
    this.#end(error)
    this.#lost(error)
  }

  #end(error: LinkError): void {
    if (this.#error !== null) return
    this.#error = error
    this.#requests.clear()
    this.#receiving = null
    this.#ready.completeAll()
    for (const done of this.#waiting) done.complete()
  }

  #failure(code: LinkError['code'], text: string): LinkError {
    return new LinkError(code, `${this.#init.name}: ${text}`)
  }
}

function directionOf(data: {
  readonly dataIn?: Uint8Array
  readonly dataOut?: Uint8Array
}): Direction {
  if (data.dataOut !== undefined) return Direction.TO_CONTROLLER
  return data.dataIn === undefined ? Direction.NONE : Direction.FROM_CONTROLLER
}
