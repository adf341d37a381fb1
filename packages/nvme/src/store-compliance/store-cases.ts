// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What every store does, whatever it keeps its bytes in.

import type { PhysicalMemory } from '@iolayers/dma-mapping'
import { Completion, createPrng, joinAll, type Kernel, type Op, sleep } from '@iolayers/kernel'
import { isCancellable, type NamespaceStore, StoreIo, StoreOp } from '../controller/contracts.ts'
import { check, checkBytes, checkEqual } from './checks.ts'
import { Scatter, TestIo } from './store-io.ts'

/** A store to be tried, and where. */
export interface StoreSetup {
  readonly kernel: Kernel
  /** Of STORE_BYTES bytes, all zero. */
  readonly store: NamespaceStore
  /** Memory for the I/Os, where it has to be some of its own; made by default. */
  readonly memory?: PhysicalMemory
  /** Runs an operation to its end, on the scheduler of the kernel. */
  run<T>(name: string, op: Op<T>): Promise<T>
  /** What the medium holds. Called when nothing is in flight. */
  contents(): Uint8Array
  /** Has I/O of the medium fail from here on, as a disk that is full or shrank. Left out where that cannot be had: failures are not tried then. */
  spoil?(): void
  /** After the store was closed, or failed. */
  cleanUp(): void
}

/** One thing that every store does. */
export interface StoreCase {
  readonly name: string
  /** Makes a store, tries it, closes it twice, and cleans up. Rejects with ComplianceError, or what the store threw. */
  run(make: () => StoreSetup | Promise<StoreSetup>): Promise<void>
}

export const STORE_BYTES: number = 1 << 20

type Trial = (setup: StoreSetup, places: Scatter) => Op<void>

