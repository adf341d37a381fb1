// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A controller without a driver: for those who test controllers, and post what no driver would.

import type { CoherentBlock, Device } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Op, sleep } from '@iolayers/kernel'
import type { RegisterBar } from '../../controller/contracts.ts'
import { AdminOpcode, Reg, SQE_BYTES, SqeOffset, setUint64 } from '../../spec/index.ts'
import { type ControllerCap, NvmeRegs } from '../ctrl/nvme-regs.ts'
import { nvmeStatusText } from '../nvme-error-status.ts'
import { NvmeQueue } from '../queue/nvme-queue.ts'
import { HostCounters } from '../stats.ts'

const POLL_NS = 1_000
const DEFAULT_TIMEOUT_NS = 5e9
const PHYS_CONTIG = 1
/** Of the commands that make queues; nothing keeps others from using it. */
const OWN_COMMAND_ID = 0xffff

/** What an entry of a completion queue says. */
export interface RawCompletion {
  readonly commandId: number
  /** Without the phase bit. */
  readonly status: number
  /** Dword 0. */
  readonly result: number
  /** How far the controller has fetched. */
  readonly sqHead: number
}

/** A submission queue and its completion queue. Nothing looks at what is posted, and nothing but the caller tells commands apart. */
export interface RawQueuePair {
  readonly qid: number
  /** Entries of each of the two. */
  readonly entries: number
  /**
   * Copies 64 bytes to the tail. The controller is not told, unless this is the last free entry since it was. Throws KernelError EINVAL for another
   * length, EBUSY where all entries are in use as far as completions say.
   */
  post(entry: Uint8Array): void
  /** Tells the controller about all that was posted. */
  ring(): void
  /** What was completed since the last call; the controller is told that it was taken. */
  reap(): RawCompletion[]
  /** Looks every microsecond for the next completion. Throws KernelError ETIMEDOUT. */
  next(): Op<RawCompletion>
}

/** An enabled controller with its admin queues, and nothing else. */
export interface RawController {
  readonly admin: RawQueuePair
  /** Makes a pair of I/O queues without interrupts. Throws KernelError EIO with the status where it is refused, EINVAL for more entries than there can be, ENOMEM. */
  createQueuePair(qid: number, entries: number): Op<RawQueuePair>
  /** Memory that both sides may use at any time; given back by `close`. Throws KernelError ENOMEM. */
  allocate(sizeBytes: number): CoherentBlock
  /** Stops the controller, takes the bus from it, and gives all memory back. Idempotent. Throws KernelError ENODEV where it does not stop; all else is done. */
  close(): Op<void>
}

export interface RawControllerComponents {
  readonly kernel: Kernel
  readonly device: Device
  readonly bar: RegisterBar
}

export interface RawControllerInit {
  /** Default 32. */
  readonly adminEntries?: number
  /** How long `next` waits. Default 5 s. */
  readonly timeoutNs?: number
}

class RawPair implements RawQueuePair {
  readonly queue: NvmeQueue
  readonly #components: RawControllerComponents
  readonly #timeoutNs: number
  #found: RawCompletion[]

  constructor(components: RawControllerComponents, queue: NvmeQueue, timeoutNs: number) {
    this.queue = queue
    this.#components = components
    this.#timeoutNs = timeoutNs
    this.#found = []
  }

  get qid(): number {
    return this.queue.qid
  }

  get entries(): number {
    return this.queue.entries
  }

  post(entry: Uint8Array): void {
    const { queue } = this
    const what = `raw queue ${queue.qid}: an entry`
    if (entry.length !== SQE_BYTES) {
      throw new KernelError('EINVAL', what, {
        value: entry.length,
        accepted: `${SQE_BYTES} bytes`,
      })
    }
    if ((queue.sqTail + 1) % queue.entries === queue.sqHead) {
      throw new KernelError('EBUSY', `${what}, and all ${queue.entries - 1} are in use`)
    }
    const { sqView } = queue
    new Uint8Array(sqView.buffer, sqView.byteOffset, sqView.byteLength).set(entry, queue.slot())
    queue.advance()
  }

  ring(): void {
    this.queue.ring()
  }

  reap(): RawCompletion[] {
    this.#look()
    return this.#found.splice(0)
  }

  *next(): Op<RawCompletion> {
    const { scheduler } = this.#components.kernel
    const deadline = scheduler.nowNs() + this.#timeoutNs
    for (;;) {
      this.#look()
      const found = this.#found.shift()
      if (found !== undefined) return found
      if (scheduler.nowNs() >= deadline) {
        const text = `raw queue ${this.qid}: no completion within ${this.#timeoutNs / 1e6} ms`
        throw new KernelError('ETIMEDOUT', text)
      }
      yield* sleep(scheduler, POLL_NS)
    }
  }

