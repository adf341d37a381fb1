// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Just enough of a host of NVMe/TCP to try a target with: one connection, commands as they are given.

import { connect, type Socket } from 'node:net'
import { CqeOffset, FabricsType, SqeOffset, TcpFlags, TcpPduType } from '../src/spec/index.ts'
import { icReq, type PduHeader, PduReader, type PduSink, PduWriter } from '../src/tcp/index.ts'

export interface ClientInit {
  readonly headerDigest?: boolean
  readonly dataDigest?: boolean
  readonly dataAlignmentBytes?: number
}

export interface ClientResult {
  readonly status: number
  readonly low: number
  readonly high: number
  readonly sqHead: number
  readonly data: Uint8Array
  /** Without a CapsuleResp. */
  readonly isShort: boolean
}

export interface ClientCommand {
  readonly opcode: number
  readonly nsid?: number
  /** By byte offset in the entry. */
  readonly dwords?: Readonly<Record<number, number>>
  readonly dataIn?: number
  readonly dataOut?: Uint8Array
  /** In the capsule. */
  readonly inCapsule?: boolean
}

interface Waiting {
  readonly data: Uint8Array
  readonly out: Uint8Array | null
  resolve(result: ClientResult): void
}

export class TcpClient implements PduSink {
  /** Each termination that the target sent: FES. */
  readonly terminations: number[] = []
  readonly socket: Socket
  readonly closed: Promise<void>
  maxH2cDataBytes = 0
  writer: PduWriter
  readonly #init: Required<ClientInit>
  readonly #reader: PduReader
  readonly #waiting: Map<number, Waiting> = new Map()
  #header: PduHeader | null = null
  #copy: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #nextId = 1
  #ready: () => void = () => {}

  private constructor(socket: Socket, init: ClientInit) {
    this.socket = socket
    this.#init = { headerDigest: false, dataDigest: false, dataAlignmentBytes: 4, ...init }
    this.#reader = new PduReader(this, { side: 'host', dataBytesMax: 4 << 20 })
    this.writer = new PduWriter({ ...this.#init, dataAlignmentBytes: 4 })
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()))
    socket.on('error', () => {})
    socket.on('data', (bytes) => this.#reader.push(bytes))
  }

  /** Connected, and nothing sent. */
  static async raw(port: number, init: ClientInit = {}): Promise<TcpClient> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new TcpClient(socket, init)
  }

