// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { RegionSide } from '@iolayers/dma-mapping'
import type { KernelError, Op } from '@iolayers/kernel'

/** The registers of a controller, as a PCI memory BAR shows them. Accesses are of 4 bytes at offsets that are multiples of 4. */
export interface RegisterBar {
  readonly sizeBytes: number
  read32(offset: number): number
  write32(offset: number, value: number): void
}

/** The registers of a controller with accesses of 8 bytes as well, for those who drive it as hardware: the same as two of 4 bytes, the lower one first. */
export interface ControllerBar extends RegisterBar {
  read64(offset: number): bigint
  write64(offset: number, value: bigint): void
}

/** How interrupts leave the controller, as the PCI functions of a host set it. @see NVMe over PCIe Transport 1.1, 3.5 */
export interface InterruptControl {
  /** MSI-X, a message for each vector, is how it begins; otherwise one pin, whose level follows the queues and INTMS. */
  readonly msix: boolean
  /** MSI-X Enable of the capability. */
  enableMsix(on: boolean): void
  /** The mask bit of an entry of the MSI-X table. What is raised meanwhile is pending, and raised when the mask goes. */
  maskVector(vector: number, masked: boolean): void
  /** Function Mask of the MSI-X capability. */
  maskFunction(masked: boolean): void
  /** The bit of the MSI-X pending bit array. */
  isPending(vector: number): boolean
}

/** Where a controller's interrupts go. With MSI-X only `raise` is called; a pin is vector 0, raised and lowered as its level changes. Called from scheduler-run work, never from inside a register access. */
export interface InterruptSink {
  raise(vector: number): void
  lower(vector: number): void
}

/**
 * WRITE_ZEROES: the bytes read as zeros from then on, whatever becomes of the space. DEALLOCATE: they are not needed any more, and read as zeros too; the space is
 * given back where that can be done. Neither has data.
 */
export const StoreOp = { READ: 0, WRITE: 1, FLUSH: 2, WRITE_ZEROES: 3, DEALLOCATE: 4 } as const
export type StoreOp = (typeof StoreOp)[keyof typeof StoreOp]

/** Told once about the end of each I/O that a store was given. */
export interface StoreCompletion {
  /** `status` is an NVMe status, `Status.SUCCESS` for done. */
  storeDone(io: StoreIo, status: number): void
}

/** Whether a device can reach memory right now. */
export interface DmaGate {
  readonly enabled: boolean
}

/**
 * One I/O for a store: where on the medium, and which bytes of memory, in order. Owned by the controller and used again; its arrays
 * only grow. The store may look at it until it calls `completion.storeDone`.
 */
export class StoreIo {
  readonly completion: StoreCompletion
  /** For the owner. */
  readonly index: number
  op: StoreOp = StoreOp.FLUSH
  offsetBytes = 0
  lengthBytes = 0
  /** Ranges in use; they add up to `lengthBytes`. */
  count = 0
  readonly sides: RegionSide[] = []
  /** Byte offsets in the bytes of each side. */
  readonly offsets: number[] = []
  readonly lengths: number[] = []
  readonly #gate: DmaGate | null

  constructor(index: number, completion: StoreCompletion, gate: DmaGate | null = null) {
    this.index = index
    this.completion = completion
    this.#gate = gate
  }

  /**
   * Whether the memory of the ranges may still be touched. A store that moves bytes later than in `submit` asks before each move, and ends
   * the I/O with Data Transfer Error when not: bus mastering went off, or the device was pulled out.
   */
  get reachable(): boolean {
    return this.#gate === null || this.#gate.enabled
  }

  /** Adds a range, or lengthens the last one when it goes on there. */
  addRange(side: RegionSide, offset: number, length: number): void {
    const last = this.count - 1
    if (last >= 0 && this.sides[last] === side) {
      const end = (this.offsets[last] ?? 0) + (this.lengths[last] ?? 0)
      if (end === offset) {
        this.lengths[last] = (this.lengths[last] ?? 0) + length
        return
      }
    }
    this.sides[this.count] = side
    this.offsets[this.count] = offset
    this.lengths[this.count] = length
    this.count++
  }
}

/** What a namespace keeps its blocks in. It moves the bytes itself, straight between the medium and the pages of the I/O. */
export interface NamespaceStore {
  readonly sizeBytes: number
  /** Why the last I/O failed, where the store knows more than a status; null otherwise. */
  readonly lastError: KernelError | null
  /**
   * Whether it does such I/Os; left out, READ, WRITE and FLUSH. Without WRITE_ZEROES the controller writes zeros; without DEALLOCATE blocks that are
   * deallocated stay as they are.
   */
  supports?(op: StoreOp): boolean
  /** Starts an I/O inside the store. It ends by `io.completion.storeDone`, possibly before this returns. Atomic. */
  submit(io: StoreIo): void
  /** Returns when nothing is in flight and what it held is given back. Idempotent. */
  close(): Op<void>
}

/** What a store may be able to do besides: let go of an I/O. Probed when a namespace is added. */
export interface CancellableStore extends NamespaceStore {
  /**
   * Ends an I/O there and then: not one more byte of it moves, and its completion is not told. Bytes that moved before stay moved. False for
   * an I/O that it does not have, or cannot stop: that one goes on. Atomic.
   */
  cancel(io: StoreIo): boolean
}

export function isCancellable(store: NamespaceStore): store is CancellableStore {
  return 'cancel' in store && typeof store.cancel === 'function'
}

export interface NamespaceInit {
  readonly store: NamespaceStore
  /** 512 or 4096; 512 by default. */
  readonly logicalBlockBytes?: number
}

/** Counters of a controller since it was made. */
export interface NvmeControllerStats {
  readonly adminCommands: number
  readonly ioCommands: number
  /** Reads and writes that ended well. */
  readonly readCommands: number
  readonly writeCommands: number
  /** Commands that ended with an error status. */
  readonly errors: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly interrupts: number
  /** Doorbell writes that made no sense: ignored, but for an event and the error log. */
  readonly invalidDoorbells: number
}
