// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { CoherentBlock, Device } from '@iolayers/dma-mapping'
import { assert } from '@iolayers/kernel'
import type { RegisterBar } from '../../controller/contracts.ts'
import { CQE_BYTES, CqeOffset, SQE_BYTES } from '../../spec/index.ts'
import type { HostCounters } from '../stats.ts'

/** Where the completions of a queue go. */
export interface CqeSink {
  /** A completion: its status field without the phase bit, and dword 0 of the entry. Atomic; the entry may be reused at once. */
  handleCqe(queue: NvmeQueue, commandId: number, status: number, result: number): void
}

export interface NvmeQueueInit {
  readonly qid: number
  /** Entries of each of the two rings. */
  readonly entries: number
  /** Interrupt vector of the completion queue; null: it raises none. */
  readonly vector: number | null
  /** Byte offsets of the doorbells in the BAR. */
  readonly sqDoorbell: number
  readonly cqDoorbell: number
}

/**
 * A submission queue and its completion queue. Posting an entry and telling the controller are two calls: `slot` and `advance` do
 * the one, `ring` the other.
 * @see drivers/nvme/host/pci.c struct nvme_queue
 */
export class NvmeQueue {
  readonly qid: number
  readonly entries: number
  readonly vector: number | null
  readonly sqDmaAddr: number
  readonly cqDmaAddr: number
  /** Holds the submission ring; the place to write at is what `slot` returns. */
  readonly sqView: DataView
  /** The controller knows the queue: doorbells are written. @see drivers/nvme/host/pci.c NVMEQ_ENABLED */
  online: boolean
  readonly #device: Device
  readonly #bar: RegisterBar
  readonly #counters: HostCounters
  readonly #sqBlock: CoherentBlock
  readonly #cqBlock: CoherentBlock
  readonly #cqView: DataView
  readonly #sqDoorbell: number
  readonly #cqDoorbell: number
  #sqTail: number
  /** Tail that the controller was told last. */
  #sqTailRung: number
  /** Head as of the last completion: how far the controller has fetched. */
  #sqHead: number
  #cqHead: number
  #cqPhase: number
  #cqHeadRung: number

  /** Throws KernelError ENOMEM. */
  constructor(
    components: {
      readonly device: Device
      readonly bar: RegisterBar
      readonly counters: HostCounters
    },
    init: NvmeQueueInit,
  ) {
    this.qid = init.qid
    this.entries = init.entries
    this.vector = init.vector
    this.#device = components.device
    this.#bar = components.bar
    this.#counters = components.counters
    this.#sqDoorbell = init.sqDoorbell
    this.#cqDoorbell = init.cqDoorbell
    const dma = components.device.dma
    this.#sqBlock = dma.allocCoherent(init.entries * SQE_BYTES)
    try {
      this.#cqBlock = dma.allocCoherent(init.entries * CQE_BYTES)
    } catch (error) {
      dma.freeCoherent(this.#sqBlock)
      throw error
    }
    this.sqDmaAddr = this.#sqBlock.dmaAddr
    this.cqDmaAddr = this.#cqBlock.dmaAddr
    this.sqView = this.#sqBlock.region.view
    this.online = true
    this.#cqView = this.#cqBlock.region.view
    this.#sqTail = 0
    this.#sqTailRung = 0
    this.#sqHead = 0
    this.#cqHead = 0
    this.#cqPhase = 1
    this.#cqHeadRung = 0
  }

  get sqTail(): number {
    return this.#sqTail
  }

  get sqHead(): number {
    return this.#sqHead
  }

  /** Byte offset in `sqView` of the entry at the tail. The ring holds one entry more than there can be commands. */
  slot(): number {
    return this.#sqBlock.offset + this.#sqTail * SQE_BYTES
  }

  /**
   * The entry at the tail is written. Does not tell the controller, unless the ring would wrap round to what it was told last.
   * @see drivers/nvme/host/pci.c nvme_sq_copy_cmd, nvme_write_sq_db
   */
  advance(): void {
    const tail = this.#next(this.#sqTail)
    this.#sqTail = tail
    if (this.#next(tail) === this.#sqTailRung) this.ring()
  }

  /** Tells the controller about all that was posted; nothing where it knows, or does not know the queue. */
  ring(): void {
    if (this.#sqTail === this.#sqTailRung || !this.online) return
    this.#sqTailRung = this.#sqTail
    this.#counters.doorbells++
    this.#bar.write32(this.#sqDoorbell, this.#sqTail)
  }

  /**
   * Hands the new completions to the sink, at most as many as the ring holds, then tells the controller once. Returns how many.
   * @see drivers/nvme/host/pci.c nvme_poll_cq
   */
  reap(sink: CqeSink): number {
    const view = this.#cqView
    let found = 0
    while (found < this.entries) {
      const at = this.#cqBlock.offset + this.#cqHead * CQE_BYTES
      const dw3 = view.getUint32(at + 12, true)
      if (((dw3 >>> 16) & 1) !== this.#cqPhase) break
      const result = view.getUint32(at, true)
      this.#sqHead = view.getUint16(at + CqeOffset.SQHD, true)
      this.#cqHead = this.#next(this.#cqHead)
      if (this.#cqHead === 0) this.#cqPhase ^= 1
      found++
      sink.handleCqe(this, dw3 & 0xffff, dw3 >>> 17, result)
    }
    if (this.#cqHeadRung !== this.#cqHead && this.online) {
      this.#cqHeadRung = this.#cqHead
      this.#counters.completionDoorbells++
      this.#bar.write32(this.#cqDoorbell, this.#cqHead)
    }
    return found
  }

  /** As new, in the same memory: for a controller that was reset, and does not know the queue. @see drivers/nvme/host/pci.c nvme_init_queue */
  reinit(): void {
    const { region, offset } = this.#cqBlock
    region.bytes.fill(0, offset, offset + this.entries * CQE_BYTES)
    this.#sqTail = 0
    this.#sqTailRung = 0
    this.#sqHead = 0
    this.#cqHead = 0
    this.#cqPhase = 1
    this.#cqHeadRung = 0
    this.online = true
  }

  /** Gives the rings back. The controller must not know them any more. */
  destroy(): void {
    this.#device.dma.freeCoherent(this.#sqBlock)
    this.#device.dma.freeCoherent(this.#cqBlock)
  }

  #next(index: number): number {
    assert(index < this.entries, 'nvme: a queue index outside its ring')
    return index + 1 === this.entries ? 0 : index + 1
  }
}