  /** Initialised. */
  static async open(port: number, init: ClientInit = {}): Promise<TcpClient> {
    const client = await TcpClient.raw(port, init)
    const ready = new Promise<void>((resolve) => {
      client.#ready = resolve
    })
    client.socket.write(icReq({ ...client.#init, maxR2t: 1 }))
    await ready
    return client
  }

  pduBegin(header: PduHeader): void {
    this.#header = header
    const { view } = header
    this.#copy = new DataView(
      view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer,
    )
    this.#at = header.type === TcpPduType.C2H_DATA ? view.getUint32(12, true) : 0
  }

  pduData(bytes: Uint8Array): void {
    if (this.#header?.type !== TcpPduType.C2H_DATA) return
    const waiting = this.#waiting.get(this.#copy.getUint16(8, true))
    waiting?.data.set(bytes, this.#at)
    this.#at += bytes.length
  }

  pduEnd(digestOk: boolean): void {
    if (!digestOk) throw new Error('the target sent a wrong digest')
    const view = this.#copy
    switch (this.#header?.type) {
      case TcpPduType.IC_RESP:
        this.maxH2cDataBytes = view.getUint32(12, true)
        this.#reader.agreement = {
          headerDigest: (view.getUint8(11) & 1) !== 0,
          dataDigest: (view.getUint8(11) & 2) !== 0,
          dataAlignmentBytes: this.#init.dataAlignmentBytes,
        }
        this.#ready()
        break
      case TcpPduType.CAPSULE_RESP: {
        const at = 8
        const commandId = view.getUint16(at + CqeOffset.CID, true)
        this.#end(commandId, {
          status: view.getUint16(at + CqeOffset.STATUS, true) >>> 1,
          low: view.getUint32(at, true),
          high: view.getUint32(at + 4, true),
          sqHead: view.getUint16(at + CqeOffset.SQHD, true),
          isShort: false,
        })
        break
      }
      case TcpPduType.C2H_DATA:
        if (((this.#header?.flags ?? 0) & TcpFlags.SUCCESS) !== 0) {
          const commandId = view.getUint16(8, true)
          this.#end(commandId, { status: 0, low: 0, high: 0, sqHead: -1, isShort: true })
        }
        break
      case TcpPduType.R2T:
        this.#transmit(view)
        break
      default:
        this.terminations.push(view.getUint16(8, true))
    }
  }

  /** Sends a command, and waits for its end. */
  async exec(command: ClientCommand): Promise<ClientResult> {
    const { commandId, bytes } = this.encode(command)
    const { dataIn = 0, dataOut = null, inCapsule = false } = command
    return await new Promise((resolve) => {
      const out = inCapsule ? null : dataOut
      this.#waiting.set(commandId, { data: new Uint8Array(dataIn), out, resolve })
      this.socket.write(bytes)
    })
  }

  /** A capsule, with its data where that goes in it. */
  encode(command: ClientCommand): { commandId: number; bytes: Uint8Array } {
    const { opcode, nsid = 0, dwords = {}, dataIn = 0, dataOut, inCapsule = false } = command
    const commandId = this.#nextId++ & 0xffff
    const entry = new Uint8Array(64)
    const view = new DataView(entry.buffer)
    view.setUint32(0, opcode | (1 << 14) | (commandId << 16), true)
    view.setUint32(SqeOffset.NSID, nsid, true)
    const length = dataOut?.length ?? dataIn
    view.setUint32(32, length, true)
    view.setUint8(39, inCapsule ? 0x01 : 0x5a)
    for (const [at, value] of Object.entries(dwords)) view.setUint32(Number(at), value, true)
    const data = inCapsule && dataOut !== undefined ? dataOut : new Uint8Array()
    const digest = data.length > 0 ? this.writer.dataDigest(data) : null
    const head = this.writer.capsuleCmd(entry, data.length)
    return { commandId, bytes: Uint8Array.from([...head, ...data, ...(digest ?? [])]) }
  }

  async connectQueue(init: {
    readonly qid?: number
    readonly entries?: number
    readonly controllerId?: number
    readonly subsystem: string
    readonly host?: string
    readonly keepAliveMs?: number
    readonly noFlowControl?: boolean
  }): Promise<ClientResult> {
    const data = new Uint8Array(1024)
    const view = new DataView(data.buffer)
    data.fill(0x11, 0, 16)
    view.setUint16(16, init.controllerId ?? 0xffff, true)
    data.set(new TextEncoder().encode(init.subsystem), 256)
    data.set(new TextEncoder().encode(init.host ?? 'nqn.2014-08.org.nvmexpress:uuid:host'), 512)
    const attributes = init.noFlowControl === true ? 4 : 0
    return await this.exec({
      opcode: 0x7f,
      nsid: FabricsType.CONNECT,
      dwords: {
        40: (init.qid ?? 0) * 0x1_0000,
        44: ((init.entries ?? 32) - 1) | (attributes << 16),
        48: init.keepAliveMs ?? 0,
      },
      dataOut: data,
      inCapsule: true,
    })
  }

  async property(offset: number, bytes: 4 | 8 = 4): Promise<ClientResult> {
    const dwords = { 40: bytes === 8 ? 1 : 0, 44: offset }
    return await this.exec({ opcode: 0x7f, nsid: FabricsType.PROPERTY_GET, dwords })
  }

  async setProperty(offset: number, value: number): Promise<ClientResult> {
    const dwords = { 40: 0, 44: offset, 48: value }
    return await this.exec({ opcode: 0x7f, nsid: FabricsType.PROPERTY_SET, dwords })
  }

  /** CC.EN, and waits for CSTS.RDY. */
  async enable(): Promise<void> {
    await this.setProperty(0x14, 1 | (6 << 16) | (4 << 20))
    for (;;) {
      const { low } = await this.property(0x1c)
      if ((low & 1) !== 0) return
    }
  }

  #end(commandId: number, result: Omit<ClientResult, 'data'>): void {
    const waiting = this.#waiting.get(commandId)
    if (waiting === undefined) throw new Error(`an end of command ${commandId}, that is not there`)
    this.#waiting.delete(commandId)
    waiting.resolve({ ...result, data: waiting.data })
  }

  #transmit(view: DataView): void {
    const commandId = view.getUint16(8, true)
    const tag = view.getUint16(10, true)
    const start = view.getUint32(12, true)
    const length = view.getUint32(16, true)
    const data = this.#waiting.get(commandId)?.out ?? null
    if (data === null) throw new Error('data was asked for that is not there')
    for (let at = start; at < start + length; at += this.maxH2cDataBytes) {
      const part = data.subarray(at, Math.min(at + this.maxH2cDataBytes, start + length))
      const isLast = at + part.length === start + length
      const place = { commandId, offsetBytes: at, lengthBytes: part.length, isLast }
      const digest = this.writer.dataDigest(part)
      this.socket.write(this.writer.h2cData(place, tag))
      this.socket.write(part)
      if (digest !== null) this.socket.write(digest)
    }
  }
}