  #look(): void {
    this.queue.reap({
      handleCqe: ({ sqHead }, commandId, status, result) => {
        this.#found.push({ commandId, status, result, sqHead })
      },
    })
  }
}

class Raw implements RawController {
  readonly admin: RawPair
  readonly #components: RawControllerComponents
  readonly #regs: NvmeRegs
  readonly #cap: ControllerCap
  readonly #timeoutNs: number
  readonly #pairs: RawPair[]
  readonly #blocks: CoherentBlock[]
  #closed: boolean

  constructor(components: RawControllerComponents, init: RawControllerInit) {
    const { kernel, bar } = components
    this.#components = components
    this.#regs = new NvmeRegs(bar, kernel.scheduler)
    this.#cap = this.#regs.readCap()
    this.#timeoutNs = init.timeoutNs ?? DEFAULT_TIMEOUT_NS
    this.#pairs = []
    this.#blocks = []
    this.#closed = false
    this.admin = this.#makePair(0, init.adminEntries ?? 32)
  }

  *enable(): Op<void> {
    const { queue } = this.admin
    yield* this.#regs.disable(this.#cap.readyTimeoutNs)
    this.#components.device.bus.enabled = true
    this.#regs.setAdminQueue(queue.entries, queue.sqDmaAddr, queue.cqDmaAddr)
    yield* this.#regs.enable(this.#cap)
  }

  *createQueuePair(qid: number, entries: number): Op<RawQueuePair> {
    const pair = this.#makePair(qid, entries)
    const { sqDmaAddr, cqDmaAddr } = pair.queue
    yield* this.#create('completion', AdminOpcode.CREATE_IO_CQ, cqDmaAddr, pair, PHYS_CONTIG)
    const attributes = PHYS_CONTIG | (qid << 16)
    yield* this.#create('submission', AdminOpcode.CREATE_IO_SQ, sqDmaAddr, pair, attributes)
    return pair
  }

  allocate(sizeBytes: number): CoherentBlock {
    const block = this.#components.device.dma.allocCoherent(sizeBytes)
    this.#blocks.push(block)
    return block
  }

  *close(): Op<void> {
    if (this.#closed) return
    this.#closed = true
    const { device } = this.#components
    try {
      yield* this.#regs.disable(this.#cap.readyTimeoutNs)
    } finally {
      device.bus.enabled = false
      for (const { queue } of this.#pairs) queue.destroy()
      for (const block of this.#blocks) device.dma.freeCoherent(block)
    }
  }

  *#create(what: string, opcode: number, addr: number, pair: RawPair, cdw11: number): Op<void> {
    const entry = new Uint8Array(SQE_BYTES)
    const view = new DataView(entry.buffer)
    view.setUint32(0, opcode | (OWN_COMMAND_ID << 16), true)
    setUint64(view, SqeOffset.PRP1, addr)
    view.setUint32(SqeOffset.CDW10, pair.qid | ((pair.entries - 1) << 16), true)
    view.setUint32(SqeOffset.CDW11, cdw11, true)
    this.admin.post(entry)
    this.admin.ring()
    const { status } = yield* this.admin.next()
    if (status === 0) return
    const text = `raw controller: ${what} queue ${pair.qid}: ${nvmeStatusText(status)}`
    throw new KernelError('EIO', text)
  }

  #makePair(qid: number, entries: number): RawPair {
    const { device, bar } = this.#components
    const { maxQueueEntries, doorbellStride } = this.#cap
    if (!(Number.isSafeInteger(entries) && entries >= 2 && entries <= maxQueueEntries)) {
      const accepted = `2 to ${maxQueueEntries}`
      throw new KernelError('EINVAL', `raw queue ${qid}: entries`, { value: entries, accepted })
    }
    const queue = new NvmeQueue(
      { device, bar, counters: new HostCounters() },
      {
        qid,
        entries,
        vector: null,
        sqDoorbell: Reg.DBS + 2 * qid * doorbellStride,
        cqDoorbell: Reg.DBS + (2 * qid + 1) * doorbellStride,
      },
    )
    const pair = new RawPair(this.#components, queue, this.#timeoutNs)
    this.#pairs.push(pair)
    return pair
  }
}

/**
 * Disables a controller, gives it admin queues and enables it. Interrupts are not looked at. Throws KernelError ENODEV where none answers or it does not
 * become ready, EIO for one in fatal error, EINVAL, ENOMEM; nothing is held then.
 */
export function* openRawController(
  components: RawControllerComponents,
  init: RawControllerInit = {},
): Op<RawController> {
  const raw = new Raw(components, init)
  try {
    yield* raw.enable()
  } catch (error) {
    try {
      yield* raw.close()
    } catch {
      // It does not stop, either; what came first is what is told.
    }
    throw error
  }
  return raw
}
