// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The twin of a file store for the virtual scheduler: same contract, no file. An I/O is done in steps, each a call that the scheduler
// picks among all others, so that whatever else can happen happens in between.

import {
  assert,
  DeferredCall,
  type Kernel,
  KernelError,
  type Op,
  WaitQueue,
} from '@iolayers/kernel'
import { STATUS_DNR, Status } from '../../spec/index.ts'
import { type CancellableStore, type StoreIo, StoreOp } from '../contracts.ts'

export interface SimulatedStoreInit {
  readonly sizeBytes: number
  /** Bytes moved in one step; 4096 by default. */
  readonly stepBytes?: number
}

export interface SimulatedStore extends CancellableStore {
  /** The bytes of the medium, for whoever fills or checks it from outside. */
  readonly bytes: Uint8Array
  /** The medium ends here now: what is read beyond it fails, as from a file that shrank. */
  shrinkTo(sizeBytes: number): void
  /** Nothing can be written from here on, as on a full disk. */
  fillUpAt(offsetBytes: number): void
  /**
   * From here on, an I/O that matches is parked where it stands, before its next step: once `afterBytes` of it have moved, 0 by default.
   * As a device that lost a command, or hangs in the middle of one. Without a match, every I/O is.
   */
  hold(match?: (io: StoreIo) => boolean, afterBytes?: number): void
  /** Parks no more, and lets what is parked go on; how many that were. */
  releaseHeld(): number
  /** I/Os parked now. */
  readonly held: number
}

/** Throws EINVAL for a size or a step that is not positive. */
export function createSimulatedStore(
  components: { readonly kernel: Kernel },
  init: SimulatedStoreInit,
): SimulatedStore {
  return new Store(components.kernel, init)
}

class Store implements SimulatedStore {
  readonly sizeBytes: number
  readonly stepBytes: number
  readonly bytes: Uint8Array
  lastError: KernelError | null = null
  endBytes: number
  writableBytes: number
  readonly #kernel: Kernel
  readonly #transfers: Transfer[] = []
  readonly #idle: WaitQueue
  readonly #parked: Transfer[] = []
  #match: ((io: StoreIo) => boolean) | null = null
  #holdAfterBytes = 0
  #inFlight = 0
  #closed = false

  constructor(kernel: Kernel, init: SimulatedStoreInit) {
    this.sizeBytes = positive('sizeBytes', init.sizeBytes)
    this.stepBytes = positive('stepBytes', init.stepBytes ?? 4096)
    this.bytes = new Uint8Array(this.sizeBytes)
    this.endBytes = this.sizeBytes
    this.writableBytes = this.sizeBytes
    this.#kernel = kernel
    this.#idle = new WaitQueue(kernel.scheduler, 'I/O of a simulated store')
  }

  shrinkTo(sizeBytes: number): void {
    this.endBytes = sizeBytes
  }

  fillUpAt(offsetBytes: number): void {
    this.writableBytes = offsetBytes
  }

  get held(): number {
    return this.#parked.length
  }

  hold(match: (io: StoreIo) => boolean = everything, afterBytes = 0): void {
    this.#match = match
    this.#holdAfterBytes = afterBytes
  }

  releaseHeld(): number {
    this.#match = null
    const parked = this.#parked.splice(0)
    for (const transfer of parked) transfer.goOn()
    return parked.length
  }

