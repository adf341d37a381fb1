// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Drives a controller with its registers and queues alone, as a test of hardware would: no host driver is involved.

import {
  createDevice,
  createPhysicalMemory,
  type Device,
  type MemoryRegion,
  PAGE_SIZE,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import {
  createKernel,
  createVirtualScheduler,
  type Kernel,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import {
  createMemoryStore,
  createNvmeController,
  type MemoryStore,
  type NvmeController,
  type NvmeControllerInit,
} from '../src/controller/index.ts'
import { createFaults, type Faults } from '../src/faults/index.ts'
import {
  AdminOpcode,
  Cc,
  CQE_BYTES,
  CQES,
  CqeOffset,
  Csts,
  Reg,
  SQE_BYTES,
  SQES,
  SqeOffset,
  setUint64,
  statusOf,
} from '../src/spec/index.ts'

export interface Completion {
  readonly cid: number
  readonly status: number
  readonly result: number
  readonly sqid: number
  readonly sqhd: number
}

export interface Command {
  readonly opcode: number
  readonly flags?: number
  readonly nsid?: number
  readonly prp1?: number
  readonly prp2?: number
  readonly cdw10?: number
  readonly cdw11?: number
  readonly cdw12?: number
  readonly cdw13?: number
  readonly cdw14?: number
  /** Writes the 16 bytes of the data pointer itself. */
  readonly dptr?: (view: DataView, offset: number) => void
}

interface Pair {
  readonly id: number
  readonly sqAt: number
  readonly cqAt: number
  readonly sqEntries: number
  readonly cqEntries: number
  tail: number
  head: number
  phase: number
}

export interface ReadyInit extends RawInit {
  readonly sizeBytes?: number
  readonly block?: 512 | 4096
}

export interface RawInit extends NvmeControllerInit {
  readonly seed?: number
  readonly ramBytes?: number
  /** With a scheduler that goes by itself: `idle` is then for nothing, and `settle` is what waits. */
  readonly kernel?: Kernel
  /** Pages of a controller memory buffer; none by default. */
  readonly bufferPages?: number
  /** Whether the controller has faults at all. */
  readonly withFaults?: boolean
}

const PAGE_ORDER_MAX = 6

export class RawDriver {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly device: Device
  readonly controller: NvmeController
  /** Given to the controller only when it was asked for. */
  readonly faults: Faults
  readonly raised: number[] = []
  /** Its memory buffer. */
  readonly buffer: MemoryRegion | null
  /** Set while a register is being accessed: an interrupt then is a fault of the controller. */
  #inRegister = false
  readonly #pairs: Map<number, Pair> = new Map()
  #cid = 0

  constructor(init: RawInit = {}) {
    this.scheduler = createVirtualScheduler({ seed: init.seed ?? 1 })
    this.kernel = init.kernel ?? createKernel({ scheduler: this.scheduler })
    this.memory = createPhysicalMemory(
      { kernel: this.kernel },
      { ramBytes: init.ramBytes ?? 8 << 20, backing: 'plain' },
    )
    this.device = createDevice(
      { kernel: this.kernel, memory: this.memory, iommu: null },
      { name: 'nvme0', iommuMode: 'passthrough' },
    )
    this.device.bus.enabled = true
    this.faults = createFaults({ kernel: this.kernel })
    const components = { kernel: this.kernel, bus: this.device.bus }
    const { bufferPages } = init
    this.buffer =
      bufferPages === undefined
        ? null
        : this.memory.addRegion({ frames: bufferPages, kind: 'device', backing: 'plain' })
    this.controller = createNvmeController(
      init.withFaults === true ? { ...components, faults: this.faults } : components,
      { ...init, ...(this.buffer !== null && { memoryBuffer: this.buffer }) },
    )
    this.controller.connectInterrupts({
      raise: (vector) => {
        expect(this.#inRegister).toBe(false)
        this.raised.push(vector)
      },
      lower: () => {},
    })
  }

  get view(): DataView {
    return this.region.view
  }

  get bytes(): Uint8Array {
    return this.region.bytes
  }

  get region(): MemoryRegion {
    const [region] = this.memory.regions
    if (region === undefined) throw new Error('no memory')
    return region
  }

  /** Bus address of the first of `bytes`. Offsets given as PRPs get it added; what a test writes into lists does not. */
  get base(): number {
    return this.region.baseAddr
  }

  read(offset: number): number {
    this.#inRegister = true
    const value = this.controller.bar.read32(offset)
    this.#inRegister = false
    return value
  }

  write(offset: number, value: number): void {
    this.#inRegister = true
    this.controller.bar.write32(offset, value)
    this.#inRegister = false
  }

  idle(): void {
    this.scheduler.runUntilIdle()
  }

  /** Offset in `bytes` of pages of memory, zeroed; on the bus they are at `base` and that. */
  alloc(bytes: number): number {
    const pages = Math.ceil(bytes / PAGE_SIZE)
    const order = Math.ceil(Math.log2(pages))
    const frame =
      order <= PAGE_ORDER_MAX ? this.memory.allocPages(order) : this.memory.allocContiguous(pages)
    if (frame < 0) throw new Error('out of memory')
    const at = frame * PAGE_SIZE - this.base
    this.bytes.fill(0, at, at + pages * PAGE_SIZE)
    return at
  }

  addMemoryNamespace(sizeBytes: number, logicalBlockBytes: 512 | 4096 = 512): MemoryStore {
    const store = createMemoryStore({ kernel: this.kernel, memory: this.memory }, { sizeBytes })
    this.controller.addNamespace(1, { store, logicalBlockBytes })
    return store
  }

  /** Sets the admin queues and CC.EN; returns CSTS. */
  enable(init: { entries?: number; cqEntries?: number; cc?: number } = {}): number {
    const entries = init.entries ?? 32
    const cqEntries = init.cqEntries ?? entries
    const pair = this.#makePair(0, entries, cqEntries)
    this.write(Reg.AQA, (entries - 1) | ((cqEntries - 1) << 16))
    this.write(Reg.ASQ, this.base + pair.sqAt)
    this.write(Reg.ASQ + 4, 0)
    this.write(Reg.ACQ, this.base + pair.cqAt)
    this.write(Reg.ACQ + 4, 0)
    this.write(Reg.CC, init.cc ?? this.cc)
    this.idle()
    return this.read(Reg.CSTS)
  }

  get cc(): number {
    return Cc.EN | (SQES << Cc.IOSQES_SHIFT) | (CQES << Cc.IOCQES_SHIFT)
  }

  disable(): number {
    this.write(Reg.CC, this.cc & ~Cc.EN)
    this.idle()
    this.#pairs.clear()
    return this.read(Reg.CSTS)
  }

  createQueuePair(id: number, entries = 64, cqEntries: number = entries, interrupts = true): void {
    for (const command of this.queuePairCommands(id, entries, cqEntries, interrupts)) {
      expect(this.admin(command).status).toBe(0)
    }
  }

  /** What creates a pair, whose memory is made here. */
  queuePairCommands(
    id: number,
    entries = 64,
    cqEntries: number = entries,
    interrupts = true,
  ): readonly Command[] {
    const pair = this.#makePair(id, entries, cqEntries)
    return [
      {
        opcode: AdminOpcode.CREATE_IO_CQ,
        prp1: pair.cqAt,
        cdw10: id | ((cqEntries - 1) << 16),
        cdw11: 1 | (interrupts ? 2 : 0) | (id << 16),
      },
      {
        opcode: AdminOpcode.CREATE_IO_SQ,
        prp1: pair.sqAt,
        cdw10: id | ((entries - 1) << 16),
        cdw11: 1 | (id << 16),
      },
    ]
  }

  /** One command, alone, where the scheduler goes by itself. */
  async execSoon(id: number, command: Command): Promise<Completion> {
    this.push(id, command)
    this.ring(id)
    return await this.settle(() => this.reap(id)[0])
  }

  /** Looks again and again, between the turns of the event loop. */
  async settle<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Writes an entry and gives its command id; nothing is rung. */
  push(id: number, command: Command): number {
    const pair = this.#pair(id)
    const cid = this.#cid++ & 0xffff
    const at = pair.sqAt + pair.tail * SQE_BYTES
    const { view } = this
    this.bytes.fill(0, at, at + SQE_BYTES)
    view.setUint8(at, command.opcode)
    view.setUint8(at + SqeOffset.FLAGS, command.flags ?? 0)
    view.setUint16(at + SqeOffset.CID, cid, true)
    view.setUint32(at + SqeOffset.NSID, command.nsid ?? 0, true)
    setUint64(view, at + SqeOffset.PRP1, this.base + (command.prp1 ?? 0))
    setUint64(view, at + SqeOffset.PRP2, this.base + (command.prp2 ?? 0))
    view.setUint32(at + SqeOffset.CDW10, command.cdw10 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW11, command.cdw11 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW12, command.cdw12 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW13, command.cdw13 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW14, command.cdw14 ?? 0, true)
    command.dptr?.(view, at + SqeOffset.DPTR)
    pair.tail = (pair.tail + 1) % pair.sqEntries
    return cid
  }

  /** Copies raw bytes in as an entry, with a command id of its own. */
  pushRaw(id: number, entry: Uint8Array): number {
    const cid = this.push(id, { opcode: 0 })
    const pair = this.#pair(id)
    const index = (pair.tail + pair.sqEntries - 1) % pair.sqEntries
    const at = pair.sqAt + index * SQE_BYTES
    this.bytes.set(entry.subarray(0, SQE_BYTES), at)
    this.view.setUint16(at + SqeOffset.CID, cid, true)
    return cid
  }

  ring(id: number): void {
    this.write(Reg.DBS + 8 * id, this.#pair(id).tail)
  }

  /** Takes what has been completed; the head doorbell is rung unless told otherwise. */
  reap(id: number, ringHead = true): Completion[] {
    const pair = this.#pair(id)
    const found: Completion[] = []
    for (;;) {
      const at = pair.cqAt + pair.head * CQE_BYTES
      const field = this.view.getUint16(at + CqeOffset.STATUS, true)
      if ((field & 1) !== pair.phase) break
      found.push({
        cid: this.view.getUint16(at + CqeOffset.CID, true),
        status: statusOf(field),
        result: this.view.getUint32(at + CqeOffset.DW0, true),
        sqid: this.view.getUint16(at + CqeOffset.SQID, true),
        sqhd: this.view.getUint16(at + CqeOffset.SQHD, true),
      })
      if (++pair.head === pair.cqEntries) {
        pair.head = 0
        pair.phase ^= 1
      }
    }
    if (ringHead && found.length > 0) this.write(Reg.DBS + 8 * id + 4, pair.head)
    return found
  }

  /** Where the queues are in `bytes`. */
  queueRanges(): { at: number; length: number }[] {
    return [...this.#pairs.values()].flatMap((pair) => [
      { at: pair.sqAt, length: pair.sqEntries * SQE_BYTES },
      { at: pair.cqAt, length: pair.cqEntries * CQE_BYTES },
    ])
  }

  /** One command, alone, to its end. */
  exec(id: number, command: Command): Completion {
    const cid = this.push(id, command)
    this.ring(id)
    this.idle()
    const done = this.reap(id)
    expect(done.map((completion) => completion.cid)).toEqual([cid])
    const [completion] = done
    if (completion === undefined) throw new Error('no completion')
    return completion
  }

  admin(command: Command): Completion {
    return this.exec(0, command)
  }

  /** Enabled, with one I/O queue pair and a namespace in memory. */
  static ready(init: ReadyInit = {}): {
    driver: RawDriver
    store: MemoryStore
  } {
    const driver = new RawDriver(init)
    const store = driver.addMemoryNamespace(init.sizeBytes ?? 1 << 20, init.block ?? 512)
    expect(driver.enable()).toBe(Csts.RDY)
    driver.createQueuePair(1)
    return { driver, store }
  }

  /** Nothing is outstanding, and nothing will run. */
  expectQuiet(): void {
    this.idle()
    expect(this.controller.outstanding).toBe(0)
    expect(this.scheduler.outstanding()).toEqual([])
  }

  #makePair(id: number, sqEntries: number, cqEntries: number): Pair {
    const pair: Pair = {
      id,
      sqAt: this.alloc(sqEntries * SQE_BYTES),
      cqAt: this.alloc(cqEntries * CQE_BYTES),
      sqEntries,
      cqEntries,
      tail: 0,
      head: 0,
      phase: 1,
    }
    this.#pairs.set(id, pair)
    return pair
  }

  #pair(id: number): Pair {
    const pair = this.#pairs.get(id)
    if (pair === undefined) throw new Error(`no queue ${id}`)
    return pair
  }
}
