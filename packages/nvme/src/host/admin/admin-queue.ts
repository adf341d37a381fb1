// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, blkStatusToErrno } from '@iolayers/block-core'
import type { CoherentBlock, Device } from '@iolayers/dma-mapping'
import {
  assert,
  Completion,
  errnoName,
  type Kernel,
  KernelError,
  type Op,
  Timer,
  WaitQueue,
} from '@iolayers/kernel'
import {
  PSDT_SHIFT,
  Psdt,
  SglType,
  SqeOffset,
  setUint64,
  writeSglDescriptor,
} from '../../spec/index.ts'
import { HOST_ABORTED_CMD, nvmeErrorStatus, nvmeStatusText } from '../nvme-error-status.ts'
import type { CqeSink, NvmeQueue } from '../queue/nvme-queue.ts'
import type { HostCounters } from '../stats.ts'

/** Entries of the admin queue. @see drivers/nvme/host/pci.c NVME_AQ_DEPTH */
export const NVME_AQ_DEPTH = 32
/** Largest transfer of an admin command here. */
export const ADMIN_DATA_SIZE = 4096
const GENCTR_MASK = 0xf
const CID_TAG_BITS = 12
const CID_TAG_MASK = 0xfff

/** What of an admin command is not the queue's own business. Dwords left out are 0. */
export interface AdminCommand {
  readonly opcode: number
  readonly nsid?: number
  readonly cdw10?: number
  readonly cdw11?: number
  readonly cdw12?: number
  readonly cdw13?: number
  readonly cdw14?: number
  readonly cdw15?: number
  /** Left out, as the host says of all of them. */
  readonly timeoutNs?: number
  /** PRP entry 1, for commands that name memory of their own; not together with data. */
  readonly prp1?: number
  /** Filled with what the controller returns. At most `ADMIN_DATA_SIZE` bytes. */
  readonly dataIn?: Uint8Array
  /** Given to the controller. At most `ADMIN_DATA_SIZE` bytes. */
  readonly dataOut?: Uint8Array
}

export interface AdminResult {
  /** Status field without the phase bit; 0: success. */
  readonly status: number
  /** Dword 0 of the completion. */
  readonly result: number
}

/** Who hears of the end of a command that nobody waits for. */
export interface AdminEnd {
  /** Atomic. The status is that of the completion, or HOST_ABORTED_CMD where the controller was stopped. */
  adminEnded(status: number, result: number): void
}

/** One command that can be outstanding. It is taken until the controller has completed it, even if nobody waits any more. */
class AdminSlot {
  readonly tag: number
  readonly done: Completion
  /** Runs for a command that nobody waits for. */
  readonly timer: Timer
  genctr: number
  busy: boolean
  /** Nobody waits for it: it timed out. */
  abandoned: boolean
  status: number
  result: number
  /** Not null: nobody waits for it. */
  end: AdminEnd | null
  /** Made at the first need, kept: a reset finds what it needs. */
  block: CoherentBlock | null

  constructor(kernel: Kernel, tag: number, expired: (slot: AdminSlot) => void) {
    this.tag = tag
    this.timer = new Timer(kernel.scheduler, `nvme admin command ${tag}`, () => expired(this))
    this.done = new Completion(kernel.scheduler, `nvme admin command ${tag}`)
    this.genctr = 0
    this.busy = false
    this.abandoned = false
    this.status = 0
    this.result = 0
    this.end = null
    this.block = null
  }
}

/**
 * Admin commands as operations that wait for their completion. The memory of a command that timed out is not reused before
 * the controller has completed it or was stopped.
 * @see drivers/nvme/host/core.c __nvme_submit_sync_cmd
 */
export class AdminQueue implements CqeSink {
  readonly queue: NvmeQueue
  readonly #device: Device
  readonly #counters: HostCounters
  readonly #timeoutNs: number
  readonly #sglOnly: boolean
  readonly #slots: AdminSlot[]
  readonly #wait: WaitQueue
  readonly #expired: () => void

