// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A medium with a volatile cache. When the power goes, what was flushed is there; of what came after, any part may be: whole writes, single sectors of them, or
// nothing. What is read while there is power is always the newest.

import type { Op, Prng } from '@iolayers/kernel'
import { type NamespaceStore, type StoreIo, StoreOp } from '../src/controller/index.ts'
import { Status } from '../src/spec/index.ts'

const SECTOR = 512

export class PowerCutStore implements NamespaceStore {
  readonly sizeBytes: number
  readonly lastError = null
  /** What is read now. */
  readonly volatile: Uint8Array
  /** What the power cannot take away. */
  readonly durable: Uint8Array
  /** Sectors that are newer in the cache. */
  readonly dirty: Set<number> = new Set()

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes
    this.volatile = new Uint8Array(sizeBytes)
    this.durable = new Uint8Array(sizeBytes)
  }

  supports(): boolean {
    return true
  }

  submit(io: StoreIo): void {
    if (io.op === StoreOp.FLUSH) this.#flush()
    else if (io.op === StoreOp.READ || io.op === StoreOp.WRITE) this.#move(io)
    else {
      this.volatile.fill(0, io.offsetBytes, io.offsetBytes + io.lengthBytes)
      this.#touch(io)
    }
    io.completion.storeDone(io, Status.SUCCESS)
  }

  *close(): Op<void> {}

  /** The power goes, and comes back. */
  cut(prng: Prng): void {
    for (const sector of this.dirty) {
      const at = sector * SECTOR
      if (prng.below(2) === 0) this.durable.set(this.volatile.subarray(at, at + SECTOR), at)
    }
    this.dirty.clear()
    this.volatile.set(this.durable)
  }

  #flush(): void {
    this.durable.set(this.volatile)
    this.dirty.clear()
  }

  #move(io: StoreIo): void {
    let at = io.offsetBytes
    for (let i = 0; i < io.count; i++) {
      const [offset, length] = [io.offsets[i] ?? 0, io.lengths[i] ?? 0]
      const memory = io.sides[i]!.bytes.subarray(offset, offset + length)
      if (io.op === StoreOp.READ) memory.set(this.volatile.subarray(at, at + length))
      else this.volatile.set(memory, at)
      at += length
    }
    if (io.op === StoreOp.WRITE) this.#touch(io)
  }

  #touch({ offsetBytes, lengthBytes }: StoreIo): void {
    const end = (offsetBytes + lengthBytes) / SECTOR
    for (let sector = offsetBytes / SECTOR; sector < end; sector++) this.dirty.add(sector)
  }
}
