// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The hardware behind one pair of NVMe queues: small enough to be made thousands of times a second. It fetches, walks the SGL, moves the
// data and completes, each a step of its own, so that anything else can happen in between. What it reads of the host it checks: this is
// where a bad descriptor list or a bad address shows. The whole controller is @iolayers/nvme/controller.

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import { assert, DeferredCall, type Kernel } from '@iolayers/kernel'
import {
  CQE_BYTES,
  CqeOffset,
  getUint64,
  NvmOpcode,
  PSDT_SHIFT,
  SGL_DESCRIPTOR_BYTES,
  SglType,
  SQE_BYTES,
  SqeOffset,
  Status,
  sglAddress,
  sglLength,
  sglType,
  statusField,
} from '@iolayers/nvme/spec'
import type { Checker } from '../check/contracts.ts'
import type { Fault } from '../search/contracts.ts'
import { BLOCK_BYTES } from './block-bytes.ts'
import { mediumByte } from './data-pattern.ts'
import type { PageLedger } from './page-ledger.ts'
import type { TransferLog } from './transfer-log.ts'

const SGL_PAGE_ENTRIES = 256
const LISTS_MAX = 64

export interface QueueDeviceComponents {
  readonly kernel: Kernel
  readonly bus: BusMaster
  readonly ledger: PageLedger
  readonly transfers: TransferLog
}

export interface QueueDeviceInit {
  readonly blocks: number
  readonly entries: number
  readonly sqDoorbell: number
  readonly cqDoorbell: number
}

/** Where the queues of the host lie. */
export interface QueueAddresses {
  readonly sqDmaAddr: number
  readonly cqDmaAddr: number
}

interface SglDescriptor {
  readonly type: number
  readonly addr: number
  readonly length: number
}

/** What a command goes through. */
const Phase = { FETCH: 0, MOVE: 1, COMPLETE: 2 } as const
type Phase = (typeof Phase)[keyof typeof Phase]

class Command {
  readonly call: DeferredCall
  phase: Phase = Phase.FETCH
  sqHead = 0
  opcode = 0
  commandId = 0
  lba = 0
  blocks = 0
  pieces: SglDescriptor[] = []
  nextPiece = 0
  doneBytes = 0
  status: number = Status.SUCCESS
  busy = false

  constructor(index: number, run: (command: Command) => void) {
    this.call = new DeferredCall(`device/${index}`, () => run(this))
  }
}

/** Driven by the doorbells of its BAR; raises one interrupt. */
export class QueueDevice implements Checker {
  readonly name = 'device'
  readonly sizeBytes = 0x2000
  readonly medium: Uint8Array
  /** Called by its interrupt, an actor of its own. */
  handler: () => void = () => {}
  /** Commands for which it says true are never fetched: a device that hangs. */
  hangs: (opcode: number, lba: number) => boolean = () => false
  hung = 0
  readonly #components: QueueDeviceComponents
  readonly #init: QueueDeviceInit
  readonly #commands: Command[]
  readonly #hung: Command[] = []
  readonly #irq: DeferredCall
  readonly #range: BusRange = new BusRange()
  readonly #fresh: Uint8Array
  #addresses: QueueAddresses = { sqDmaAddr: 0, cqDmaAddr: 0 }
  #sqHead = 0
  #sqTail = 0
  #cqTail = 0
  #phase = 1
  #fault: Fault | null = null

  constructor(components: QueueDeviceComponents, init: QueueDeviceInit) {
    this.#components = components
    this.#init = init
    this.#fresh = Uint8Array.from({ length: init.blocks * BLOCK_BYTES }, (_, at) => mediumByte(at))
    this.medium = this.#fresh.slice()
    this.#irq = new DeferredCall('interrupt', () => this.handler())
    this.#commands = []
    for (let i = 0; i < init.entries; i++) {
      this.#commands.push(new Command(i, (command) => this.#step(command)))
    }
  }

