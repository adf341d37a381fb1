// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One host at one controller: its admin queue, its I/O queues, and the controller itself, whose rings and data lie in memory that nobody else has.

import {
  type CoherentBlock,
  createDevice,
  createPhysicalMemory,
  type Device,
} from '@iolayers/dma-mapping'
import { type Kernel, KernelError, Timer } from '@iolayers/kernel'
import type { NvmeController } from '../../controller/controller-init.ts'
import { createNvmeController } from '../../controller/nvme-controller.ts'
import {
  AdminOpcode,
  Csts,
  Reg,
  SQE_BYTES,
  SqeOffset,
  Status,
  setUint64,
} from '../../spec/index.ts'
import { RingQueue } from './ring-queue.ts'
import type { Subsystem, TargetSettings } from './target-types.ts'

const PAGE_BYTES = 4096
export const IN_CAPSULE_BYTES = 8192
const QUEUE_PHYS_CONTIG = 1
const CQ_IRQ_ENABLED = 2

/** Who has a queue of an association. */
export interface AssociationQueue {
  /** The association is over. Atomic. */
  associationEnded(): void
  /** The ring's identifier of a command of the host's; -1 where there is none. */
  tagOf(commandId: number): number
}

/** Memory that a queue gives back when the controller has done with the queue. */
export interface QueueMemory {
  /** Of `allocate`. */
  readonly own: readonly CoherentBlock[]
  /** Of `takeMemory`. */
  readonly taken: readonly CoherentBlock[]
}

/** What an association is made with. */
export interface AssociationInit {
  readonly controllerId: number
  readonly hostNqn: string
  readonly hostId: string
  readonly subsystem: Subsystem
  readonly settings: TargetSettings
  /** Of a discovery controller. */
  readonly discoveryLog?: () => Uint8Array
  /** It is over: nobody can connect to it any more. */
  readonly ended: (association: Association) => void
}

export class Association {
  readonly controllerId: number
  readonly hostNqn: string
  readonly hostId: string
  readonly subsystem: Subsystem
  readonly controller: NvmeController
  readonly #device: Device
  readonly #settings: TargetSettings
  readonly #ended: (association: Association) => void
  readonly #keepAlive: Timer
  readonly #rings: Map<number, RingQueue>
  readonly #queues: Map<number, AssociationQueue>
  /** Wait for memory. */
  readonly #waiting: (() => void)[]
  #dataBytes: number
  #keepAliveMs: number
  #isOver: boolean

  /** Throws KernelError ENOMEM. */
  constructor(kernel: Kernel, init: AssociationInit) {
    const { controllerId, subsystem, settings } = init
    const { serialNumber, nqn, namespaces } = subsystem
    this.controllerId = controllerId
    this.hostNqn = init.hostNqn
    this.hostId = init.hostId
    this.subsystem = subsystem
    this.#settings = settings
    this.#ended = init.ended
    this.#dataBytes = 0
    this.#keepAliveMs = 0
    this.#isOver = false
    this.#rings = new Map()
    this.#queues = new Map()
    this.#waiting = []
    this.#keepAlive = new Timer(kernel.scheduler, `keep alive of ${init.hostNqn}`, () => this.end())
    const perQueue = settings.queueEntries * (IN_CAPSULE_BYTES + 2 * PAGE_BYTES)
    const ramBytes = settings.dataBytes + (settings.ioQueues + 1) * perQueue + (1 << 20)
    const memory = createPhysicalMemory({ kernel }, { ramBytes, backing: 'plain' })
    this.#device = createDevice(
      { kernel, memory, iommu: null },
      { name: `nvmet${controllerId}`, iommuMode: 'passthrough' },
    )
    this.#device.bus.enabled = true
    this.controller = createNvmeController(
      { kernel, bus: this.#device.bus },
      {
        maxQueuePairs: settings.ioQueues,
        maxQueueEntries: settings.queueEntries + spareEntries(0, settings),
        mdtsBytes: settings.mdtsBytes,
        controllerId,
        subsystemNqn: nqn,
        ...(serialNumber !== undefined && { serialNumber }),
        fabric: {
          inCapsuleBytes: IN_CAPSULE_BYTES,
          commandsMax: settings.queueEntries,
          ...(init.discoveryLog !== undefined && { discoveryLog: init.discoveryLog }),
        },
      },
    )
    for (const { nsid, ...namespace } of namespaces) this.controller.addNamespace(nsid, namespace)
    this.controller.connectInterrupts({
      raise: (vector) => this.#rings.get(vector)?.reap(),
      lower: () => {},
    })
  }

