// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { DescriptorPool } from '../../../src/host/dma/descriptor-pool.ts'
import { chainBlocks, createDescriptorPools } from '../../../src/host/dma/descriptor-pools.ts'

function makeDevice(ramBytes = 1 << 20) {
  const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
  const memory = createPhysicalMemory({ kernel }, { ramBytes, backing: 'plain' })
  return createDevice({ kernel, memory, iommu: null }, { name: 'd', iommuMode: 'passthrough' })
}

describe('DescriptorPool', () => {
  it('hands out every block once, each with bytes of its own', () => {
    const device = makeDevice()
    const pool = new DescriptorPool(device, 256, 300)
    const seen = new Set<number>()
    for (let i = 0; i < 300; i++) {
      const index = pool.alloc()
      seen.add(pool.dmaAddrOf(index))
      pool.viewOf(index).setUint32(pool.offsetOf(index), i, true)
    }
    expect(seen.size).toBe(300)
    expect([...seen].every((addr) => addr % 256 === 0)).toBe(true)
    expect(pool.alloc()).toBe(-1)
    expect(pool.used).toBe(300)
    for (let i = 0; i < 300; i++) pool.put(i)
    expect(pool.free).toBe(300)
    pool.destroy()
    expect(device.dma.stats.coherentFrees).toBe(device.dma.stats.coherentAllocs)
  })

  it('a block that is put twice, or one that is not there, is a bug', () => {
    const pool = new DescriptorPool(makeDevice(), 4096, 2)
    const index = pool.alloc()
    expect(() => pool.destroy()).toThrow(/blocks in use/)
    pool.put(index)
    expect(() => pool.put(index)).toThrow(/not in use/)
    expect(() => pool.put(7)).toThrow(/not in use/)
    expect(() => pool.viewOf(7)).toThrow(/no such block/)
  })

  it('without memory gives back what it had', () => {
    const device = makeDevice(1 << 20)
    expect(() => new DescriptorPool(device, 4096, 300)).toThrow()
    expect(() => createDescriptorPools(device, { small: 16, page: 300 })).toThrow()
    expect(device.dma.stats.coherentFrees).toBe(device.dma.stats.coherentAllocs)
  })

  it('a chain links in the last place of each block but the last', () => {
    expect([1, 4, 5, 7, 8, 10, 11].map((n) => chainBlocks(n, 4))).toEqual([1, 1, 2, 2, 3, 3, 4])
  })
})
