// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A drive's write cache, over any store: what was not flushed can be lost. After a loss of power each of its sectors is there or not, by chance.

import { createPrng, type KernelError, type Op, type Prng } from '@iolayers/kernel'
import {
  type CancellableStore,
  isCancellable,
  type NamespaceStore,
  type StoreIo,
  StoreOp,
} from '../controller/contracts.ts'
import { allocOwnMemory } from '../controller/io/own-memory.ts'
import { Status } from '../spec/index.ts'
import { type Check, oneOf } from './checks.ts'
import { addSameRanges, eachByte, innerIo } from './inner-io.ts'

export interface VolatileStoreInit {
  readonly store: NamespaceStore
  /** What is written whole or not at all: the logical blocks of the namespace. 512 by default. */
  readonly sectorBytes?: 512 | 4096
  /** Chance of each sector when the power goes. 1 by default. */
  readonly seed?: number
}

/** Keeps in memory what was not flushed, all of it: a tool for tests. */
export interface VolatileStore extends CancellableStore {
  /** Bytes that a loss of power could take. */
  readonly dirtyBytes: number
  /** The power goes, and comes back: what was flushed is there, of the rest each sector by chance. */
  powerCut(): void
}

/** The store stays the caller's until the cache is closed, which closes it; what was not flushed is lost then. Throws EINVAL for another size of sectors. */
export function createVolatileStore(init: VolatileStoreInit): VolatileStore {
  return new Cache(init)
}

export function isVolatile(store: NamespaceStore): store is VolatileStore {
  return store instanceof Cache
}

const checkSectorBytes: Check = oneOf(512, 4096)

class Cache implements VolatileStore {
  readonly #store: NamespaceStore
  readonly #sectorBytes: number
  readonly #prng: Prng
  /** Newest bytes, that a loss of power may take. */
  #dirty: Map<number, Uint8Array> = new Map()
  /** Survived one, and are not in the store yet. */
  readonly #safe: Map<number, Uint8Array> = new Map()
  /** On their way to the store now: part of one may be there. */
  readonly #writing: Map<number, Uint8Array> = new Map()
  readonly #atStore: Map<StoreIo, StoreIo> = new Map()

  constructor(init: VolatileStoreInit) {
    this.#store = init.store
    const sectorBytes = init.sectorBytes ?? 512
    checkSectorBytes(sectorBytes, 'sectorBytes')
    this.#sectorBytes = sectorBytes
    this.#prng = createPrng(init.seed ?? 1)
  }

  get sizeBytes(): number {
    return this.#store.sizeBytes
  }

  get lastError(): KernelError | null {
    return this.#store.lastError
  }

  get dirtyBytes(): number {
    return this.#dirty.size * this.#sectorBytes
  }

  supports(): boolean {
    return true
  }

  submit(io: StoreIo): void {
    if (io.op === StoreOp.READ) this.#read(io)
    else if (io.op === StoreOp.FLUSH) this.#flush(io)
    else io.completion.storeDone(io, this.#write(io))
  }

  cancel(io: StoreIo): boolean {
    const inner = this.#atStore.get(io)
    if (inner === undefined) return false
    if (!isCancellable(this.#store) || !this.#store.cancel(inner)) return false
    this.#atStore.delete(io)
    return true
  }

  powerCut(): void {
    // A sector is written whole, or not at all.
    for (const [sector, bytes] of this.#writing) this.#safe.set(sector, bytes)
    this.#writing.clear()
    for (const [sector, bytes] of this.#dirty) {
      if (this.#prng.below(2) === 0) this.#safe.set(sector, bytes)
    }
    this.#dirty = new Map()
  }

  *close(): Op<void> {
    yield* this.#store.close()
  }

  /** Zeros are kept as what was written. */
  #write(io: StoreIo): number {
    if (!io.reachable) return Status.DATA_TRANSFER_ERROR
    const bytes = new Uint8Array(io.lengthBytes)
    if (io.op === StoreOp.WRITE) {
      eachByte(io, io.lengthBytes, (offset, from, at) => {
        bytes[offset] = from[at] ?? 0
      })
    }
    const first = io.offsetBytes / this.#sectorBytes
    for (let i = 0; i * this.#sectorBytes < bytes.length; i++) {
      const at = i * this.#sectorBytes
      this.#put(first + i, bytes.subarray(at, at + this.#sectorBytes))
    }
    return Status.SUCCESS
  }

  /** Of a write that was torn in the middle of a sector, the rest is as it was. */
  #put(sector: number, bytes: Uint8Array): void {
    const before = this.#dirty.get(sector) ?? this.#safe.get(sector)
    if (before === undefined || before.length <= bytes.length) {
      this.#dirty.set(sector, bytes)
      return
    }
    const merged = before.slice()
    merged.set(bytes)
    this.#dirty.set(sector, merged)
  }

  /** From the store, and over it what is newer here when it comes. */
  #read(io: StoreIo): void {
    const inner = this.#innerOf(io, (status) => {
      if (status === Status.SUCCESS && io.reachable) this.#overlay(io)
      io.completion.storeDone(io, status)
    })
    addSameRanges(inner, io)
    this.#store.submit(inner)
  }

