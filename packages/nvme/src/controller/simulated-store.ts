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
import { STATUS_DNR, Status } from '../spec/index.ts'
import { type NamespaceStore, type StoreIo, StoreOp } from './contracts.ts'

export interface SimulatedStoreInit {
  readonly sizeBytes: number
  /** Bytes moved in one step; 4096 by default. */
  readonly stepBytes?: number
}

export interface SimulatedStore extends NamespaceStore {
  /** The bytes of the medium, for whoever fills or checks it from outside. */
  readonly bytes: Uint8Array
  /** The medium ends here now: what is read beyond it fails, as from a file that shrank. */
  shrinkTo(sizeBytes: number): void
  /** Nothing can be written from here on, as on a full disk. */
  fillUpAt(offsetBytes: number): void
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
    this.#inFlight--
    io.completion.storeDone(io, status)
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

  #run(): void {
    const io = this.#io
    assert(io !== null, 'a simulated I/O ended twice')
    const status = io.op === StoreOp.FLUSH ? Status.SUCCESS : this.#move(io)
    if (status === Status.SUCCESS && io.op !== StoreOp.FLUSH && this.#doneBytes < io.lengthBytes) {
      this.#kernel.scheduler.queue(this.#step)
      return
    }
    this.#io = null
    this.#store.done(io, status)
  }

  /** One step: up to `stepBytes`, over as many ranges as they are in. */
  #move(io: StoreIo): number {
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

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new KernelError('EINVAL', name, { value, accepted: 'more than 0' })
}
