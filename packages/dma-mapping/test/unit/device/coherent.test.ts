// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { PAGE_SIZE } from '../../../src/index.ts'
import { busRead, busWrite, checksOf, makeBench, pattern } from '../../support.ts'

describe.each(['strict', 'lazy', 'passthrough'] as const)('coherent memory, %s', (iommuMode) => {
  it.each([true, false])(
    'is seen by both sides without a sync (coherent device: %s)',
    (coherent) => {
      const bench = makeBench(32, { checked: true })
      const frame = bench.memory.allocPages(4)
      bench.memory.write(frame * PAGE_SIZE, new Uint8Array(16 * PAGE_SIZE).fill(0xee))
      bench.memory.freePages(frame, 4)
      const device = bench.device({ iommuMode, coherent })
      const block = device.dma.allocCoherent(5000)
      expect(busRead(device, block.dmaAddr, 8192)).toEqual(new Uint8Array(8192))
      block.region.bytes.set(pattern(5000, 3), block.offset)
      expect(busRead(device, block.dmaAddr, 5000)).toEqual(pattern(5000, 3))
      expect(busWrite(device, block.dmaAddr, pattern(5000, 4))).toBe(true)
      const back = new Uint8Array(5000)
      bench.memory.read(block.physAddr, back)
      expect(back).toEqual(pattern(5000, 4))
      expect(device.dma.stats).toMatchObject({ coherentAllocs: 1, syncCopyBytes: 0 })
      device.dma.freeCoherent(block)
      expect(() => device.dma.freeCoherent(block)).toThrow('dma-double-unmap')
      expect(bench.memory.stats.pagesAllocated).toBe(0)
      device.destroy()
      expect(checksOf(bench.kernel)).toEqual(['dma-double-unmap'])
      bench.scheduler.runUntilIdle()
    },
  )
})

describe('coherent memory', () => {
  it('is freed once: asserted also without checked mode', () => {
    const bench = makeBench(4)
    const device = bench.device()
    const block = device.dma.allocCoherent(1)
    device.dma.freeCoherent(block)
    expect(() => device.dma.freeCoherent(block)).toThrow('no such block')
    device.destroy()
  })

  it('ends where its pages end for a device that does not snoop', () => {
    const bench = makeBench(32)
    const device = bench.device({ iommuMode: 'passthrough', coherent: false })
    const block = device.dma.allocCoherent(PAGE_SIZE)
    const all = busRead(device, block.physAddr, 3 * PAGE_SIZE)
    expect(all?.length).toBe(3 * PAGE_SIZE)
    bench.memory.write(block.physAddr, new Uint8Array(2 * PAGE_SIZE).fill(7))
    const seen = busRead(device, block.physAddr, 2 * PAGE_SIZE)
    expect(seen?.subarray(0, PAGE_SIZE)).toEqual(new Uint8Array(PAGE_SIZE).fill(7))
    expect(seen?.subarray(PAGE_SIZE)).toEqual(new Uint8Array(PAGE_SIZE))
    device.dma.freeCoherent(block)
    device.destroy()
  })
})
