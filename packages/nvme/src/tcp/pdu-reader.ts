// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Bytes of a connection to PDUs, in whatever pieces they come. Keeps a header at most: data goes where the sink says while it comes in.
//
//   common header -> the rest of the header -> [header digest] -> checked -> [padding] -> data -> [data digest] -> end

import {
  TCP_COMMON_HEADER_BYTES,
  TCP_DIGEST_BYTES,
  TCP_IC_BYTES,
  TcpFatalError,
  TcpFlags,
  TcpPduType,
} from '../spec/index.ts'
import { crc32c } from './crc32c.ts'
import { PduError } from './pdu-error.ts'
import { PDU_KINDS, type PduKind, type PduSide } from './pdu-kinds.ts'

const AT = { TYPE: 0, FLAGS: 1, HLEN: 2, PDO: 3, PLEN: 4 } as const

/** A PDU whose header is whole and sound. */
export interface PduHeader {
  readonly type: number
  readonly flags: number
  /** The header, without its digest; only there until the next PDU begins. */
  readonly view: DataView
  /** How much data follows. */
  readonly dataBytes: number
}

/** Who gets PDUs. What it throws ends `push`. */
export interface PduSink {
  pduBegin(header: PduHeader): void
  /** Some of the data, in order; the bytes are only there until it returns. */
  pduData(bytes: Uint8Array): void
  /** All of it came. `digestOk`: false where the data is not what its digest says. */
  pduEnd(digestOk: boolean): void
}

/** What both sides have agreed on. */
export interface PduAgreement {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  /** What PDO of the PDUs that are read is a multiple of, in bytes; 4 to 128. */
  readonly dataAlignmentBytes: number
}

export interface PduReaderInit {
  readonly side: PduSide
  /** Data of one PDU at most. */
  readonly dataBytesMax: number
}

const NOTHING_AGREED: PduAgreement = {
  headerDigest: false,
  dataDigest: false,
  dataAlignmentBytes: 4,
}

const State = { HEADER: 0, PADDING: 1, DATA: 2, DATA_DIGEST: 3 } as const
type State = (typeof State)[keyof typeof State]

/** @see NVMe TCP Transport 1.1, 3.6.1, 3.4 */
export class PduReader {
  /** Set when ICReq and ICResp have been exchanged. */
  agreement: PduAgreement
  readonly #sink: PduSink
  readonly #init: PduReaderInit
  readonly #header: Uint8Array
  readonly #view: DataView
  readonly #digest: Uint8Array
  #state: State
  /** Bytes of what is being gathered that are there, and that have to be. */
  #have: number
  #need: number
  #kind: PduKind | null
  #dataBytes: number
  #left: number
  #crc: number
  #isFirst: boolean
  #failed: boolean

  constructor(sink: PduSink, init: PduReaderInit) {
    this.agreement = NOTHING_AGREED
    this.#sink = sink
    this.#init = init
    this.#header = new Uint8Array(TCP_IC_BYTES + TCP_DIGEST_BYTES)
    this.#view = new DataView(this.#header.buffer)
    this.#digest = new Uint8Array(TCP_DIGEST_BYTES)
    this.#state = State.HEADER
    this.#have = 0
    this.#need = TCP_COMMON_HEADER_BYTES
    this.#kind = null
    this.#dataBytes = 0
    this.#left = 0
    this.#crc = 0
    this.#isFirst = true
    this.#failed = false
  }

  /** Whether the last byte that came was the last of a PDU. */
  get atBoundary(): boolean {
    return this.#state === State.HEADER && this.#have === 0
  }