  /** For another run: the medium as it was at first. Nothing may be at the device. */
  reset(): void {
    this.medium.set(this.#fresh)
    this.hangs = () => false
    this.hung = 0
  }

  /** What hung goes on. */
  resumeHung(): void {
    this.hangs = () => false
    for (const command of this.#hung.splice(0)) {
      this.hung--
      this.#components.kernel.scheduler.queue(command.call)
    }
  }

  attach(addresses: QueueAddresses): void {
    this.#addresses = addresses
  }

  read32(_offset: number): number {
    return 0
  }

  write32(offset: number, value: number): void {
    if (offset !== this.#init.sqDoorbell) return
    this.#sqTail = value
    while (this.#sqHead !== this.#sqTail) {
      const command = this.#commands.find((candidate) => !candidate.busy)
      assert(command !== undefined, 'a device with fewer commands than its queue has entries')
      command.busy = true
      command.phase = Phase.FETCH
      command.call.footprint = command
      command.sqHead = this.#sqHead
      this.#sqHead = (this.#sqHead + 1) % this.#init.entries
      this.#components.kernel.scheduler.queue(command.call)
    }
  }

  afterStep(): Fault | null {
    return this.#fault
  }

  /** Commands that it has and has not completed. */
  get busy(): number {
    return this.#commands.filter((command) => command.busy).length
  }

  #step(command: Command): void {
    if (command.phase === Phase.FETCH) {
      this.#fetch(command)
      this.#declare(command)
      if (this.hangs(command.opcode, command.lba)) {
        this.hung++
        this.#hung.push(command)
        return
      }
    } else if (command.phase === Phase.MOVE) this.#move(command)
    else {
      this.#complete(command)
      return
    }
    this.#components.kernel.scheduler.queue(command.call)
  }

  /**
   * What the command touches until its data is there is its own: its entry, its lists, its bytes here and there. Unless it shares bytes with
   * another one: then their order is seen.
   */
  #declare(command: Command): void {
    command.call.footprint = command.phase === Phase.MOVE ? command : null
    for (const other of this.#commands) {
      if (other === command || !other.busy || other.phase !== Phase.MOVE) continue
      if (!overlap(command, other)) continue
      command.call.footprint = null
      other.call.footprint = null
    }
  }