  constructor(
    components: {
      readonly kernel: Kernel
      readonly device: Device
      readonly queue: NvmeQueue
      readonly counters: HostCounters
      /** A command took too long, and no completion of it was found. Atomic. */
      readonly expired?: () => void
    },
    init: { readonly timeoutNs: number; readonly sglOnly: boolean },
  ) {
    const { kernel, queue } = components
    this.queue = queue
    this.#device = components.device
    this.#counters = components.counters
    this.#timeoutNs = init.timeoutNs
    this.#sglOnly = init.sglOnly
    this.#slots = []
    const expire = (slot: AdminSlot): void => this.#timedOut(slot)
    for (let tag = 0; tag < queue.entries - 1; tag++) {
      this.#slots.push(new AdminSlot(kernel, tag, expire))
    }
    this.#expired = components.expired ?? (() => {})
    this.#wait = new WaitQueue(kernel.scheduler, 'nvme admin tags')
  }

  /**
   * Sends a command and returns what the controller said, well or not. Throws KernelError ETIMEDOUT when it says nothing in time
   * (which stops nothing), ENODEV where the controller has been stopped, ENOMEM.
   */
  *execute(command: AdminCommand): Op<AdminResult> {
    const slot = yield* this.#takeSlot()
    try {
      // Nobody would take back a command that comes after all were.
      if (!this.queue.online) throw new KernelError('ENODEV', 'nvme: the controller was stopped')
      this.#fillData(slot, command)
    } catch (error) {
      this.#release(slot)
      throw error
    }
    this.#post(slot, command)
    const timeoutNs = command.timeoutNs ?? this.#timeoutNs
    const remaining = yield* slot.done.waitTimeout(timeoutNs)
    if (remaining === 0 && !this.#foundLate(slot)) {
      slot.abandoned = true
      this.#expired()
      throw new KernelError(
        'ETIMEDOUT',
        `nvme admin command ${hex(command.opcode)}: no completion within ${timeoutNs / 1e6} ms`,
      )
    }
    const { status, result } = slot
    if (status === 0 && command.dataIn !== undefined && slot.block !== null) {
      const { region, offset } = slot.block
      command.dataIn.set(region.bytes.subarray(offset, offset + command.dataIn.length))
    }
    this.#release(slot)
    return { status, result }
  }

  /** As `execute`, and throws KernelError with the errno that the status stands for. Returns dword 0 of the completion. */
  *executeOrThrow(what: string, command: AdminCommand): Op<number> {
    const { status, result } = yield* this.execute(command)
    if (status === 0) return result
    const blkStatus = nvmeErrorStatus(status)
    const errno = blkStatusToErrno(blkStatus === BlkStatus.OK ? BlkStatus.IOERR : blkStatus)
    throw new KernelError(errnoName(errno) ?? 'EIO', `nvme ${what}: ${nvmeStatusText(status)}`)
  }

  /**
   * Sends a command without data that nobody waits for. False where all tags are in use: nothing was sent. Atomic; allocates nothing. One that is not
   * `timed` may take as long as it likes: a request for events is answered when there is one.
   * @see block/blk-mq.c blk_execute_rq_nowait
   */
  tryExecuteNowait(command: AdminCommand, end: AdminEnd, timed = true): boolean {
    const slot = this.#slots.find((candidate) => !candidate.busy)
    if (slot === undefined || !this.queue.online) return false
    claim(slot)
    slot.end = end
    this.#post(slot, command)
    if (timed) slot.timer.arm(command.timeoutNs ?? this.#timeoutNs)
    return true
  }

  /** The controller was stopped and will complete nothing: all that it had ends. @see drivers/nvme/host/core.c nvme_cancel_admin_tagset */
  cancelAll(): void {
    for (const slot of this.#slots) {
      if (slot.busy && !slot.done.done) this.#complete(slot, HOST_ABORTED_CMD, 0)
    }
  }

  handleCqe(_queue: NvmeQueue, commandId: number, status: number, result: number): void {
    const slot = this.#slots[commandId & CID_TAG_MASK]
    const known =
      slot?.busy === true && !slot.done.done && slot.genctr === commandId >>> CID_TAG_BITS
    if (slot === undefined || !known) {
      this.#counters.unknownCompletions++
      return
    }
    this.#complete(slot, status, result)
  }

  /** The interrupt handler. */
  reap(): void {
    this.queue.reap(this)
  }

  /** Commands that the controller has. */
  get inFlight(): number {
    return this.#slots.filter((slot) => slot.busy).length
  }

  /** Gives everything back. The controller must be stopped. */
  destroy(): void {
    for (const slot of this.#slots) {
      assert(!slot.busy || slot.abandoned, 'nvme: admin queue destroyed under a command')
      if (slot.block !== null) this.#device.dma.freeCoherent(slot.block)
      slot.block = null
      slot.busy = false
    }
    this.queue.destroy()
  }

  *#takeSlot(): Op<AdminSlot> {
    for (;;) {
      const slot = this.#slots.find((candidate) => !candidate.busy)
      if (slot !== undefined) {
        claim(slot)
        return slot
      }
      yield* this.#wait.waitEvent(() => this.#slots.some((candidate) => !candidate.busy))
    }
  }

