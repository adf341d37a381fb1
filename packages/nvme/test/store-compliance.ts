// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What every NamespaceStore does, whatever it keeps its bytes in.

import { createPhysicalMemory, type PhysicalMemory } from '@iolayers/dma-mapping'
import { Completion, createPrng, joinAll, type Kernel, type Op, type Task } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type NamespaceStore,
  type StoreCompletion,
  StoreIo,
  StoreOp,
} from '../src/controller/index.ts'

export interface StoreSetup {
  readonly kernel: Kernel
  readonly store: NamespaceStore
  /** Memory of the store's own, where it is in some. */
  readonly memory?: PhysicalMemory
  run<T>(name: string, op: Op<T>): Promise<T>
  /** What the medium holds. Called when nothing is in flight. */
  contents(): Uint8Array
  /** After the store was closed. */
  cleanUp(): void
}

/** An I/O and its end. Its ranges are copied out of, and into, memory by the test. */
export class Io implements StoreCompletion {
  readonly io: StoreIo
  readonly done: Completion
  status = -1
  ends = 0

  constructor(kernel: Kernel, index: number) {
    this.io = new StoreIo(index, this)
    this.done = new Completion(kernel.scheduler, `I/O ${index}`)
  }

  storeDone(io: StoreIo, status: number): void {
    expect(io).toBe(this.io)
    this.ends++
    this.status = status
    this.done.complete()
  }

  *exec(store: NamespaceStore): Op<number> {
    this.ends = 0
    this.done.reinit()
    store.submit(this.io)
    yield* this.done.wait()
    expect(this.ends).toBe(1)
    return this.status
  }
}

export interface Scatter {
  readonly memory: PhysicalMemory
  /** Fills `io` with ranges of these lengths, scattered and apart from each other. */
  prepare(io: StoreIo, op: StoreOp, offsetBytes: number, lengths: readonly number[]): void
  put(io: StoreIo, data: Uint8Array): void
  get(io: StoreIo): Uint8Array
}

const GAP = 16
const POISON = 0x5c

export function scatter(kernel: Kernel, memory?: PhysicalMemory): Scatter {
  const used = memory ?? createPhysicalMemory({ kernel }, { ramBytes: 4 << 20, backing: 'plain' })
  const frame = used.allocContiguous(512)
  const region = used.regionAt(frame * 4096)
  if (region === null) throw new Error('no memory')
  const start = frame * 4096 - region.baseAddr
  const room = 512 * 4096
  const other = used.addRegion({ frames: 64, kind: 'ram', backing: 'plain' })
  let next = 0
  const take = (length: number) => {
    const at = next + length + GAP > room ? 0 : next
    next = at + length + GAP
    return start + at
  }
  let otherNext = 0
  return {
    memory: used,
    prepare(io, op, offsetBytes, lengths) {
      io.op = op
      io.offsetBytes = offsetBytes
      io.lengthBytes = lengths.reduce((sum, length) => sum + length, 0)
      io.count = 0
      lengths.forEach((length, index) => {
        // Every third range lies in another region of memory.
        if (index % 3 === 2 && length < 1024) {
          otherNext = otherNext + length + GAP > other.sizeBytes ? 0 : otherNext
          io.addRange(other, otherNext, length)
          otherNext += length + GAP
        } else io.addRange(region, take(length), length)
      })
      expect(io.count).toBe(lengths.length)
      for (let i = 0; i < io.count; i++) {
        const at = io.offsets[i] ?? 0
        io.sides[i]?.bytes.fill(POISON, at, at + (io.lengths[i] ?? 0) + GAP)
      }
    },
    put(io, data) {
      let done = 0
      for (let i = 0; i < io.count; i++) {
        const length = io.lengths[i] ?? 0
        io.sides[i]?.bytes.set(data.subarray(done, done + length), io.offsets[i] ?? 0)
        done += length
      }
    },
    get(io) {
      const data = new Uint8Array(io.lengthBytes)
      let done = 0
      for (let i = 0; i < io.count; i++) {
        const [at, length] = [io.offsets[i] ?? 0, io.lengths[i] ?? 0]
        const bytes = io.sides[i]?.bytes ?? new Uint8Array()
        data.set(bytes.subarray(at, at + length), done)
        // The byte after a range is not the store's.
        expect(bytes[at + length]).toBe(POISON)
        done += length
      }
      return data
    },
  }
}

function pattern(length: number, seed: number): Uint8Array {
  const prng = createPrng(seed + 1)
  return Uint8Array.from({ length }, () => prng.below(256))
}