  #fetch(command: Command): void {
    const view = this.#view(this.#addresses.sqDmaAddr + command.sqHead * SQE_BYTES, SQE_BYTES)
    if (view === null) return
    const at = this.#range.offset
    command.opcode = view.getUint8(at + SqeOffset.OPC)
    command.commandId = view.getUint16(at + SqeOffset.CID, true)
    command.status = Status.SUCCESS
    command.nextPiece = 0
    command.doneBytes = 0
    command.phase = command.opcode === NvmOpcode.FLUSH ? Phase.COMPLETE : Phase.MOVE
    command.pieces.length = 0
    if (command.phase === Phase.COMPLETE) return
    command.lba = getUint64(view, at + SqeOffset.CDW10)
    command.blocks = view.getUint16(at + SqeOffset.CDW12, true) + 1
    const flags = view.getUint8(at + SqeOffset.FLAGS)
    if (flags >>> PSDT_SHIFT === 0) this.#fail('descriptors', 'a command without an SGL')
    else this.#walk(command, view, at + SqeOffset.DPTR)
    const total = command.pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (this.#fault === null && total !== command.blocks * BLOCK_BYTES) {
      this.#fail(
        'descriptors',
        `descriptors for ${total} bytes, and a command of ${command.blocks * BLOCK_BYTES}`,
      )
    }
  }

  /** Finds the pieces of the data behind the descriptor in the command. @see NVMe Base 2.1, 4.3.2 */
  #walk(command: Command, view: DataView, at: number): void {
    let descriptor: SglDescriptor | null = descriptorAt(view, at)
    for (let lists = 0; descriptor !== null && descriptor.type !== SglType.DATA_BLOCK; lists++) {
      if (lists === LISTS_MAX) {
        this.#fail('descriptors', 'a list without end')
        return
      }
      descriptor = this.#walkList(command, descriptor)
    }
    if (descriptor !== null) command.pieces.push(descriptor)
  }

  /** One segment of a list; its link, or null when it was the last. */
  #walkList(command: Command, { type, addr, length }: SglDescriptor): SglDescriptor | null {
    const isLast = type === SglType.LAST_SEGMENT
    const entries = length / SGL_DESCRIPTOR_BYTES
    if (!isLast && type !== SglType.SEGMENT) return this.#fail('descriptors', `type ${type}`)
    if (!Number.isInteger(entries) || entries < 1 || entries > SGL_PAGE_ENTRIES) {
      return this.#fail('descriptors', `a segment of ${length} bytes`)
    }
    const list = this.#view(addr, length)
    if (list === null) return null
    const start = this.#range.offset
    const blocks = isLast ? entries : entries - 1
    for (let i = 0; i < blocks; i++) {
      const block = descriptorAt(list, start + i * SGL_DESCRIPTOR_BYTES)
      if (block.type !== SglType.DATA_BLOCK) {
        return this.#fail('descriptors', `type ${block.type} among the data blocks`)
      }
      command.pieces.push(block)
    }
    return isLast ? null : descriptorAt(list, start + blocks * SGL_DESCRIPTOR_BYTES)
  }

  /** One piece a step. */
  #move(command: Command): void {
    const piece = command.pieces[command.nextPiece]
    if (piece === undefined) {
      moved(command)
      return
    }
    const isRead = command.opcode === NvmOpcode.READ
    const access = isRead ? BusAccess.WRITE : BusAccess.READ
    const at = command.lba * BLOCK_BYTES + command.doneBytes
    for (let done = 0; done < piece.length; ) {
      const range = this.#range
      const addr = piece.addr + done
      const reach = this.#components.bus.translate(addr, piece.length - done, access, range)
      if (reach === 0) {
        this.#refused(addr)
        return
      }
      const physAddr = range.region.baseAddr + range.offset
      const what = isRead ? 'the device writes to' : 'the device reads'
      if (!this.#components.ledger.deviceAccess(physAddr, reach, what)) return
      const medium = this.medium.subarray(at + done, at + done + reach)
      const memory = range.bytes.subarray(range.offset, range.offset + reach)
      if (isRead) memory.set(medium)
      else medium.set(memory)
      done += reach
    }
    command.doneBytes += piece.length
    command.nextPiece++
    if (command.nextPiece < command.pieces.length) return
    this.#components.transfers.transferred(command.lba, command.blocks)
    moved(command)
  }

  #complete(command: Command): void {
    command.busy = false
    const { cqDmaAddr } = this.#addresses
    const view = this.#view(cqDmaAddr + this.#cqTail * CQE_BYTES, CQE_BYTES, BusAccess.WRITE)
    if (view === null) return
    const at = this.#range.offset
    view.setUint32(at + CqeOffset.DW0, 0, true)
    view.setUint16(at + CqeOffset.SQHD, this.#sqHead, true)
    view.setUint16(at + CqeOffset.SQID, 1, true)
    view.setUint16(at + CqeOffset.CID, command.commandId, true)
    view.setUint16(at + CqeOffset.STATUS, statusField(command.status, this.#phase), true)
    this.#cqTail++
    if (this.#cqTail === this.#init.entries) {
      this.#cqTail = 0
      this.#phase ^= 1
    }
    this.#components.kernel.scheduler.queue(this.#irq)
  }

  #view(addr: number, length: number, access: BusAccess = BusAccess.READ): DataView | null {
    const reach = this.#components.bus.translate(addr, length, access, this.#range)
    if (reach >= length) return this.#range.side.view
    this.#refused(addr)
    return null
  }

  #refused(addr: number): void {
    this.#fail(
      'dma-fault',
      `the device used the address 0x${addr.toString(16)}, which is not mapped`,
    )
  }

  #fail(check: string, message: string): null {
    this.#fault ??= { check, message }
    return null
  }
}

/** Completions come one before the other. */
function moved(command: Command): void {
  command.phase = Phase.COMPLETE
  command.call.footprint = null
}

function overlap(a: Command, b: Command): boolean {
  if (a.lba < b.lba + b.blocks && b.lba < a.lba + a.blocks) return true
  return a.pieces.some((one) =>
    b.pieces.some(
      (other) => one.addr < other.addr + other.length && other.addr < one.addr + one.length,
    ),
  )
}

function descriptorAt(view: DataView, at: number): SglDescriptor {
  return { type: sglType(view, at), addr: sglAddress(view, at), length: sglLength(view, at) }
}
