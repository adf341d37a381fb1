// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  buildDmaSegmentTable,
  createDevice,
  createPhysicalMemory,
  type Device,
  DmaDirection,
  PAGE_SIZE,
  PEER_BASE,
  SgTable,
} from '../../../src/index.ts'
import { busRead, busWrite, makeBench, pattern } from '../../support.ts'

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = DmaDirection

function ranges(table: SgTable): [number, number][] {
  return Array.from({ length: table.nents }, (_, i) => [
    table.dmaAddressAt(i),
    table.dmaLengthAt(i),
  ])
}

function code(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    throw error
  }
  return 'none'
}

/** Single pages with a page between each two, last first. */
function scattered(bench: ReturnType<typeof makeBench>, count: number): SgTable {
  const frame = bench.memory.allocContiguous(2 * count)
  const table = new SgTable()
  for (let i = count - 1; i >= 0; i--) table.append(frame + 2 * i, 0, PAGE_SIZE)
  return table
}

describe('mapping a scatterlist behind the IOMMU', () => {
  it.each(['strict', 'lazy'] as const)('%s: scattered pages are one device range', (iommuMode) => {
    const bench = makeBench(64)
    const device = bench.device({ iommuMode })
    const table = scattered(bench, 10)
    device.dma.mapSgtable(table, BIDIRECTIONAL)
    expect(table.nents).toBe(1)
    expect(table.dmaLengthAt(0)).toBe(10 * PAGE_SIZE)
    const bytes = pattern(10 * PAGE_SIZE, 7)
    expect(busWrite(device, table.dmaAddressAt(0), bytes)).toBe(true)
    const page = new Uint8Array(PAGE_SIZE)
    for (let i = 0; i < 10; i++) {
      bench.memory.read(table.physAddrAt(i), page)
      expect(page).toEqual(bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE))
    }
    expect(busRead(device, table.dmaAddressAt(0) + 5000, 9000)).toEqual(bytes.subarray(5000, 14000))
    expect(bench.iommu.stats.maps).toBe(1)
    device.dma.unmapSgtable(table, BIDIRECTIONAL)
    expect(bench.iommu.stats.unmaps).toBe(1)
    expect(table.nents).toBe(0)
    device.dma.mapSgtable(table, BIDIRECTIONAL)
    device.dma.unmapSgtable(table, BIDIRECTIONAL)
    device.destroy()
  })

  it('pieces that do not meet on page boundaries stay apart, inside one run of pages', () => {
    const bench = makeBench(64)
    const device = bench.device()
    const frame = bench.memory.allocContiguous(16)
    const table = new SgTable()
    table.append(frame, 512, PAGE_SIZE - 512)
    table.append(frame + 2, 0, 2 * PAGE_SIZE)
    table.append(frame + 5, 0, 100)
    table.append(frame + 7, 100, 5000)
    device.dma.mapSgtable(table, FROM_DEVICE)
    const base = table.dmaAddressAt(0) - 512
    expect(ranges(table)).toEqual([
      [base + 512, 3 * PAGE_SIZE - 512 + 100],
      [base + 4 * PAGE_SIZE + 100, 5000],
    ])
    expect(table.mapping?.iovaPages).toBe(6)
    expect(busWrite(device, base + 4 * PAGE_SIZE + 100, pattern(5000, 1))).toBe(true)
    device.dma.unmapSgtable(table, FROM_DEVICE)
    device.destroy()
  })

  it('cuts at the largest segment and at the boundary, nowhere else', () => {
    const bench = makeBench(64)
    const frame = bench.memory.allocContiguous(32)
    const table = new SgTable()
    table.append(frame, 0, 10 * PAGE_SIZE)
    table.append(frame + 20, 0, 3 * PAGE_SIZE)
    const lengths = (device: Device): number[] => {
      device.dma.mapSgtable(table, TO_DEVICE)
      const list = ranges(table)
      for (let i = 1; i < list.length; i++) {
        expect(list[i]?.[0]).toBe((list[i - 1]?.[0] ?? 0) + (list[i - 1]?.[1] ?? 0))
      }
      device.dma.unmapSgtable(table, TO_DEVICE)
      device.destroy()
      return list.map(([, length]) => length / PAGE_SIZE)
    }
    expect(lengths(bench.device())).toEqual([13])
    expect(lengths(bench.device({ maxSegmentSizeBytes: 5 * PAGE_SIZE + 17 }))).toEqual([5, 5, 3])
    expect(lengths(bench.device({ segBoundaryMask: 4 * PAGE_SIZE - 1 }))).toEqual([4, 4, 4, 1])
    const both = { maxSegmentSizeBytes: 3 * PAGE_SIZE, segBoundaryMask: 4 * PAGE_SIZE - 1 }
    expect(lengths(bench.device(both))).toEqual([3, 1, 3, 1, 3, 1, 1])
    const direct = bench.device({ ...both, iommuMode: 'passthrough' })
    direct.dma.mapSgtable(table, TO_DEVICE)
    const pieces = ranges(table).map(([address, length]) => [address / PAGE_SIZE - frame, length])
    expect(pieces.map(([at, length]) => [at, (length ?? 0) / PAGE_SIZE])).toEqual([
      [0, 3],
      [3, 1],
      [4, 3],
      [7, 1],
      [8, 2],
      [20, 3],
    ])
    direct.dma.unmapSgtable(table, TO_DEVICE)
    direct.destroy()
  })

  it('R-NVME-1: without an IOMMU each piece keeps its address, and neighbours merge in the segment table', () => {
    const bench = makeBench(64)
    const device = bench.device({ iommuMode: 'passthrough' })
    const frame = bench.memory.allocContiguous(8)
    const table = new SgTable()
    table.append(frame, 0, PAGE_SIZE)
    table.append(frame + 1, 0, PAGE_SIZE)
    table.append(frame + 4, 0, 512)
    device.dma.mapSgtable(table, TO_DEVICE)
    expect(table.nents).toBe(3)
    const segments = buildDmaSegmentTable(table)
    expect(segments.count).toBe(2)
    expect([segments.addressAt(0), segments.lengthAt(0)]).toEqual([frame * PAGE_SIZE, 8192])
    expect(segments.granuleShift).toBe(9)
    device.dma.unmapSgtable(table, TO_DEVICE)
    expect(bench.iommu.stats.maps).toBe(0)
    device.destroy()
  })

  it('keeps the bus address of peer memory, and refuses a device that cannot reach it', () => {
    const bench = makeBench(64)
    const bar = bench.memory.addRegion({ frames: 8, kind: 'device', backing: 'plain' })
    const frame = bench.memory.allocContiguous(2, bar)
    const ram = bench.memory.allocPages(0)
    const table = new SgTable()
    table.append(ram, 0, PAGE_SIZE)
    table.append(frame, 0, 2 * PAGE_SIZE)
    const far = bench.device()
    expect(code(() => far.dma.mapSgtable(table, BIDIRECTIONAL))).toBe('EREMOTEIO')
    expect(far.dma.mapSingle(frame * PAGE_SIZE, 1, 0)).toBe(-1)
    expect(busRead(far, frame * PAGE_SIZE, 1)).toBeNull()
    const near = bench.device({ peerToPeer: true })
    near.dma.mapSgtable(table, BIDIRECTIONAL)
    expect(ranges(table)[1]).toEqual([PEER_BASE, 2 * PAGE_SIZE])
    expect(busWrite(near, PEER_BASE + 10, pattern(5000, 4))).toBe(true)
    expect(bar.bytes.subarray(10, 5010)).toEqual(pattern(5000, 4))
    expect(table.mapping?.iovaPages).toBe(1)
    near.dma.unmapSgtable(table, BIDIRECTIONAL)
    const only = new SgTable()
    only.append(frame, 0, 100)
    near.dma.mapSgtable(only, BIDIRECTIONAL)
    near.dma.unmapSgtable(only, BIDIRECTIONAL)
    const dma = near.dma.mapSingle(PEER_BASE, 10, 0)
    expect(dma).toBe(PEER_BASE)
    near.dma.unmapSingle(dma, 10, 0)
    bench.memory.freeContiguous(frame, 2)
    far.destroy()
    near.destroy()
  })

  it('refuses what cannot be mapped, and changes nothing', () => {
    const bench = makeBench(64)
    const device = bench.device()
    const table = new SgTable()
    expect(code(() => device.dma.mapSgtable(table, TO_DEVICE))).toBe('EINVAL')
    table.append(1024 + 63, 0, PAGE_SIZE + 1)
    expect(code(() => device.dma.mapSgtable(table, TO_DEVICE))).toBe('EINVAL')
    const good = new SgTable()
    good.append(1024, 0, PAGE_SIZE)
    expect(code(() => device.dma.mapSgtable(good, DmaDirection.NONE))).toBe('EINVAL')
    device.dma.mapSgtable(good, TO_DEVICE)
    expect(code(() => device.dma.mapSgtable(good, TO_DEVICE))).toBe('EINVAL')
    const other = bench.device()
    expect(() => other.dma.unmapSgtable(good, TO_DEVICE)).toThrow('has not mapped')
    expect(() => other.dma.syncSgtableForCpu(good, TO_DEVICE)).toThrow('has not mapped')
    expect(() => other.dma.syncSgtableForDevice(good, TO_DEVICE)).toThrow('has not mapped')
    device.dma.unmapSgtable(good, TO_DEVICE)
    expect(() => device.dma.unmapSgtable(good, TO_DEVICE)).toThrow('has not mapped')
    const small = bench.device({ iommuMode: 'passthrough', dmaMaskBits: 20 })
    expect(code(() => small.dma.mapSgtable(good, TO_DEVICE))).toBe('EIO')
    expect(good.nents).toBe(0)
    expect(small.dma.mapSingle(1024 * PAGE_SIZE, 1, 0)).toBe(-1)
    expect(() => device.dma.mapSingle(4096, 0, 0)).toThrow('length')
    expect(() => device.dma.unmapSingle(4096, 0, 0)).toThrow('length')
    expect(() => device.dma.mapSingle(4096, 1, DmaDirection.NONE)).toThrow('direction')
    for (const each of [device, other, small]) each.destroy()
  })

  it('refuses limits that cannot be', () => {
    const bench = makeBench(1)
    for (const init of [
      { dmaMaskBits: 12 },
      { dmaMaskBits: 65 },
      { maxSegmentSizeBytes: 4095 },
      { segBoundaryMask: 4094 },
      { segBoundaryMask: 3 * 4096 - 1 },
    ]) {
      expect(code(() => bench.device(init))).toBe('EINVAL')
    }
    const { kernel, memory } = bench
    const parts = { kernel, memory, iommu: null }
    expect(code(() => createDevice(parts, { name: 'd', iommuMode: 'lazy' }))).toBe('ENODEV')
    createDevice(parts, { name: 'd', iommuMode: 'passthrough' }).destroy()
  })

  it('maps 1 GiB of single pages as one range', () => {
    const bench = makeBench(1)
    const memory = createPhysicalMemory({ kernel: bench.kernel }, { ramBytes: 2 ** 32 })
    const device = createDevice(
      { kernel: bench.kernel, memory, iommu: bench.iommu },
      { name: 'd', iommuMode: 'strict' },
    )
    const table = new SgTable()
    const pages = 262_144
    for (let i = 0; i < pages; i++) table.append(1024 + 2 * i, 0, PAGE_SIZE)
    device.dma.mapSgtable(table, BIDIRECTIONAL)
    expect(ranges(table)).toEqual([[table.dmaAddressAt(0), 2 ** 30]])
    const segments = buildDmaSegmentTable(table)
    expect([segments.count, segments.granuleShift]).toEqual([1, 30])
    expect(busWrite(device, table.dmaAddressAt(0) + 2 ** 30 - 3, Uint8Array.of(1, 2, 3))).toBe(true)
    const back = new Uint8Array(3)
    memory.read(table.physAddrAt(pages - 1) + PAGE_SIZE - 3, back)
    expect([...back]).toEqual([1, 2, 3])
    device.dma.unmapSgtable(table, BIDIRECTIONAL)
    expect(bench.iommu.stats).toMatchObject({ maps: 1, unmaps: 1, iotlbFlushes: 1 })
    device.destroy()
  })
})