  /** Entries that a host may have in a queue. */
  get queueEntries(): number {
    return this.#settings.queueEntries
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isReady(): boolean {
    return (this.controller.bar.read32(Reg.CSTS) & Csts.RDY) !== 0
  }

  hasQueue(qid: number): boolean {
    return this.#queues.has(qid)
  }

  /** Its connection is gone, and the controller still has it. */
  isClosing(qid: number): boolean {
    return this.#rings.has(qid) && !this.#queues.has(qid)
  }

  /** The admin queues of the controller, which the host enables when it likes. Throws KernelError ENOMEM. */
  openAdmin(owner: AssociationQueue, entries: number, keepAliveMs: number): RingQueue {
    const ring = this.#makeRing(0, entries)
    const { bar } = this.controller
    const { sqDmaAddr, cqDmaAddr } = ring.queue
    const size = ring.queue.entries - 1
    bar.write32(Reg.AQA, size | (size << 16))
    bar.write64(Reg.ASQ, BigInt(sqDmaAddr))
    bar.write64(Reg.ACQ, BigInt(cqDmaAddr))
    this.#queues.set(0, owner)
    this.#keepAliveMs = keepAliveMs
    this.heard()
    return ring
  }

  /** Makes a pair of I/O queues; `made` hears a status, with the ring where it is SUCCESS. Throws KernelError ENOMEM. */
  openIo(
    owner: AssociationQueue,
    qid: number,
    entries: number,
    made: (status: number, ring: RingQueue) => void,
  ): void {
    const ring = this.#makeRing(qid, entries)
    this.#queues.set(qid, owner)
    const { sqDmaAddr, cqDmaAddr } = ring.queue
    const withInterrupts = QUEUE_PHYS_CONTIG | CQ_IRQ_ENABLED | (qid << 16)
    const fail = (status: number): void => {
      this.#forget(qid)
      made(status, ring)
    }
    this.#own(entryOf(AdminOpcode.CREATE_IO_CQ, cqDmaAddr, ring, withInterrupts), (cqStatus) => {
      if (cqStatus !== 0) {
        fail(cqStatus)
        return
      }
      const attributes = QUEUE_PHYS_CONTIG | (qid << 16)
      this.#own(entryOf(AdminOpcode.CREATE_IO_SQ, sqDmaAddr, ring, attributes), (status) => {
        if (status === 0) made(0, ring)
        else fail(status)
      })
    })
  }

  /** The host has disabled the controller: of its queues only that for admin commands stays. */
  disabled(): void {
    const aborted = Status.ABORT_REQUESTED
    for (const [qid, queue] of [...this.#queues]) {
      if (qid === 0) continue
      this.#queues.delete(qid)
      this.#rings.delete(qid)
      queue.associationEnded()
    }
    this.#rings.get(0)?.reset(aborted)
  }

  /** The connection of a queue is gone, with all that it waited for. With that of the admin queue all is over. */
  closeQueue(qid: number, memory: QueueMemory): void {
    if (this.#isOver || !this.#queues.has(qid)) return
    if (qid === 0) {
      this.end()
      return
    }
    this.#queues.delete(qid)
    const entry = new Uint8Array(SQE_BYTES)
    entry[0] = AdminOpcode.DELETE_IO_SQ
    entry[SqeOffset.CDW10] = qid
    this.#own(entry, () => {
      const completion = entry.slice()
      completion[0] = AdminOpcode.DELETE_IO_CQ
      this.#own(completion, () => {
        this.#forget(qid)
        for (const block of memory.own) this.#device.dma.freeCoherent(block)
        for (const block of memory.taken) this.giveMemory(block)
      })
    })
  }

  /** The ring's identifier of a command, by the host's; -1 where there is none. */
  tagOf(qid: number, commandId: number): number {
    return this.#queues.get(qid)?.tagOf(commandId) ?? -1
  }

  /** The host is there. */
  heard(): void {
    this.#keepAlive.cancel()
    if (this.#keepAliveMs > 0 && !this.#isOver) this.#keepAlive.arm(this.#keepAliveMs * 1e6)
  }

  set keepAliveMs(value: number) {
    this.#keepAliveMs = value
    this.heard()
  }

  /** Somebody has memory for data, and will give it back. */
  get hasTakenMemory(): boolean {
    return this.#dataBytes > 0
  }

  /** Memory for data; null where so much is not to be had now: `waitForMemory` tells when to ask again. */
  takeMemory(lengthBytes: number): CoherentBlock | null {
    const bytes = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES
    if (this.#dataBytes + bytes > this.#settings.dataBytes) return null
    try {
      const block = this.#device.dma.allocCoherent(lengthBytes)
      this.#dataBytes += bytes
      return block
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      return null
    }
  }

  giveMemory(block: CoherentBlock): void {
    this.#dataBytes -= Math.ceil(block.length / PAGE_BYTES) * PAGE_BYTES
    this.#device.dma.freeCoherent(block)
    const waiting = this.#waiting.splice(0)
    for (const again of waiting) again()
  }

  waitForMemory(again: () => void): void {
    this.#waiting.push(again)
  }

  /** Memory of a queue, until it is closed. Throws KernelError ENOMEM. */
  allocate(lengthBytes: number): CoherentBlock {
    return this.#device.dma.allocCoherent(lengthBytes)
  }

  /** Closes all queues. What is at the stores ends there, and is not told. Idempotent. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#keepAlive.cancel()
    this.controller.destroy()
    this.#device.bus.enabled = false
    this.#waiting.length = 0
    const queues = [...this.#queues.values()]
    this.#queues.clear()
    this.#rings.clear()
    this.#ended(this)
    for (const queue of queues) queue.associationEnded()
  }

  #makeRing(qid: number, entries: number): RingQueue {
    const { bar } = this.controller
    const ring = new RingQueue(
      { device: this.#device, bar },
      { qid, entries: entries + spareEntries(qid, this.#settings) },
    )
    this.#rings.set(qid, ring)
    return ring
  }

  #forget(qid: number): void {
    this.#rings.get(qid)?.destroy()
    this.#rings.delete(qid)
    this.#queues.delete(qid)
  }

  /** An admin command of the target's own. There is room for those besides the host's. */
  #own(entry: Uint8Array, ended: (status: number) => void): void {
    const admin = this.#rings.get(0)
    if (admin === undefined || this.#isOver) return
    const tag = admin.submit(entry, null, { ringCompleted: (status) => ended(status) })
    if (tag < 0) this.end()
  }
}

/** Besides the host's commands the admin queue has one of the target's own for each I/O queue. */
function spareEntries(qid: number, { ioQueues }: TargetSettings): number {
  return qid === 0 ? ioQueues + 1 : 1
}

/** A queue in contiguous memory. */
function entryOf(opcode: number, addr: number, ring: RingQueue, cdw11: number): Uint8Array {
  const { qid, entries } = ring.queue
  const entry = new Uint8Array(SQE_BYTES)
  const view = new DataView(entry.buffer)
  entry[0] = opcode
  setUint64(view, SqeOffset.PRP1, addr)
  view.setUint32(SqeOffset.CDW10, qid | ((entries - 1) << 16), true)
  view.setUint32(SqeOffset.CDW11, cdw11, true)
  return entry
}