  /** Throws PduError for what is no PDU that may come here; then nothing that follows can be read, and further calls do nothing. */
  push(bytes: Uint8Array): void {
    let at = 0
    try {
      while (at < bytes.length && !this.#failed) at += this.#take(bytes, at)
    } catch (error) {
      this.#failed = true
      throw error
    }
  }

  /** How many of the bytes from `at` on were used; at least one. */
  #take(bytes: Uint8Array, at: number): number {
    switch (this.#state) {
      case State.HEADER:
        return this.#takeHeader(bytes, at)
      case State.PADDING: {
        const used = Math.min(this.#left, bytes.length - at)
        this.#left -= used
        if (this.#left === 0) this.#beginData()
        return used
      }
      case State.DATA:
        return this.#takeData(bytes, at)
      default:
        return this.#takeDigest(bytes, at)
    }
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const used = Math.min(this.#need - this.#have, bytes.length - at)
    this.#header.set(bytes.subarray(at, at + used), this.#have)
    this.#have += used
    if (this.#have < this.#need) return used
    if (this.#kind === null) {
      this.#kind = this.#kindOf()
      this.#need = this.#kind.headerBytes + (this.#headerHasDigest ? TCP_DIGEST_BYTES : 0)
      return used
    }
    this.#begin(this.#kind)
    return used
  }

  #takeData(bytes: Uint8Array, at: number): number {
    const used = Math.min(this.#left, bytes.length - at)
    const part = bytes.subarray(at, at + used)
    this.#left -= used
    if (this.#dataHasDigest) this.#crc = crc32c(part, this.#crc)
    this.#sink.pduData(part)
    if (this.#left > 0) return used
    if (!this.#dataHasDigest) {
      this.#end(true)
      return used
    }
    this.#state = State.DATA_DIGEST
    this.#have = 0
    return used
  }

  #takeDigest(bytes: Uint8Array, at: number): number {
    const used = Math.min(TCP_DIGEST_BYTES - this.#have, bytes.length - at)
    this.#digest.set(bytes.subarray(at, at + used), this.#have)
    this.#have += used
    if (this.#have === TCP_DIGEST_BYTES) this.#end(uint32(this.#digest, 0) === this.#crc)
    return used
  }

  get #headerHasDigest(): boolean {
    return this.agreement.headerDigest && this.#kind?.hasDigests === true
  }

  get #dataHasDigest(): boolean {
    return this.agreement.dataDigest && this.#kind?.hasDigests === true
  }

  /** The common header is there: enough to know how long the header is. */
  #kindOf(): PduKind {
    const type = this.#header[AT.TYPE] ?? 0
    const kind = PDU_KINDS.get(type)
    if (kind === undefined || kind.to !== this.#init.side) {
      throw this.#wrong(`PDU type ${hex(type)} to a ${this.#init.side}`, AT.TYPE)
    }
    this.#checkOrder(type, kind)
    const hlen = this.#header[AT.HLEN] ?? 0
    if (hlen !== kind.headerBytes) throw this.#wrong(`${kind.name} with HLEN ${hlen}`, AT.HLEN)
    return kind
  }

  /** A connection begins with the one, and never has it again. A controller may terminate it before. */
  #checkOrder(type: number, kind: PduKind): void {
    const begins = type === TcpPduType.IC_REQ || type === TcpPduType.IC_RESP
    if (begins === this.#isFirst || (this.#isFirst && type === TcpPduType.C2H_TERM_REQ)) return
    const where = this.#isFirst ? 'before the connection was initialised' : 'for the second time'
    throw new PduError(`${kind.name} ${where}`, TcpFatalError.PDU_SEQUENCE, 0, this.#seen)
  }

  #begin(kind: PduKind): void {
    this.#isFirst = false
    const headerBytes = this.#need
    if (this.#headerHasDigest) this.#checkDigest(kind)
    const plen = this.#view.getUint32(AT.PLEN, true)
    this.#checkFlags(kind)
    this.#dataBytes = this.#dataLength(kind, headerBytes, plen)
    this.#sink.pduBegin({
      type: this.#header[AT.TYPE] ?? 0,
      flags: this.#header[AT.FLAGS] ?? 0,
      view: new DataView(this.#header.buffer, 0, kind.headerBytes),
      dataBytes: this.#dataBytes,
    })
    if (this.#dataBytes === 0) {
      this.#end(true)
      return
    }
    this.#left = (this.#header[AT.PDO] ?? 0) - headerBytes
    if (kind.hasDigests && this.#left > 0) this.#state = State.PADDING
    else this.#beginData()
  }

  #beginData(): void {
    this.#state = State.DATA
    this.#left = this.#dataBytes
    this.#crc = 0
  }

  #end(digestOk: boolean): void {
    this.#state = State.HEADER
    this.#have = 0
    this.#need = TCP_COMMON_HEADER_BYTES
    this.#kind = null
    this.#sink.pduEnd(digestOk)
  }

  #checkDigest({ name, headerBytes }: PduKind): void {
    const found = this.#view.getUint32(headerBytes, true)
    if (found === crc32c(this.#header.subarray(0, headerBytes))) return
    const text = `${name} with a header digest that is not its own`
    throw new PduError(text, TcpFatalError.HEADER_DIGEST, found, this.#seen)
  }

  /** The digest flags say what was agreed on. */
  #checkFlags({ name, hasDigests }: PduKind): void {
    if (!hasDigests) return
    const flags = this.#header[AT.FLAGS] ?? 0
    const saysDigest = (flags & TcpFlags.HDGSTF) !== 0
    if (saysDigest === this.agreement.headerDigest) return
    throw this.#wrong(`${name} with flags ${hex(flags)}`, AT.FLAGS)
  }

  /** From PLEN and PDO, each of which has to be sound. */
  #dataLength(kind: PduKind, headerBytes: number, plen: number): number {
    if (plen === headerBytes) return 0
    const { name, dataBytesMax } = kind
    if (plen < headerBytes || dataBytesMax === 0) {
      throw this.#wrong(`${name} with PLEN ${plen}`, AT.PLEN)
    }
    // A request to terminate has no PDO: what was wrong follows its header.
    const pdo = kind.hasDigests ? (this.#header[AT.PDO] ?? 0) : headerBytes
    const tail = this.#dataHasDigest ? TCP_DIGEST_BYTES : 0
    const misplaced = pdo < headerBytes || pdo % this.agreement.dataAlignmentBytes !== 0
    if (kind.hasDigests && misplaced) throw this.#wrong(`${name} with PDO ${pdo}`, AT.PDO)
    const bytes = plen - pdo - tail
    const flags = this.#header[AT.FLAGS] ?? 0
    const saysDigest = (flags & TcpFlags.DDGSTF) !== 0
    if (kind.hasDigests && saysDigest !== this.agreement.dataDigest) {
      throw this.#wrong(`${name} with data and flags ${hex(flags)}`, AT.FLAGS)
    }
    if (bytes > 0 && bytes <= (dataBytesMax ?? this.#init.dataBytesMax)) return bytes
    throw this.#wrong(`${name} with PLEN ${plen} and PDO ${pdo}`, AT.PLEN)
  }

  /** A copy, since the reader goes on to be used by nobody, but its buffer does not belong to the error. */
  get #seen(): Uint8Array {
    return this.#header.slice(0, Math.min(this.#have, TCP_IC_BYTES))
  }

  #wrong(text: string, at: number): PduError {
    return new PduError(text, TcpFatalError.INVALID_PDU_HEADER, at, this.#seen)
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4)
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}

function hex(value: number): string {
  return `${value.toString(16).padStart(2, '0')}h`
}
