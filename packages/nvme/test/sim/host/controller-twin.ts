// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import { DeferredCall, type Scheduler } from '@iolayers/kernel'
import type { InterruptSink, RegisterBar } from '../../../src/controller/contracts.ts'

export interface TwinInit {
  readonly sgls?: number
  readonly mdts?: number
  /** Abort Command Limit, 0's based. */
  readonly acl?: number
  readonly vwc?: number
  /** Optional NVM commands; and the bounds that it names for them, which it does not know the question of without. */
  readonly oncs?: number
  readonly nvm?: {
    readonly wzsl?: number
    readonly dmrl?: number
    readonly dmrsl?: number
    readonly dmsl?: number
  }
  readonly dlfeat?: number
  readonly crdt?: readonly number[]
  readonly mqes?: number
  readonly queuesGranted?: number
  readonly dstrd?: number
  readonly mpsMin?: number
  readonly css?: number
  /** Logical block shift and metadata bytes of each namespace; nsze in blocks. */
  readonly namespaces?: readonly TwinNamespaceInit[]
}

export interface TwinNamespaceInit {
  readonly nsid: number
  readonly blocks: number
  readonly lbaShift?: number
  readonly metadata?: number
  readonly writeProtected?: boolean
}

/** A fetched command, decoded as far as everything is decoded. */
export interface TwinCommand {
  readonly qid: number
  readonly opcode: number
  readonly flags: number
  readonly cid: number
  readonly nsid: number
  readonly sqe: DataView
  /** Bus address and length of each piece of data, in order. */
  pieces: { addr: number; length: number }[]
}

/** What a test makes of a command before it runs: a status instead, or hold it (complete it with `release`). */
export type TwinVerdict = 'run' | 'hold' | 'drop' | { readonly status: number }

interface TwinCq {
  readonly addr: number
  readonly entries: number
  readonly vector: number
  tail: number
  head: number
  phase: number
}

interface TwinSq {
  readonly addr: number
  readonly entries: number
  readonly cqid: number
  head: number
  tail: number
}

/** Just enough of a controller to test a host with, written from the specification and without the host's code. */
export class ControllerTwin implements RegisterBar {
  readonly sizeBytes: number = 0x4000
  readonly namespaces: Map<number, { init: TwinNamespaceInit; data: Uint8Array }> = new Map()
  readonly commands: TwinCommand[] = []
  readonly held: { command: TwinCommand; run: () => void }[] = []
  readonly doorbellWrites: { offset: number; value: number }[] = []
  judge: (command: TwinCommand) => TwinVerdict = () => 'run'
  /** RDY does not follow EN; or CFS comes instead. */
  stuck: 'no' | 'never-ready' | 'never-disabled' | 'fatal' | 'gone' | 'no-shutdown' = 'no'
  flushes = 0
  faults = 0
  /** How often it was enabled. */
  enables = 0
  /** Interrupts get lost. */
  mute = false
  /** Called when EN becomes 0. */
  onDisable: () => void = () => {}
  /** Called before each access to the data of an I/O command. */
  onData: (addr: number, length: number) => void = () => {}
  sink: InterruptSink | null = null
  readonly #scheduler: Scheduler
  readonly #bus: BusMaster
  readonly #init: TwinInit
  readonly #work: DeferredCall
  readonly #regs = new Map<number, number>()
  readonly #sqs = new Map<number, TwinSq>()
  readonly #cqs = new Map<number, TwinCq>()
  readonly #range = new BusRange()
  #ready = false
  #shutdown = false

  constructor(scheduler: Scheduler, bus: BusMaster, init: TwinInit = {}) {
    this.#scheduler = scheduler
    this.#bus = bus
    this.#init = init
    this.#work = new DeferredCall('controller twin', () => this.#fetchAll())
    for (const ns of init.namespaces ?? [{ nsid: 1, blocks: 2048 }]) {
      const data = new Uint8Array(ns.blocks * 2 ** (ns.lbaShift ?? 9))
      this.namespaces.set(ns.nsid, { init: ns, data })
    }
  }