  /** Whether the step has to wait for {@link releaseHeld}. */
  parks(transfer: Transfer, io: StoreIo, doneBytes: number): boolean {
    if (this.#match === null || doneBytes < this.#holdAfterBytes || !this.#match(io)) return false
    this.#parked.push(transfer)
    return true
  }

  cancel(io: StoreIo): boolean {
    const transfer = this.#transfers[io.index]
    if (transfer === undefined || !transfer.drop(io)) return false
    const at = this.#parked.indexOf(transfer)
    if (at >= 0) this.#parked.splice(at, 1)
    this.#ended()
    return true
  }

  supports(): boolean {
    return true
  }

  submit(io: StoreIo): void {
    assert(!this.#closed, 'I/O on a simulated store that was closed')
    this.#inFlight++
    let transfer = this.#transfers[io.index]
    if (transfer === undefined) {
      transfer = new Transfer(this, this.#kernel)
      this.#transfers[io.index] = transfer
    }
    transfer.start(io)
  }

  done(io: StoreIo, status: number): void {
    io.completion.storeDone(io, status)
    this.#ended()
  }

  #ended(): void {
    this.#inFlight--
    if (this.#inFlight === 0) this.#idle.wakeUpAll()
  }

  *close(): Op<void> {
    yield* this.#idle.waitEvent(() => this.#inFlight === 0)
    this.#closed = true
  }
}

class Transfer {
  readonly #store: Store
  readonly #kernel: Kernel
  readonly #step: DeferredCall
  #io: StoreIo | null = null
  #range = 0
  #within = 0
  #doneBytes = 0

  constructor(store: Store, kernel: Kernel) {
    this.#store = store
    this.#kernel = kernel
    this.#step = new DeferredCall('simulated store', () => this.#run())
  }

  start(io: StoreIo): void {
    assert(this.#io === null, 'a store slot was used twice at once')
    this.#io = io
    this.#range = 0
    this.#within = 0
    this.#doneBytes = 0
    this.#kernel.scheduler.queue(this.#step)
  }

  goOn(): void {
    this.#kernel.scheduler.queue(this.#step)
  }

  /** True when the I/O was here; its step finds nothing to do. */
  drop(io: StoreIo): boolean {
    if (this.#io !== io) return false
    this.#io = null
    return true
  }

  #run(): void {
    const io = this.#io
    // Cancelled after the step was queued.
    if (io === null || this.#store.parks(this, io, this.#doneBytes)) return
    const status = this.#progress(io)
    if (status === Status.SUCCESS && io.op !== StoreOp.FLUSH && this.#doneBytes < io.lengthBytes) {
      this.#kernel.scheduler.queue(this.#step)
      return
    }
    this.#io = null
    this.#store.done(io, status)
  }

  #progress(io: StoreIo): number {
    if (io.op === StoreOp.FLUSH) return Status.SUCCESS
    if (io.op === StoreOp.READ || io.op === StoreOp.WRITE) return this.#move(io)
    const part = Math.min(this.#store.stepBytes, io.lengthBytes - this.#doneBytes)
    const position = io.offsetBytes + this.#doneBytes
    if (position + part > this.#store.writableBytes) return this.#refuse(io, position)
    this.#store.bytes.fill(0, position, position + part)
    this.#doneBytes += part
    return Status.SUCCESS
  }

  /** One step: up to `stepBytes`, over as many ranges as they are in. */
  #move(io: StoreIo): number {
    if (!io.reachable) return Status.DATA_TRANSFER_ERROR
    const store = this.#store
    let budget = store.stepBytes
    while (budget > 0 && this.#range < io.count) {
      const side = io.sides[this.#range]
      assert(side !== undefined, 'a store I/O with a hole in its ranges')
      const left = (io.lengths[this.#range] ?? 0) - this.#within
      const part = Math.min(left, budget)
      const position = io.offsetBytes + this.#doneBytes
      const limit = io.op === StoreOp.READ ? store.endBytes : store.writableBytes
      if (position + part > limit) return this.#refuse(io, position)
      const at = (io.offsets[this.#range] ?? 0) + this.#within
      if (io.op === StoreOp.READ) {
        side.bytes.set(store.bytes.subarray(position, position + part), at)
      } else store.bytes.set(side.bytes.subarray(at, at + part), position)
      budget -= part
      this.#doneBytes += part
      this.#within += part
      if (part === left) {
        this.#range++
        this.#within = 0
      }
    }
    return Status.SUCCESS
  }

  #refuse(io: StoreIo, position: number): number {
    const store = this.#store
    if (io.op === StoreOp.READ) {
      store.lastError = new KernelError(
        'EIO',
        `the medium shrank to ${store.endBytes} bytes while it was read at ${position}`,
      )
      return Status.UNRECOVERED_READ
    }
    store.lastError = new KernelError('ENOSPC', `writing at ${position}: the medium is full`)
    return Status.CAPACITY_EXCEEDED | STATUS_DNR
  }
}

function everything(): boolean {
  return true
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new KernelError('EINVAL', name, { value, accepted: 'more than 0' })
}