  #overlay(io: StoreIo): void {
    eachByte(io, io.lengthBytes, (offset, to, at) => {
      const position = io.offsetBytes + offset
      const sector = Math.floor(position / this.#sectorBytes)
      const newer = this.#dirty.get(sector) ?? this.#safe.get(sector)
      const byte = newer?.[position % this.#sectorBytes]
      if (byte !== undefined) to[at] = byte
    })
  }

  /** Everything that is here now, one sector after the other, then the store itself. */
  #flush(io: StoreIo): void {
    const safe = new Map(this.#safe)
    const sectors = new Map([...safe, ...this.#dirty])
    const rest = sectors.entries()
    inTurn((ended) => {
      const { done, value } = rest.next()
      if (done === true) this.#flushStore(io, sectors, safe)
      else {
        this.#writeOut(io, value[0], value[1], (status) => {
          if (status === Status.SUCCESS) ended()
          else io.completion.storeDone(io, status)
        })
      }
    })
  }

  #writeOut(io: StoreIo, sector: number, bytes: Uint8Array, next: (status: number) => void): void {
    const inner = this.#innerOf(io, (status) => {
      if (this.#writing.get(sector) === bytes) this.#writing.delete(sector)
      next(status)
    })
    this.#writing.set(sector, bytes)
    inner.op = StoreOp.WRITE
    inner.offsetBytes = sector * this.#sectorBytes
    inner.lengthBytes = bytes.length
    const own = allocOwnMemory(bytes.length)
    own.bytes.set(bytes)
    inner.addRange(own, 0, bytes.length)
    this.#store.submit(inner)
  }

  #flushStore(
    io: StoreIo,
    written: ReadonlyMap<number, Uint8Array>,
    safe: ReadonlyMap<number, Uint8Array>,
  ): void {
    const inner = this.#innerOf(io, (status) => {
      if (status === Status.SUCCESS) {
        // What came meanwhile is newer than what was flushed.
        for (const [sector, bytes] of written) {
          if (this.#dirty.get(sector) === bytes) this.#dirty.delete(sector)
          const kept = this.#safe.get(sector)
          if (kept === bytes || kept === safe.get(sector)) this.#safe.delete(sector)
        }
      }
      io.completion.storeDone(io, status)
    })
    this.#store.submit(inner)
  }

  #innerOf(io: StoreIo, done: (status: number) => void): StoreIo {
    const inner = innerIo(io, (status) => {
      this.#atStore.delete(io)
      done(status)
    })
    this.#atStore.set(io, inner)
    return inner
  }
}

/** Runs a step again when the last one has said that it ended. A loop, not a call in a call: a step may end before it returns. */
function inTurn(step: (ended: () => void) => void): void {
  let running = false
  let due = true
  const run = (): void => {
    if (running) return
    running = true
    while (due) {
      due = false
      step(() => {
        due = true
        run()
      })
    }
    running = false
  }
  run()
}