  get stride(): number {
    return 4 << (this.#init.dstrd ?? 0)
  }

  /** Queues that the host has not deleted. */
  get ioQueues(): number {
    return [...this.#sqs.keys()].filter((qid) => qid !== 0).length
  }

  read32(offset: number): number {
    if (this.stuck === 'gone') return 0xffff_ffff
    switch (offset) {
      case 0x00:
        return (((this.#init.mqes ?? 1024) - 1) | (1 << 16) | (2 << 24)) >>> 0
      case 0x04:
        return (
          (this.#init.dstrd ?? 0) | ((this.#init.css ?? 1) << 5) | ((this.#init.mpsMin ?? 0) << 16)
        )
      case 0x08:
        return 0x0002_0000
      case 0x1c:
        return this.#csts()
      default:
        return this.#regs.get(offset) ?? 0
    }
  }

  write32(offset: number, value: number): void {
    if (offset >= 0x1000) {
      this.#doorbell(offset, value)
      return
    }
    this.#regs.set(offset, value >>> 0)
    if (offset === 0x14) this.#configure(value)
  }

  /** Completes what was held, in the order that `pick` says (default: oldest first). */
  release(index = 0): void {
    const [entry] = this.held.splice(index, 1)
    entry?.run()
  }

  /** Puts a completion into a queue that no command asked for. */
  forge(qid: number, cid: number, status = 0): void {
    this.#complete(this.#sqOf(qid), cid, status, 0)
  }

  /** What the data pointer of a command names. Throws on anything malformed. */
  walk(sqe: DataView, flags: number, length: number): { addr: number; length: number }[] {
    return (flags & 0xc0) === 0 ? this.#walkPrp(sqe, length) : this.#walkSgl(sqe, length)
  }

  #csts(): number {
    if (this.stuck === 'fatal' && this.#enabled) return 2
    const never = this.stuck === 'never-ready' && this.#enabled
    const ready = (this.#ready && !never) || (this.stuck === 'never-disabled' && !this.#enabled)
    const shst = this.#shutdown && this.stuck !== 'no-shutdown' ? 2 << 2 : 0
    return (ready ? 1 : 0) | shst
  }

  get #enabled(): boolean {
    return ((this.#regs.get(0x14) ?? 0) & 1) !== 0
  }

  #configure(value: number): void {
    if ((value & 1) === 0) {
      if (this.#ready) this.onDisable()
      this.#ready = false
      this.#shutdown = false
      this.#sqs.clear()
      this.#cqs.clear()
      // It has stopped: what it had it has forgotten.
      if (this.stuck !== 'never-disabled') this.held.length = 0
      return
    }
    if (!this.#ready) {
      this.enables++
      const aqa = this.#regs.get(0x24) ?? 0
      const asq = this.#reg64(0x28)
      const acq = this.#reg64(0x30)
      const sqEntries = (aqa & 0xfff) + 1
      const cqEntries = ((aqa >>> 16) & 0xfff) + 1
      this.#sqs.set(0, { addr: asq, entries: sqEntries, cqid: 0, head: 0, tail: 0 })
      this.#cqs.set(0, { addr: acq, entries: cqEntries, vector: 0, tail: 0, head: 0, phase: 1 })
      this.#ready = true
    }
    if (((value >>> 14) & 3) !== 0) this.#shutdown = true
  }

  #reg64(offset: number): number {
    return (this.#regs.get(offset) ?? 0) + (this.#regs.get(offset + 4) ?? 0) * 2 ** 32
  }

  #doorbell(offset: number, value: number): void {
    this.doorbellWrites.push({ offset, value })
    const index = (offset - 0x1000) / this.stride
    const qid = index >> 1
    if ((index & 1) === 1) {
      const cq = this.#cqs.get(qid)
      if (cq === undefined) throw new Error(`doorbell of no completion queue ${qid}`)
      if (cq.head === value) throw new Error('completion doorbell written with the same value')
      cq.head = value
      return
    }
    const sq = this.#sqOf(qid)
    if (value >= sq.entries) throw new Error(`tail ${value} outside the queue`)
    sq.tail = value
    this.#scheduler.queue(this.#work)
  }

  #sqOf(qid: number): TwinSq {
    const sq = this.#sqs.get(qid)
    if (sq === undefined) throw new Error(`no submission queue ${qid}`)
    return sq
  }

  #fetchAll(): void {
    for (const [qid, sq] of this.#sqs) {
      while (sq.head !== sq.tail) {
        const sqe = new DataView(new ArrayBuffer(64))
        this.#read(sq.addr + sq.head * 64, new Uint8Array(sqe.buffer))
        sq.head = (sq.head + 1) % sq.entries
        this.#execute(qid, sq, sqe)
      }
    }
  }

  #execute(qid: number, sq: TwinSq, sqe: DataView): void {
    const dw0 = sqe.getUint32(0, true)
    const command: TwinCommand = {
      qid,
      opcode: dw0 & 0xff,
      flags: (dw0 >>> 8) & 0xff,
      cid: dw0 >>> 16,
      nsid: sqe.getUint32(4, true),
      sqe,
      pieces: [],
    }
    this.commands.push(command)
    const run = (): void => {
      const { status, result } = qid === 0 ? this.#admin(command) : this.#io(command)
      // It may have been disabled meanwhile, and not have stopped.
      if (this.#sqs.get(qid) === sq) this.#complete(sq, command.cid, status, result)
    }
    const verdict = this.judge(command)
    if (verdict === 'run') run()
    else if (verdict === 'hold') this.held.push({ command, run })
    else if (verdict !== 'drop') this.#complete(sq, command.cid, verdict.status, 0)
  }

  #admin(command: TwinCommand): { status: number; result: number } {
    const { sqe } = command
    const cdw10 = sqe.getUint32(40, true)
    const cdw11 = sqe.getUint32(44, true)
    const prp1 = sqe.getUint32(24, true) + sqe.getUint32(28, true) * 2 ** 32
    const qid = cdw10 & 0xffff
    const entries = (cdw10 >>> 16) + 1
    switch (command.opcode) {
      case 0x06:
        return this.#identify(cdw10 & 0xff, command.nsid, prp1)
      case 0x09: {
        const granted = this.#init.queuesGranted ?? 64
        return { status: 0, result: (granted - 1) | ((granted - 1) << 16) }
      }
      case 0x05:
        this.#cqs.set(qid, {
          addr: prp1,
          entries,
          vector: cdw11 >>> 16,
          tail: 0,
          head: 0,
          phase: 1,
        })
        return { status: 0, result: 0 }
      case 0x01:
        this.#sqs.set(qid, { addr: prp1, entries, cqid: cdw11 >>> 16, head: 0, tail: 0 })
        return { status: 0, result: 0 }
      case 0x08:
        return { status: 0, result: this.#abort(qid, cdw10 >>> 16) ? 0 : 1 }
      case 0x00:
        return { status: this.#sqs.delete(qid) ? 0 : 0x101, result: 0 }
      case 0x04:
        return { status: this.#cqs.delete(qid) ? 0 : 0x101, result: 0 }
      default:
        return { status: 0x4001, result: 0 }
    }
  }

  /** Only what is held can be aborted. */
  #abort(qid: number, cid: number): boolean {
    const index = this.held.findIndex(({ command }) => command.qid === qid && command.cid === cid)
    if (index < 0) return false
    this.held.splice(index, 1)
    this.#complete(this.#sqOf(qid), cid, 0x007, 0)
    return true
  }

  #identify(cns: number, nsid: number, prp1: number): { status: number; result: number } {
    const data = new Uint8Array(4096)
    const view = new DataView(data.buffer)
    if (cns === 1) {
      data.set(new TextEncoder().encode('TWIN0001'.padEnd(20)), 4)
      data.set(new TextEncoder().encode('A controller twin'.padEnd(40)), 24)
      data.set(new TextEncoder().encode('1.0     '), 64)
      view.setUint8(77, this.#init.mdts ?? 0)
      view.setUint8(258, this.#init.acl ?? 0)
      view.setUint8(525, this.#init.vwc ?? 1)
      view.setUint16(520, this.#init.oncs ?? 0, true)
      this.#init.crdt?.forEach((units, i) => {
        view.setUint16(128 + i * 2, units, true)
      })
      view.setUint32(536, this.#init.sgls ?? 1, true)
    } else if (cns === 6 && this.#init.nvm !== undefined) {
      const { wzsl = 0, dmrl = 0, dmrsl = 0, dmsl = 0 } = this.#init.nvm
      view.setUint8(1, wzsl)
      view.setUint8(3, dmrl)
      view.setUint32(4, dmrsl, true)
      view.setUint32(8, dmsl, true)
    } else if (cns === 2) {
      const ids = [...this.namespaces.keys()].filter((id) => id > nsid).sort((a, b) => a - b)
      ids.slice(0, 1024).forEach((id, i) => {
        view.setUint32(i * 4, id, true)
      })
    } else {
      const ns = this.namespaces.get(nsid)
      if (ns === undefined) return { status: 0x400b, result: 0 }
      view.setUint32(0, ns.init.blocks, true)
      view.setUint32(8, ns.init.blocks, true)
      view.setUint8(26, 1)
      view.setUint8(33, this.#init.dlfeat ?? 0)
      view.setUint8(99, ns.init.writeProtected === true ? 1 : 0)
      view.setUint32(132, (ns.init.metadata ?? 0) | ((ns.init.lbaShift ?? 9) << 16), true)
    }
    this.#write(prp1, data)
    return { status: 0, result: 0 }
  }

  #io(command: TwinCommand): { status: number; result: number } {
    const { sqe } = command
    const ns = this.namespaces.get(command.nsid)
    if (ns === undefined) return { status: 0x400b, result: 0 }
    if (command.opcode === 0) {
      this.flushes++
      return { status: 0, result: 0 }
    }
    const blockBytes = 2 ** (ns.init.lbaShift ?? 9)
    const slba = sqe.getUint32(40, true) + sqe.getUint32(44, true) * 2 ** 32
    const length = (sqe.getUint16(48, true) + 1) * blockBytes
    let at = slba * blockBytes
    if (at + length > ns.data.length) return { status: 0x4080, result: 0 }
    command.pieces = this.walk(sqe, command.flags, length)
    for (const piece of command.pieces) {
      this.onData(piece.addr, piece.length)
      const bytes = ns.data.subarray(at, at + piece.length)
      if (command.opcode === 2) this.#write(piece.addr, bytes)
      else this.#read(piece.addr, bytes)
      at += piece.length
    }
    return { status: 0, result: 0 }
  }

  #walkPrp(sqe: DataView, length: number): { addr: number; length: number }[] {
    const pieces: { addr: number; length: number }[] = []
    const prp1 = addrAt(sqe, 24)
    const first = Math.min(length, 4096 - (prp1 % 4096))
    pieces.push({ addr: prp1, length: first })
    let left = length - first
    if (left === 0) return pieces
    const prp2 = addrAt(sqe, 32)
    if (left <= 4096) {
      if (prp2 % 4096 !== 0) throw new Error('PRP2 is not a page')
      pieces.push({ addr: prp2, length: left })
      return pieces
    }
    let list = prp2
    while (left > 0) {
      const room = Math.floor((4096 - (list % 4096)) / 8)
      const needed = Math.ceil(left / 4096)
      const linked = needed > room
      const count = linked ? room - 1 : needed
      const entries = this.#copyOf(list, (linked ? room : needed) * 8)
      for (let i = 0; i < count; i++) {
        const addr = addrAt(entries, i * 8)
        if (addr % 4096 !== 0) throw new Error('a PRP list entry is not a page')
        const bytes = Math.min(left, 4096)
        pieces.push({ addr, length: bytes })
        left -= bytes
      }
      if (linked) list = addrAt(entries, count * 8)
    }
    return pieces
  }

  #walkSgl(sqe: DataView, length: number): { addr: number; length: number }[] {
    const pieces: { addr: number; length: number }[] = []
    let segment = new DataView(sqe.buffer.slice(24, 40))
    let isLast = true
    for (let hops = 0; ; hops++) {
      if (hops > 1000) throw new Error('SGL without end')
      const count = segment.byteLength / 16
      let next: DataView | null = null
      for (let i = 0; i < count; i++) {
        const addr = addrAt(segment, i * 16)
        const bytes = segment.getUint32(i * 16 + 8, true)
        const type = segment.getUint8(i * 16 + 15)
        if (type === 0) {
          if (bytes === 0) throw new Error('an empty data block')
          pieces.push({ addr, length: bytes })
          continue
        }
        if (i !== count - 1) throw new Error('a segment descriptor that is not the last')
        if (isLast && hops > 0) throw new Error('a link in a last segment')
        if (type !== 0x20 && type !== 0x30) throw new Error(`descriptor type ${type}`)
        if (bytes === 0 || bytes % 16 !== 0) throw new Error(`segment of ${bytes} bytes`)
        next = this.#copyOf(addr, bytes)
        isLast = type === 0x30
      }
      if (next === null) break
      segment = next
    }
    if (!isLast) throw new Error('the SGL ends in a segment that is not the last')
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (total !== length) throw new Error(`SGL of ${total} bytes for ${length}`)
    return pieces
  }

  #copyOf(addr: number, length: number): DataView {
    const bytes = new Uint8Array(length)
    this.#read(addr, bytes)
    return new DataView(bytes.buffer)
  }

  #complete(sq: TwinSq, cid: number, status: number, result: number): void {
    const cq = this.#cqs.get(sq.cqid)
    if (cq === undefined) throw new Error('completion without a queue')
    const cqe = new DataView(new ArrayBuffer(16))
    cqe.setUint32(0, result, true)
    cqe.setUint16(8, sq.head, true)
    cqe.setUint16(12, cid, true)
    cqe.setUint16(14, (status << 1) | cq.phase, true)
    this.#write(cq.addr + cq.tail * 16, new Uint8Array(cqe.buffer))
    cq.tail = (cq.tail + 1) % cq.entries
    if (cq.tail === 0) cq.phase ^= 1
    if (cq.tail === cq.head) throw new Error('completion queue overrun')
    if (!this.mute) this.sink?.raise(cq.vector)
  }

  #read(addr: number, target: Uint8Array): void {
    this.#move(addr, target, BusAccess.READ)
  }

  #write(addr: number, source: Uint8Array): void {
    this.#move(addr, source, BusAccess.WRITE)
  }

  #move(addr: number, bytes: Uint8Array, access: BusAccess): void {
    for (let done = 0; done < bytes.length; ) {
      const count = this.#bus.translate(addr + done, bytes.length - done, access, this.#range)
      if (count === 0) {
        this.faults++
        return
      }
      const { bytes: memory, offset } = this.#range
      if (access === BusAccess.READ) bytes.set(memory.subarray(offset, offset + count), done)
      else memory.set(bytes.subarray(done, done + count), offset)
      done += count
    }
  }
}

function addrAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
}
