// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createKernel, createVirtualScheduler, KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createPhysicalMemory, frameOf, PAGE_SIZE, PEER_BASE } from '../../../src/index.ts'
import { makeBench, pattern } from '../../support.ts'

const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })

function code(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    throw error
  }
  return 'none'
}

describe('physical memory', () => {
  it('is made of WebAssembly memories by default; more than 4 GiB becomes several regions', () => {
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 5 * 2 ** 30 })
    expect(memory.regions.map((region) => region.sizeBytes)).toEqual([2 ** 32, 2 ** 30])
    expect(memory.regions[0]?.backing).toBe('wasm')
    const [first, second] = memory.regions
    if (!first || !second) throw new Error('no regions')
    expect(second.baseAddr).toBeGreaterThan(first.baseAddr + first.sizeBytes)
    expect(memory.regionAt(first.baseAddr + first.sizeBytes)).toBeNull()
    expect(memory.regionAt(second.baseAddr + 5)).toBe(second)
    expect(memory.regionAt(first.baseAddr)).toBe(first)
    expect(memory.regionAt(0)).toBeNull()
    expect(memory.stats.pagesFree).toBe((5 * 2 ** 30) / PAGE_SIZE)
    const frame = memory.allocContiguous((3 * 2 ** 30) / PAGE_SIZE)
    expect(memory.regionAt(frame * PAGE_SIZE)).toBe(first)
    expect(memory.allocContiguous((3 * 2 ** 30) / PAGE_SIZE)).toBe(-1)
    const next = memory.allocContiguous(2 ** 30 / PAGE_SIZE)
    const last = memory.allocContiguous(2 ** 30 / PAGE_SIZE)
    expect(memory.regionAt(last * PAGE_SIZE)).toBe(second)
    memory.freeContiguous(frame, (3 * 2 ** 30) / PAGE_SIZE)
    memory.freeContiguous(next, 2 ** 30 / PAGE_SIZE)
    memory.freeContiguous(last, 2 ** 30 / PAGE_SIZE)
    expect(memory.stats.pagesAllocated).toBe(0)
  })

  it('refuses bad sizes', () => {
    for (const ramBytes of [0, -1, 1.5, Number.NaN]) {
      expect(code(() => createPhysicalMemory({ kernel }, { ramBytes }))).toBe('EINVAL')
    }
    const { memory } = makeBench(16)
    for (const frames of [0, 0.5, 2 ** 20 + 1]) {
      expect(code(() => memory.addRegion({ frames, kind: 'ram', backing: 'plain' }))).toBe('EINVAL')
    }
  })

  it('rounds RAM up to pages', () => {
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 5000, backing: 'plain' })
    expect(memory.regions[0]?.frames).toBe(2)
  })

  it('puts device memory above everything else and allocates it on request only', () => {
    const { memory } = makeBench(16)
    const bar = memory.addRegion({ frames: 8, kind: 'device', backing: 'plain', name: 'bar0' })
    const bar1 = memory.addRegion({ frames: 8, kind: 'device', backing: 'plain' })
    expect(bar.baseAddr).toBe(PEER_BASE)
    expect(bar.name).toBe('bar0')
    expect(bar1.baseAddr).toBeGreaterThan(bar.baseAddr + bar.sizeBytes)
    expect(bar1.baseFrame).toBeLessThan(2 ** 31)
    const frame = memory.allocContiguous(3, bar)
    expect(memory.regionAt(frame * PAGE_SIZE)).toBe(bar)
    for (let i = 0; i < 16; i++) {
      expect(memory.regionAt(memory.allocPages(0) * PAGE_SIZE)?.kind).toBe('ram')
    }
    expect(memory.allocPages(0)).toBe(-1)
    expect(memory.allocContiguous(1)).toBe(-1)
    memory.freeContiguous(frame, 3)
  })

  it('copies, reads and writes, counted, and faults outside of regions', () => {
    const { memory } = makeBench(16)
    const a = memory.allocPages(1) * PAGE_SIZE
    const b = memory.allocPages(1) * PAGE_SIZE
    memory.write(a + 4000, pattern(500, 1))
    memory.copy(b + 1, a + 4000, 500)
    const back = new Uint8Array(500)
    memory.read(b + 1, back)
    expect(back).toEqual(pattern(500, 1))
    expect(memory.stats).toMatchObject({
      cpuCopyBytes: 500,
      cpuReadBytes: 500,
      cpuWriteBytes: 500,
    })
    const end = (memory.regions[0]?.baseAddr ?? 0) + 16 * PAGE_SIZE
    expect(code(() => memory.write(end - 1, new Uint8Array(2)))).toBe('EFAULT')
    expect(code(() => memory.read(end, new Uint8Array(1)))).toBe('EFAULT')
    expect(code(() => memory.copy(a, 0, 1))).toBe('EFAULT')
    expect(code(() => memory.copy(0, a, 1))).toBe('EFAULT')
  })

  it('asserts that what is freed was allocated', () => {
    const { memory } = makeBench(16)
    const frame = memory.allocPages(1)
    expect(() => memory.freePages(frame, 0)).toThrow('no such allocated block')
    expect(() => memory.freePages(frame + 1, 0)).toThrow('no such allocated block')
    expect(() => memory.freePages(1, 0)).toThrow('no such frame')
    expect(() => memory.freeContiguous(frame, 2)).toThrow('no contiguous range')
    memory.freePages(frame, 1)
    expect(() => memory.freePages(frame, 1)).toThrow('no such allocated block')
    expect(() => memory.allocPages(11)).toThrow('order')
    expect(() => memory.allocPages(-1)).toThrow('order')
    expect(() => memory.allocContiguous(0)).toThrow('positive')
    const other = makeBench(16).memory
    const foreign = other.addRegion({ frames: 1, kind: 'device', backing: 'plain' })
    expect(memory.allocContiguous(1, foreign)).toBe(-1)
  })

  it('takes the frame of any address', () => {
    expect(frameOf(8191)).toBe(1)
    expect(frameOf(2 ** 31)).toBe(2 ** 19)
    expect(frameOf(PEER_BASE + 4096)).toBe(2 ** 30 + 1)
  })
})