function storeCase(name: string, trial: Trial): StoreCase {
  return {
    name,
    async run(make) {
      const setup = await make()
      try {
        await setup.run(name, trial(setup, new Scatter(setup.kernel, setup.memory)))
        await setup.run('close', setup.store.close())
        await setup.run('close again', setup.store.close())
      } finally {
        setup.cleanUp()
      }
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
  const sorted = [0, ...[...edges].toSorted((a, b) => a - b), total]
  return sorted.slice(1).map((edge, index) => edge - (sorted[index] ?? 0))
}

const zeros = (length: number): Uint8Array => new Uint8Array(length)

function newMedium(): StoreCase {
  return storeCase('a new medium reads as zeros', function* ({ kernel, store }, places) {
    checkEqual(store.sizeBytes, STORE_BYTES, 'the size of the store')
    check(store.lastError === null, 'a new store has an error')
    const one = new TestIo(kernel, 0)
    places.prepare(one.io, StoreOp.READ, 512, [1000, 24])
    checkEqual(yield* one.exec(store), 0, 'the status of a read')
    checkBytes(places.get(one.io), zeros(1024), 'a new medium')
  })
}

function roundTrip(count: number): StoreCase {
  return storeCase(
    `bytes go from ${count} ranges and come back to others, in order, and nowhere else`,
    function* ({ kernel, store, contents }, places) {
      const length = 8192
      const data = pattern(length, count)
      const one = new TestIo(kernel, 3)
      for (const offset of [0, 512, 300_032, STORE_BYTES - length]) {
        places.prepare(one.io, StoreOp.WRITE, offset, cut(length, count, offset))
        places.put(one.io, data)
        checkEqual(yield* one.exec(store), 0, 'the status of a write')
        const lengths = cut(length, Math.max(1, count >> 1), offset + 1)
        places.prepare(one.io, StoreOp.READ, offset, lengths)
        checkEqual(yield* one.exec(store), 0, 'the status of a read')
        checkBytes(places.get(one.io), data, 'what was read back')
        checkBytes(contents().subarray(offset, offset + length), data, 'the medium')
      }
      checkBytes(contents().subarray(8704, 300_032), zeros(291_328), 'what was not written')
    },
  )
}

function flush(): StoreCase {
  return storeCase(
    'a flush ends, and what was written before it is there',
    function* ({ kernel, store, contents }, places) {
      const one = new TestIo(kernel, 0)
      places.prepare(one.io, StoreOp.WRITE, 4096, [512])
      places.put(one.io, pattern(512, 5))
      checkEqual(yield* one.exec(store), 0, 'the status of a write')
      one.io.op = StoreOp.FLUSH
      checkEqual(yield* one.exec(store), 0, 'the status of a flush')
      checkBytes(contents().subarray(4096, 4608), pattern(512, 5), 'the medium')
    },
  )
}

function manyAtOnce(): StoreCase {
  const length = 6144
  function* worker({ kernel, store }: StoreSetup, places: Scatter, index: number): Op<void> {
    const one = new TestIo(kernel, index)
    for (let round = 0; round < 4; round++) {
      const data = pattern(length, index * 10 + round)
      places.prepare(one.io, StoreOp.WRITE, index * 16_384, cut(length, 5, round))
      places.put(one.io, data)
      checkEqual(yield* one.exec(store), 0, 'the status of a write')
      places.prepare(one.io, StoreOp.READ, index * 16_384, cut(length, 3, round))
      checkEqual(yield* one.exec(store), 0, 'the status of a read')
      checkBytes(places.get(one.io), data, `what worker ${index} read back`)
    }
  }
  return storeCase(
    'many at once do not disturb each other, and each ends once',
    function* (setup, places) {
      const { scheduler } = setup.kernel
      const tasks = Array.from({ length: 16 }, (_, index) =>
        scheduler.spawn(`worker ${index}`, worker(setup, places, index)),
      )
      yield* joinAll(scheduler, tasks)
    },
  )
}

function chain(): StoreCase {
  return storeCase(
    'the end of an I/O may start the next one',
    function* ({ kernel, store }, places) {
      const finished = new Completion(kernel.scheduler, 'chain')
      let left = 50
      let failed = 0
      const io: StoreIo = new StoreIo(0, {
        storeDone(_io, status) {
          failed |= status
          left--
          if (left > 0) store.submit(io)
          else finished.complete()
        },
      })
      places.prepare(io, StoreOp.READ, 0, [512])
      store.submit(io)
      yield* finished.wait()
      checkEqual(failed, 0, 'the status of one of 50 reads')
    },
  )
}

function closing(): StoreCase {
  return storeCase(
    'close returns when all that was in flight has ended, each once',
    function* ({ kernel, store }, places) {
      const { scheduler } = kernel
      const ends: number[] = []
      const data = pattern(8192, 21)
      const ios = Array.from({ length: 8 }, (_, index) => {
        const io: StoreIo = new StoreIo(index, { storeDone: () => void ends.push(index) })
        places.prepare(io, StoreOp.WRITE, index * 65_536, cut(data.length, 4, index))
        places.put(io, data)
        return io
      })
      for (const io of ios) store.submit(io)
      yield* store.close()
      const found = ends.toSorted((a, b) => a - b).join()
      check(found === ios.map(({ index }) => index).join(), `ended before close did: ${found}`)
      yield* sleep(scheduler, LATER_NS)
      checkEqual(ends.length, ios.length, 'how many ends there were')
    },
  )
}

/** Long after anything that was begun has ended. */
const LATER_NS = 20_000_000

/** Only where the store can let go of an I/O. */
function cancelling(op: StoreOp, what: string): StoreCase {
  return storeCase(
    `a cancelled ${what} moves not one more byte, and its end is not told`,
    function* ({ kernel, store, contents }, places) {
      if (!isCancellable(store)) return
      let ends = 0
      const io: StoreIo = new StoreIo(0, { storeDone: () => void ends++ })
      check(!store.cancel(io), 'an I/O was cancelled that was never submitted')
      const length = 131_072
      places.prepare(io, op, 4096, cut(length, 3, 4))
      if (op === StoreOp.WRITE) places.put(io, pattern(length, 31))
      store.submit(io)
      const isCancelled = store.cancel(io)
      const [medium, memory] = [contents().slice(), places.peek(io)]
      yield* sleep(kernel.scheduler, LATER_NS)
      checkEqual(ends, isCancelled ? 0 : 1, 'how often the I/O ended')
      if (isCancelled) {
        checkBytes(contents(), medium, 'the medium after the cancellation')
        checkBytes(places.peek(io), memory, 'the memory after the cancellation')
      }
      check(!store.cancel(io), 'an I/O was cancelled that was over')
      const next = new TestIo(kernel, 1)
      places.prepare(next.io, StoreOp.READ, 0, [512])
      checkEqual(yield* next.exec(store), 0, 'the status of a read after it')
    },
  )
}

/** Only where the medium can be spoiled. */
function failing(): StoreCase {
  return storeCase(
    'an I/O that fails ends once, with a status, and the store goes on',
    function* ({ kernel, store, spoil }, places) {
      if (spoil === undefined) return
      spoil()
      const one = new TestIo(kernel, 0)
      for (let round = 0; round < 3; round++) {
        places.prepare(one.io, StoreOp.WRITE, STORE_BYTES - 8192, cut(8192, 5, round))
        places.put(one.io, pattern(8192, round))
        const status = yield* one.exec(store)
        check(
          status > 0 && (status & 0x7ff) !== 0,
          `a write to a spoiled medium ended with ${status}`,
        )
        check((status & ~0x7fff) === 0, `status ${status} has more than 15 bits`)
      }
    },
  )
}

/** Only where the store says that it does such I/Os. */
function zeroing(op: StoreOp, what: string): StoreCase {
  return storeCase(`${what} makes bytes zero, and no others`, function* (setup, places) {
    const { kernel, store, contents } = setup
    if (store.supports?.(op) !== true) return
    const one = new TestIo(kernel, 0)
    const data = pattern(65_536, 9)
    places.prepare(one.io, StoreOp.WRITE, 8192, [data.length])
    places.put(one.io, data)
    checkEqual(yield* one.exec(store), 0, 'the status of a write')
    const expected = data.slice()
    for (const [offset, length] of [
      [4096, 8192],
      [512, 1024],
      [40_960, 24_576],
    ] as const) {
      one.io.op = op
      one.io.count = 0
      one.io.offsetBytes = 8192 + offset
      one.io.lengthBytes = length
      checkEqual(yield* one.exec(store), 0, `the status of ${what}`)
      expected.fill(0, offset, offset + length)
      places.prepare(one.io, StoreOp.READ, 8192, [data.length])
      checkEqual(yield* one.exec(store), 0, 'the status of a read')
      checkBytes(places.get(one.io), expected, 'what was read back')
      checkBytes(contents().subarray(8192, 8192 + data.length), expected, 'the medium')
    }
    checkEqual(store.sizeBytes, STORE_BYTES, 'the size of the store')
  })
}

/** All that every store does, each to be run by itself, in any test runner. */
export const storeCases: readonly StoreCase[] = [
  newMedium(),
  ...[1, 2, 3, 17, 1024, 1025, 2100].map(roundTrip),
  flush(),
  manyAtOnce(),
  chain(),
  zeroing(StoreOp.WRITE_ZEROES, 'Write Zeroes'),
  zeroing(StoreOp.DEALLOCATE, 'deallocating'),
  closing(),
  cancelling(StoreOp.READ, 'read'),
  cancelling(StoreOp.WRITE, 'write'),
  failing(),
]