/** Cuts `total` into `count` lengths. */
function cut(total: number, count: number, seed: number): number[] {
  const prng = createPrng(seed + 7)
  const edges = new Set<number>()
  while (edges.size < count - 1) edges.add(1 + prng.below(total - 1))
  const sorted = [0, ...[...edges].sort((a, b) => a - b), total]
  return sorted.slice(1).map((edge, index) => edge - (sorted[index] ?? 0))
}

export const STORE_BYTES: number = 1 << 20

/** `make` gives a store of STORE_BYTES bytes, all zero. */
export function storeCompliance(name: string, make: () => StoreSetup | Promise<StoreSetup>): void {
  async function withStore(test: (setup: StoreSetup, places: Scatter) => Op<void>): Promise<void> {
    const setup = await make()
    const places = scatter(setup.kernel, setup.memory)
    try {
      await setup.run('test', test(setup, places))
      await setup.run('close', setup.store.close())
      await setup.run('close again', setup.store.close())
    } finally {
      setup.cleanUp()
    }
  }

  describe(`${name}: what every store does`, () => {
    it('a new medium reads as zeros', () =>
      withStore(function* ({ kernel, store }, places) {
        expect(store.sizeBytes).toBe(STORE_BYTES)
        expect(store.lastError).toBeNull()
        const one = new Io(kernel, 0)
        places.prepare(one.io, StoreOp.READ, 512, [1000, 24])
        expect(yield* one.exec(store)).toBe(0)
        expect(places.get(one.io).every((byte) => byte === 0)).toBe(true)
      }))

    it.each([1, 2, 3, 17, 1024, 1025, 2100])(
      'bytes go from %i ranges and come back to others, in order, and nowhere else',
      (count) =>
        withStore(function* ({ kernel, store, contents }, places) {
          const length = 8192
          const data = pattern(length, count)
          const one = new Io(kernel, 3)
          for (const offset of [0, 512, 300_032, STORE_BYTES - length]) {
            places.prepare(one.io, StoreOp.WRITE, offset, cut(length, count, offset))
            places.put(one.io, data)
            expect(yield* one.exec(store)).toBe(0)
            places.prepare(
              one.io,
              StoreOp.READ,
              offset,
              cut(length, Math.max(1, count >> 1), offset + 1),
            )
            expect(yield* one.exec(store)).toBe(0)
            expect(Buffer.compare(places.get(one.io), data)).toBe(0)
            expect(Buffer.compare(contents().subarray(offset, offset + length), data)).toBe(0)
          }
          const all = contents()
          expect(all.subarray(8704, 300_032).every((byte) => byte === 0)).toBe(true)
        }),
    )

    it('a flush ends, and what was written before it is there', () =>
      withStore(function* ({ kernel, store, contents }, places) {
        const one = new Io(kernel, 0)
        places.prepare(one.io, StoreOp.WRITE, 4096, [512])
        places.put(one.io, pattern(512, 5))
        expect(yield* one.exec(store)).toBe(0)
        one.io.op = StoreOp.FLUSH
        expect(yield* one.exec(store)).toBe(0)
        expect(Buffer.compare(contents().subarray(4096, 4608), pattern(512, 5))).toBe(0)
      }))

    it('many at once do not disturb each other, and each ends once', () =>
      withStore(function* ({ kernel, store }, places) {
        const length = 6144
        const worker = function* (index: number): Op<void> {
          const one = new Io(kernel, index)
          for (let round = 0; round < 4; round++) {
            const data = pattern(length, index * 10 + round)
            places.prepare(one.io, StoreOp.WRITE, index * 16_384, cut(length, 5, round))
            places.put(one.io, data)
            expect(yield* one.exec(store)).toBe(0)
            places.prepare(one.io, StoreOp.READ, index * 16_384, cut(length, 3, round))
            expect(yield* one.exec(store)).toBe(0)
            expect(Buffer.compare(places.get(one.io), data)).toBe(0)
          }
        }
        const tasks: Task[] = Array.from({ length: 16 }, (_, index) =>
          kernel.scheduler.spawn(`worker ${index}`, worker(index)),
        )
        yield* joinAll(kernel.scheduler, tasks)
      }))

    it('the end of an I/O may start the next one', () =>
      withStore(function* ({ kernel, store }, places) {
        const finished = new Completion(kernel.scheduler, 'chain')
        let left = 50
        const io: StoreIo = new StoreIo(0, {
          storeDone(_io, status) {
            expect(status).toBe(0)
            left--
            if (left > 0) store.submit(io)
            else finished.complete()
          },
        })
        places.prepare(io, StoreOp.READ, 0, [512])
        store.submit(io)
        yield* finished.wait()
        expect(left).toBe(0)
      }))
  })
}
