// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createMemoryStore, createSimulatedStore, StoreOp } from '../../../src/controller/index.ts'
import { STATUS_DNR, Status } from '../../../src/spec/index.ts'
import {
  Scatter,
  STORE_BYTES,
  type StoreSetup,
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
