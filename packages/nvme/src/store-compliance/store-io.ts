// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory, type PhysicalMemory } from '@iolayers/dma-mapping'
import { Completion, type Kernel, type Op } from '@iolayers/kernel'
import {
  type NamespaceStore,
  type StoreCompletion,
  StoreIo,
  type StoreOp,
} from '../controller/contracts.ts'
import { check, checkEqual } from './checks.ts'

/** An I/O and its end. */
export class TestIo implements StoreCompletion {
  readonly io: StoreIo
  readonly #done: Completion
  #status = -1
  #ends = 0

  constructor(kernel: Kernel, index: number) {
    this.io = new StoreIo(index, this)
    this.#done = new Completion(kernel.scheduler, `I/O ${index}`)
  }

  storeDone(io: StoreIo, status: number): void {
    check(io === this.io, 'the end of an I/O names another one')
    this.#ends++
    this.#status = status
    this.#done.complete()
  }

  /** Its status. */
  *exec(store: NamespaceStore): Op<number> {
    this.#ends = 0
    this.#done.reinit()
    store.submit(this.io)
    yield* this.#done.wait()
    checkEqual(this.#ends, 1, 'how often an I/O ended')
    return this.#status
  }
}

const GAP = 16
const POISON = 0x5c
const FRAMES = 512
const OTHER_FRAMES = 64
const PAGE_BYTES = 4096

/** Memory for I/Os: ranges that are scattered and apart from each other, over two regions. */
export class Scatter {
  readonly #region: ReturnType<PhysicalMemory['addRegion']>
  readonly #other: ReturnType<PhysicalMemory['addRegion']>
  readonly #start: number
  #next = 0
  #otherNext = 0

  constructor(kernel: Kernel, memory?: PhysicalMemory) {
    const used = memory ?? createPhysicalMemory({ kernel }, { ramBytes: 4 << 20, backing: 'plain' })
    const frame = used.allocContiguous(FRAMES)
    const region = used.regionAt(frame * PAGE_BYTES)
    check(region !== null, 'there is no memory for the I/Os')
    this.#region = region
    this.#start = frame * PAGE_BYTES - region.baseAddr
    this.#other = used.addRegion({ frames: OTHER_FRAMES, kind: 'ram', backing: 'plain' })
  }

  /** Fills `io` with ranges of these lengths. */
  prepare(io: StoreIo, op: StoreOp, offsetBytes: number, lengths: readonly number[]): void {
    io.op = op
    io.offsetBytes = offsetBytes
    io.lengthBytes = lengths.reduce((sum, length) => sum + length, 0)
    io.count = 0
    // Every third range lies in the other region.
    lengths.forEach((length, index) => {
      if (index % 3 === 2 && length < 1024)
        io.addRange(this.#other, this.#takeOther(length), length)
      else io.addRange(this.#region, this.#take(length), length)
    })
    checkEqual(io.count, lengths.length, 'the number of ranges')
    for (let i = 0; i < io.count; i++) {
      const at = io.offsets[i] ?? 0
      io.sides[i]?.bytes.fill(POISON, at, at + (io.lengths[i] ?? 0) + GAP)
    }
  }

  put(io: StoreIo, data: Uint8Array): void {
    let done = 0
    for (let i = 0; i < io.count; i++) {
      const length = io.lengths[i] ?? 0
      io.sides[i]?.bytes.set(data.subarray(done, done + length), io.offsets[i] ?? 0)
      done += length
    }
  }

  /** What is in its memory now. */
  peek(io: StoreIo): Uint8Array {
    const data = new Uint8Array(io.lengthBytes)
    let done = 0
    for (let i = 0; i < io.count; i++) {
      const [at, length] = [io.offsets[i] ?? 0, io.lengths[i] ?? 0]
      data.set(io.sides[i]?.bytes.subarray(at, at + length) ?? [], done)
      done += length
    }
    return data
  }

  /** Checks besides that nothing behind a range was touched. */
  get(io: StoreIo): Uint8Array {
    for (let i = 0; i < io.count; i++) {
      const behind = (io.offsets[i] ?? 0) + (io.lengths[i] ?? 0)
      checkEqual(io.sides[i]?.bytes[behind] ?? -1, POISON, 'the byte behind a range')
    }
    return this.peek(io)
  }

  #take(length: number): number {
    const at = this.#next + length + GAP > FRAMES * PAGE_BYTES ? 0 : this.#next
    this.#next = at + length + GAP
    return this.#start + at
  }

  #takeOther(length: number): number {
    const at = this.#otherNext + length + GAP > this.#other.sizeBytes ? 0 : this.#otherNext
    this.#otherNext = at + length + GAP
    return at
  }
}