  #complete(slot: AdminSlot, status: number, result: number): void {
    slot.status = status
    slot.result = result
    const { end } = slot
    if (end !== null) {
      slot.timer.cancel()
      this.#release(slot)
      end.adminEnded(status, result)
    } else if (slot.abandoned) this.#release(slot)
    else slot.done.complete()
  }

  /** The time of a command is over: its completion may be there all the same. */
  #foundLate(slot: AdminSlot): boolean {
    if (slot.done.done) return true
    this.#counters.timeouts++
    this.reap()
    if (!slot.done.done) return false
    this.#counters.lostInterrupts++
    return true
  }

  /** Of a command that nobody waits for. */
  #timedOut(slot: AdminSlot): void {
    const { genctr } = slot
    this.#counters.timeouts++
    this.reap()
    if (slot.busy && slot.genctr === genctr) this.#expired()
    else this.#counters.lostInterrupts++
  }

  #release(slot: AdminSlot): void {
    slot.busy = false
    slot.end = null
    this.#wait.wakeUp()
  }

  #fillData(slot: AdminSlot, command: AdminCommand): void {
    const size = dataBytesOf(command)
    if (size === 0) return
    assert(size <= ADMIN_DATA_SIZE, 'nvme: more admin data than a page')
    slot.block ??= this.#device.dma.allocCoherent(ADMIN_DATA_SIZE)
    const { region, offset } = slot.block
    region.bytes.fill(0, offset, offset + ADMIN_DATA_SIZE)
    if (command.dataOut !== undefined) region.bytes.set(command.dataOut, offset)
  }

  #post(slot: AdminSlot, command: AdminCommand): void {
    const { queue } = this
    const view = queue.sqView
    const at = queue.slot()
    const cid = (slot.genctr << CID_TAG_BITS) | slot.tag
    view.setUint32(at, command.opcode | (cid << 16), true)
    view.setUint32(at + SqeOffset.NSID, command.nsid ?? 0, true)
    for (let dword = 2; dword < 10; dword++) view.setUint32(at + dword * 4, 0, true)
    this.#describeData(view, at, slot, command)
    view.setUint32(at + SqeOffset.CDW10, command.cdw10 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW11, command.cdw11 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW12, command.cdw12 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW13, command.cdw13 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW14, command.cdw14 ?? 0, true)
    view.setUint32(at + SqeOffset.CDW15, command.cdw15 ?? 0, true)
    this.#counters.adminCommands++
    queue.advance()
    queue.ring()
  }

  #describeData(view: DataView, at: number, { block }: AdminSlot, command: AdminCommand): void {
    const dataBytes = dataBytesOf(command)
    if (dataBytes === 0 || block === null) {
      setUint64(view, at + SqeOffset.PRP1, command.prp1 ?? 0)
    } else if (this.#sglOnly) {
      view.setUint8(at + SqeOffset.FLAGS, Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT)
      writeSglDescriptor(view, at + SqeOffset.DPTR, SglType.DATA_BLOCK, block.dmaAddr, dataBytes)
    } else setUint64(view, at + SqeOffset.PRP1, block.dmaAddr)
  }
}

function dataBytesOf({ dataIn, dataOut }: AdminCommand): number {
  return Math.max(dataIn?.length ?? 0, dataOut?.length ?? 0)
}

function claim(slot: AdminSlot): void {
  slot.busy = true
  slot.abandoned = false
  slot.genctr = (slot.genctr + 1) & GENCTR_MASK
  slot.done.reinit()
}

function hex(value: number): string {
  return `${value.toString(16).padStart(2, '0')}h`
}
