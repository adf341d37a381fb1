// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Device } from '@iolayers/dma-mapping'
import type { RegisterBar } from '../../controller/contracts.ts'
import { type CqeSink, NvmeQueue } from '../../host/queue/nvme-queue.ts'
import { HostCounters } from '../../host/stats.ts'
import {
  PSDT_SHIFT,
  Psdt,
  Reg,
  SglType,
  SQE_BYTES,
  SqeOffset,
  writeSglDescriptor,
} from '../../spec/index.ts'

/** Who gave a command to a ring. */
export interface RingOwner {
  /** Without the phase bit; and dword 0. Atomic. */
  ringCompleted(status: number, result: number): void
}

/** Memory of a command, as the controller sees it. */
export interface RingData {
  readonly dmaAddr: number
  readonly lengthBytes: number
}

/**
 * A queue pair of the controller, in memory that it shares with the transport. Commands get identifiers of the ring's own: whatever a host calls its
 * commands, no two are taken for each other.
 */
export class RingQueue implements CqeSink {
  readonly queue: NvmeQueue
  readonly #owners: (RingOwner | null)[]
  readonly #free: number[]
  readonly #bytes: Uint8Array

  /** Throws KernelError ENOMEM. */
  constructor(
    components: { readonly device: Device; readonly bar: RegisterBar },
    init: { readonly qid: number; readonly entries: number },
  ) {
    const { qid, entries } = init
    const stride = 4
    this.queue = new NvmeQueue(
      { ...components, counters: new HostCounters() },
      {
        qid,
        entries,
        vector: qid,
        sqDoorbell: Reg.DBS + 2 * qid * stride,
        cqDoorbell: Reg.DBS + (2 * qid + 1) * stride,
      },
    )
    const { sqView } = this.queue
    this.#bytes = new Uint8Array(sqView.buffer, sqView.byteOffset, sqView.byteLength)
    this.#owners = new Array<RingOwner | null>(entries - 1).fill(null)
    this.#free = this.#owners.map((_, index) => entries - 2 - index)
  }

  get hasFree(): boolean {
    return this.#free.length > 0
  }

  /** The ring's identifier of the command, or -1 where all are in use. `data`: instead of the data pointer of the entry; null: that stays. */
  submit(entry: Uint8Array, data: RingData | null, owner: RingOwner): number {
    const tag = this.#free.pop()
    if (tag === undefined) return -1
    this.#owners[tag] = owner
    const { queue } = this
    const at = queue.slot()
    const view = queue.sqView
    this.#bytes.set(entry.subarray(0, SQE_BYTES), at)
    view.setUint16(at + SqeOffset.CID, tag, true)
    if (data !== null) {
      const flags = view.getUint8(at + SqeOffset.FLAGS) & ~(3 << PSDT_SHIFT)
      view.setUint8(at + SqeOffset.FLAGS, flags | (Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT))
      const { dmaAddr, lengthBytes } = data
      writeSglDescriptor(view, at + SqeOffset.DPTR, SglType.DATA_BLOCK, dmaAddr, lengthBytes)
    }
    queue.advance()
    queue.ring()
    return tag
  }

  handleCqe(_queue: NvmeQueue, tag: number, status: number, result: number): void {
    const owner = this.#owners[tag] ?? null
    if (owner === null) return
    this.#owners[tag] = null
    this.#free.push(tag)
    owner.ringCompleted(status, result)
  }

  reap(): void {
    this.queue.reap(this)
  }

  /** The controller was disabled, and has forgotten: what it had ends as aborted, and the ring is as new. */
  reset(status: number): void {
    const owners = this.#owners.filter((owner) => owner !== null)
    this.#owners.fill(null)
    this.#free.splice(0, this.#free.length, ...this.#owners.keys())
    this.queue.reinit()
    for (const owner of owners) owner.ringCompleted(status, 0)
  }

  destroy(): void {
    this.queue.destroy()
  }
}
