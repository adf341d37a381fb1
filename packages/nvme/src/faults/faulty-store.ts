// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Between a controller and a store: I/Os of commands that a rule means go wrong here. All others pass as they are.

import { type Kernel, type KernelError, type Op, Timer } from '@iolayers/kernel'
import {
  type CancellableStore,
  isCancellable,
  type NamespaceStore,
  type StoreIo,
  StoreOp,
} from '../controller/contracts.ts'
import { allocOwnMemory } from '../controller/io/own-memory.ts'
import { Status } from '../spec/index.ts'
import { type Change, changed } from './bytes.ts'
import { addSameRanges, eachByte, innerIo } from './inner-io.ts'
import type { MediumFault } from './medium-fault.ts'

/** The fault of the command that an I/O is for; null where it has none. */
export type FaultOf = (io: StoreIo) => MediumFault | null

export class FaultyStore implements CancellableStore {
  readonly inner: NamespaceStore
  readonly #kernel: Kernel
  readonly #faultOf: FaultOf
  readonly #underWay: Map<StoreIo, FaultyIo> = new Map()

  constructor(kernel: Kernel, inner: NamespaceStore, faultOf: FaultOf) {
    this.#kernel = kernel
    this.inner = inner
    this.#faultOf = faultOf
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes
  }

  get lastError(): KernelError | null {
    return this.inner.lastError
  }

  supports(op: StoreOp): boolean {
    const { inner } = this
    return inner.supports?.(op) ?? (op !== StoreOp.WRITE_ZEROES && op !== StoreOp.DEALLOCATE)
  }

  submit(io: StoreIo): void {
    const fault = this.#faultOf(io)
    if (fault === null) {
      this.inner.submit(io)
      return
    }
    const faulty = new FaultyIo(this.inner, io, fault, () => this.#underWay.delete(io))
    this.#underWay.set(io, faulty)
    faulty.start(this.#kernel)
  }

  cancel(io: StoreIo): boolean {
    const faulty = this.#underWay.get(io)
    if (faulty !== undefined) return faulty.cancel()
    return isCancellable(this.inner) && this.inner.cancel(io)
  }

  *close(): Op<void> {
    yield* this.inner.close()
  }
}

class FaultyIo {
  readonly #inner: NamespaceStore
  readonly #io: StoreIo
  readonly #fault: MediumFault
  readonly #over: () => void
  readonly #substitute: StoreIo
  #timer: Timer | null = null
  #atStore = false

  constructor(inner: NamespaceStore, io: StoreIo, fault: MediumFault, over: () => void) {
    this.#inner = inner
    this.#io = io
    this.#fault = fault
    this.#over = over
    this.#substitute = innerIo(io, (status) => this.#stored(status))
  }

  start({ scheduler }: Kernel): void {
    const delayNs = this.#fault.delayNs()
    if (delayNs === 0) {
      this.#go()
      return
    }
    this.#timer = new Timer(scheduler, 'nvme medium delay', () => this.#go())
    this.#timer.arm(delayNs)
  }

  cancel(): boolean {
    if (this.#atStore) {
      if (!isCancellable(this.#inner) || !this.#inner.cancel(this.#substitute)) return false
    } else this.#timer?.cancel()
    this.#over()
    return true
  }

  #go(): void {
    const io = this.#io
    const { status, lost, tornBytes } = this.#fault
    const reads = io.op === StoreOp.READ
    if (status >= 0) this.#end(status)
    else if (lost && !reads) this.#end(Status.SUCCESS)
    else if (io.op === StoreOp.WRITE && tornBytes === 0) this.#end(Status.SUCCESS)
    else this.#submit()
  }

  #submit(): void {
    const io = this.#io
    const { tornBytes, write } = this.#fault
    const substitute = this.#substitute
    const isWrite = io.op === StoreOp.WRITE
    if (isWrite) substitute.lengthBytes = Math.min(tornBytes, io.lengthBytes)
    // Memory that cannot be reached is the store's to refuse.
    if (isWrite && write.length > 0 && io.reachable) this.#addChanged(write)
    else addSameRanges(substitute, io)
    this.#atStore = true
    this.#inner.submit(substitute)
  }

  /** The memory of the host is read only: what is written instead is a copy. */
  #addChanged(changes: readonly Change[]): void {
    const { lengthBytes } = this.#substitute
    const own = allocOwnMemory(lengthBytes)
    eachByte(this.#io, lengthBytes, (offset, bytes, at) => {
      own.bytes[offset] = changed(changes, offset, bytes[at] ?? 0)
    })
    this.#substitute.addRange(own, 0, lengthBytes)
  }

  #stored(status: number): void {
    const io = this.#io
    const { read } = this.#fault
    if (status === Status.SUCCESS && io.op === StoreOp.READ && read.length > 0 && io.reachable) {
      eachByte(io, io.lengthBytes, (offset, bytes, at) => {
        bytes[at] = changed(read, offset, bytes[at] ?? 0)
      })
    }
    this.#end(status)
  }

  #end(status: number): void {
    this.#over()
    this.#io.completion.storeDone(this.#io, status)
  }
}
