// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type CancellableStore,
  createMemoryStore,
  createSimulatedStore,
  type SimulatedStore,
  StoreIo,
  StoreOp,
} from '../../../src/controller/index.ts'
import { STATUS_DNR, Status } from '../../../src/spec/index.ts'
import {
  Scatter,
  STORE_BYTES,
  type StoreSetup,
  storeCases,
  TestIo,
} from '../../../src/store-compliance/index.ts'
import { storeCompliance } from '../../store-compliance.ts'

function inMemory(backing: 'plain' | 'wasm'): StoreSetup {
  const scheduler = createVirtualScheduler({ seed: 3 })
  const kernel = createKernel({ scheduler })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 16 << 20, backing })
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: STORE_BYTES })
  return {
    kernel,
    store,
    memory,
    run: async (name, op) => scheduler.runSync(name, op),
    contents: () => {
      const [bytes] = store.segments
      if (bytes === undefined) throw new Error('no medium')
      return bytes.slice()
    },
    cleanUp: () => expect(scheduler.outstanding()).toEqual([]),
  }
}

function simulated(seed: number, stepBytes: number) {
  const scheduler = createVirtualScheduler({ seed })
  const kernel = createKernel({ scheduler })
  const store = createSimulatedStore({ kernel }, { sizeBytes: STORE_BYTES, stepBytes })
  return {
    scheduler,
    kernel,
    store,
    run: async <T>(name: string, op: Generator<never, T, void>) => scheduler.runSync(name, op),
    contents: () => store.bytes.slice(),
    spoil: () => store.fillUpAt(STORE_BYTES - 8192),
    cleanUp: () => expect(scheduler.outstanding()).toEqual([]),
  }
}

storeCompliance('memory (plain)', () => inMemory('plain'))
storeCompliance('memory (wasm)', () => inMemory('wasm'))
for (const [seed, stepBytes] of [
  [1, 4096],
  [2, 1000],
  [3, STORE_BYTES],
] as const) {
  storeCompliance(`simulated, seed ${seed}, steps of ${stepBytes}`, () => {
    const { scheduler, ...setup } = simulated(seed, stepBytes)
    return { ...setup, run: async (name, op) => scheduler.runSync(name, op) }
  })
}

describe('a simulated store', () => {
  it('that shrank fails the read, and says so', () => {
    const { scheduler, kernel, store } = simulated(4, 4096)
    const places = new Scatter(kernel)
    const one = new TestIo(kernel, 0)
    places.prepare(one.io, StoreOp.READ, 8192, [8192])
    store.shrinkTo(10_000)
    expect(scheduler.runSync('read', one.exec(store))).toBe(Status.UNRECOVERED_READ)
    expect(store.lastError).toMatchObject({ code: 'EIO', message: expect.stringMatching(/10000/) })
  })

  it('that is full fails the write, and says so', () => {
    const { scheduler, kernel, store } = simulated(5, 4096)
    const places = new Scatter(kernel)
    const one = new TestIo(kernel, 0)
    places.prepare(one.io, StoreOp.WRITE, 4096, [8192])
    store.fillUpAt(8192)
    const status = scheduler.runSync('write', one.exec(store))
    expect(status).toBe(Status.CAPACITY_EXCEEDED | STATUS_DNR)
    expect(store.lastError).toMatchObject({ code: 'ENOSPC' })
  })

  it('has a size', () => {
    const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
    expect(() => createSimulatedStore({ kernel }, { sizeBytes: 0 })).toThrow(/sizeBytes/)
    expect(() => createSimulatedStore({ kernel }, { sizeBytes: 512, stepBytes: 0 })).toThrow(/step/)
  })
})

describe('the cases find a store that', () => {
  type Bend = (store: SimulatedStore) => CancellableStore

  const base = (store: SimulatedStore): CancellableStore => ({
    get sizeBytes() {
      return store.sizeBytes
    },
    get lastError() {
      return store.lastError
    },
    supports: (op) => store.supports?.(op) ?? false,
    submit: (io) => store.submit(io),
    cancel: (io) => store.cancel(io),
    close: () => store.close(),
  })
  const passesOn = (io: StoreIo, storeDone: (status: number) => void): StoreIo => {
    const copy = new StoreIo(io.index, { storeDone: (_io, status) => storeDone(status) })
    return Object.assign(copy, {
      op: io.op,
      offsetBytes: io.offsetBytes,
      lengthBytes: io.lengthBytes,
      count: io.count,
      sides: io.sides,
      offsets: io.offsets,
      lengths: io.lengths,
    })
  }

  const liars: readonly (readonly [string, RegExp, Bend])[] = [
    [
      'says that it let go, and goes on',
      /ended is 1, not 0/,
      (store) => {
        const begun = new Set<StoreIo>()
        const submit = (io: StoreIo): void => {
          begun.add(io)
          store.submit(io)
        }
        return { ...base(store), submit, cancel: (io) => begun.has(io) }
      },
    ],
    [
      'does not wait for its I/O at the end',
      /ended before close/,
      (store) => ({ ...base(store), *close() {} }),
    ],
    [
      'calls a failure a success',
      /ended with 0/,
      (store) => ({
        ...base(store),
        submit: (io) => store.submit(passesOn(io, () => io.completion.storeDone(io, 0))),
      }),
    ],
    [
      'ends an I/O twice',
      /how often|how many|ends/,
      (store) => ({
        ...base(store),
        submit: (io) =>
          store.submit(
            passesOn(io, (status) => {
              io.completion.storeDone(io, status)
              io.completion.storeDone(io, status)
            }),
          ),
      }),
    ],
  ]

  it.each(liars)('%s', async (_name, words, bend) => {
    const found: string[] = []
    for (const one of storeCases) {
      const { scheduler, store, ...setup } = simulated(6, 4096)
      const run = async <T>(name: string, op: Op<T>): Promise<T> => scheduler.runSync(name, op)
      await one
        .run(() => ({ ...setup, store: bend(store), run, cleanUp: () => {} }))
        .catch((error: unknown) => found.push(String(error)))
    }
    expect(found.join('\n')).toMatch(words)
  })
})
