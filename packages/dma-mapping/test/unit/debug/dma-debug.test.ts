// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { DmaAttrs, DmaDirection, PAGE_SIZE, SgTable } from '../../../src/index.ts'
import { busRead, busWrite, checksOf, makeBench } from '../../support.ts'

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = DmaDirection
const modes = ['strict', 'lazy', 'passthrough'] as const

function setUp(iommuMode: (typeof modes)[number]) {
  const bench = makeBench(64, { checked: true, keep: true })
  const device = bench.device({ iommuMode })
  const frame = bench.memory.allocContiguous(8)
  const addr = frame * PAGE_SIZE
  const table = (...frames: number[]): SgTable => {
    const sg = new SgTable()
    for (const i of frames) sg.append(frame + i, 0, PAGE_SIZE)
    return sg
  }
  return { ...bench, device, addr, table, dma: device.dma, checks: () => checksOf(bench.kernel) }
}

describe.each(modes)('checked mode, %s', (iommuMode) => {
  it('throws what it finds unless told otherwise', () => {
    const bench = makeBench(4, { checked: true })
    const device = bench.device({ iommuMode })
    expect(() => device.dma.unmapSingle(4096, 4, TO_DEVICE)).toThrow('dma-double-unmap: dev0')
    device.destroy()
  })

  it('finds a double unmap, of one buffer and of a table, and leaves everything as it is', () => {
    const t = setUp(iommuMode)
    const dma = t.dma.mapSingle(t.addr, 100, TO_DEVICE)
    t.dma.unmapSingle(dma, 100, TO_DEVICE)
    t.dma.unmapSingle(dma, 100, TO_DEVICE)
    const table = t.table(0, 2)
    t.dma.mapSgtable(table, TO_DEVICE)
    t.dma.unmapSgtable(table, TO_DEVICE)
    t.dma.unmapSgtable(table, TO_DEVICE)
    expect(t.checks()).toEqual(['dma-double-unmap', 'dma-double-unmap'])
    expect(t.dma.stats).toMatchObject({ unmaps: 1, unmapsSgtable: 1 })
    t.device.destroy()
    expect(t.checks().length).toBe(2)
  })

  it('of two mappings of a buffer the one that is unmapped leaves DMA through the other alone', () => {
    const t = setUp(iommuMode)
    const [first, second] = [t.table(0), t.table(0)]
    t.dma.mapSgtable(first, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    t.dma.syncSingleForDevice(first.dmaAddressAt(0), 512, FROM_DEVICE)
    t.dma.mapSgtable(second, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    t.dma.unmapSgtable(second, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    busWrite(t.device, first.dmaAddressAt(0), new Uint8Array(512))
    t.dma.syncSingleForCpu(first.dmaAddressAt(0), 512, FROM_DEVICE)
    t.dma.unmapSgtable(first, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    expect(t.checks()).toEqual([])
    t.device.destroy()
  })

  it('finds the wrong size, direction and kind', () => {
    const t = setUp(iommuMode)
    t.dma.unmapSingle(t.dma.mapSingle(t.addr, 100, TO_DEVICE), 10_000, TO_DEVICE)
    expect(t.checks()).toEqual(['dma-wrong-size'])
    t.dma.unmapSingle(t.dma.mapSingle(t.addr, 100, TO_DEVICE), 100, FROM_DEVICE)
    expect(t.checks()).toEqual(['dma-wrong-size', 'dma-wrong-direction'])
    const table = t.table(1)
    t.dma.mapSgtable(table, TO_DEVICE)
    t.dma.unmapSingle(table.dmaAddressAt(0), PAGE_SIZE, TO_DEVICE)
    expect(t.checks()[2]).toBe('dma-wrong-kind')
    t.dma.unmapSgtable(table, TO_DEVICE)
    expect(t.checks().length).toBe(3)
    expect(t.memory.debug?.count).toBe(0)
    t.device.destroy()
  })

  it('finds overlaps, but for data to devices and buffers that are shared whole', () => {
    const t = setUp(iommuMode)
    const other = t.device
    const a = t.dma.mapSingle(t.addr, 100, FROM_DEVICE)
    const b = t.dma.mapSingle(t.addr + 100, 100, FROM_DEVICE)
    const c = other.dma.mapSingle(t.addr + 50, 10, TO_DEVICE)
    expect(t.checks()).toEqual([])
    const d = t.dma.mapSingle(t.addr + 99, 1, BIDIRECTIONAL)
    expect(t.checks()).toEqual(['dma-overlap'])
    t.dma.unmapSingle(a, 100, FROM_DEVICE)
    t.dma.unmapSingle(b, 100, FROM_DEVICE)
    t.dma.unmapSingle(c, 10, TO_DEVICE)
    t.dma.unmapSingle(d, 1, BIDIRECTIONAL)
    const tables = [t.table(1, 2, 3), t.table(3, 2, 1), t.table(4, 3)]
    for (const table of tables) t.dma.mapSgtable(table, BIDIRECTIONAL)
    expect(t.checks()).toEqual(['dma-overlap'])
    const part = new SgTable()
    part.append(t.addr / PAGE_SIZE + 3, 10, 20)
    t.dma.mapSgtable(part, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    t.dma.unmapSgtable(part, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    expect(t.checks()).toEqual(['dma-overlap'])
    t.dma.mapSgtable(part, BIDIRECTIONAL)
    expect(t.checks()).toEqual(['dma-overlap', 'dma-overlap'])
    for (const table of [...tables, part]) t.dma.unmapSgtable(table, BIDIRECTIONAL)
    expect(t.memory.debug?.count).toBe(0)
    t.device.destroy()
  })

  it('finds a sync outside of a mapping, beyond its end, and of the wrong direction', () => {
    const t = setUp(iommuMode)
    t.dma.syncSingleForCpu(t.addr, 10, FROM_DEVICE)
    expect(t.checks()).toEqual(['dma-sync-outside'])
    const dma = t.dma.mapSingle(t.addr, 100, FROM_DEVICE)
    t.dma.syncSingleForCpu(dma + 90, 10, FROM_DEVICE)
    t.dma.syncSingleForDevice(dma, 100, FROM_DEVICE)
    expect(t.checks().length).toBe(1)
    t.dma.syncSingleForDevice(dma + 90, 11, FROM_DEVICE)
    expect(t.checks()[1]).toBe('dma-sync-outside')
    t.dma.syncSingleForDevice(dma, 10, TO_DEVICE)
    expect(t.checks()[2]).toBe('dma-wrong-direction')
    t.dma.unmapSingle(dma, 100, FROM_DEVICE)
    t.device.destroy()
    expect(t.checks().length).toBe(3)
  })

  it('a table that is mapped in both directions is synced in the one that is meant', () => {
    const t = setUp(iommuMode)
    const [read, write] = [t.table(1), t.table(1)]
    t.dma.mapSgtable(read, FROM_DEVICE)
    t.dma.mapSgtable(write, TO_DEVICE)
    t.dma.syncSgtableForCpu(read, FROM_DEVICE)
    t.dma.syncSgtableForCpu(write, TO_DEVICE)
    t.memory.write(t.addr + PAGE_SIZE, new Uint8Array(PAGE_SIZE))
    expect(t.checks()).toEqual([])
    t.dma.unmapSgtable(write, TO_DEVICE)
    t.dma.unmapSgtable(read, FROM_DEVICE)
    expect(t.checks()).toEqual([])
    t.device.destroy()
  })

  it('R-NVME-3: ownership is by byte: the CPU may touch what it owns, next to what it does not', () => {
    const t = setUp(iommuMode)
    const table = t.table(3, 1)
    t.dma.mapSgtable(table, BIDIRECTIONAL)
    const dma = table.dmaAddressAt(0)
    // A request in the first 512 bytes ended; the next 512 bytes are still under way.
    t.dma.syncSingleForCpu(dma, 512, BIDIRECTIONAL)
    const page = t.addr + 3 * PAGE_SIZE
    t.memory.write(page, new Uint8Array(512))
    t.memory.read(page + 511, new Uint8Array(1))
    t.memory.write(t.addr, new Uint8Array(PAGE_SIZE))
    expect(t.checks()).toEqual([])
    t.memory.read(page + 511, new Uint8Array(2))
    t.memory.write(page + 512, new Uint8Array(1))
    t.memory.copy(t.addr, t.addr + PAGE_SIZE, 1)
    t.memory.copy(page + 600, t.addr, 1)
    expect(t.checks()).toEqual(new Array(4).fill('dma-cpu-access'))
    t.dma.syncSingleForDevice(dma, 512, BIDIRECTIONAL)
    t.memory.read(page, new Uint8Array(1))
    expect(t.checks().length).toBe(5)
    t.dma.unmapSgtable(table, BIDIRECTIONAL)
    t.memory.write(page, new Uint8Array(PAGE_SIZE))
    expect(t.checks().length).toBe(5)
    t.device.destroy()
  })

  it('the CPU may read, not write, what a device only reads', () => {
    const t = setUp(iommuMode)
    const dma = t.dma.mapSingle(t.addr, 100, TO_DEVICE)
    t.memory.read(t.addr, new Uint8Array(100))
    expect(t.checks()).toEqual([])
    t.memory.write(t.addr + 99, new Uint8Array(2))
    expect(t.checks()).toEqual(['dma-cpu-access'])
    t.dma.unmapSingle(dma, 100, TO_DEVICE)
    t.device.destroy()
  })

  it('R-NVME-3: finds a device that touches mapped bytes which the CPU owns', () => {
    const t = setUp(iommuMode)
    const dma = t.dma.mapSingle(t.addr, 1024, BIDIRECTIONAL)
    t.dma.syncSingleForCpu(dma, 512, BIDIRECTIONAL)
    expect(busRead(t.device, dma + 512, 512)).not.toBeNull()
    expect(t.checks()).toEqual([])
    busRead(t.device, dma + 500, 20)
    busWrite(t.device, dma, new Uint8Array(1))
    expect(t.checks()).toEqual(['dma-device-access', 'dma-device-access'])
    t.dma.syncSingleForDevice(dma, 512, BIDIRECTIONAL)
    busWrite(t.device, dma, new Uint8Array(1024))
    expect(t.checks().length).toBe(2)
    t.dma.unmapSingle(dma, 1024, BIDIRECTIONAL)
    t.device.destroy()
  })

  it('finds mappings that are left when the device goes, once', () => {
    const t = setUp(iommuMode)
    t.dma.mapSingle(t.addr, 1, TO_DEVICE)
    t.dma.allocCoherent(10)
    t.device.destroy()
    t.device.destroy()
    expect(t.checks()).toEqual(['dma-leak'])
    expect(t.kernel.reports[0]?.message).toContain('2 mappings of 11 bytes')
  })

  it("R-NVME-3: syncs inside coherent memory are allowed and change nobody's ownership", () => {
    const t = setUp(iommuMode)
    const block = t.dma.allocCoherent(100)
    t.dma.syncSingleForCpu(block.dmaAddr, 100, BIDIRECTIONAL)
    t.memory.write(block.physAddr, new Uint8Array(100))
    busWrite(t.device, block.dmaAddr, new Uint8Array(100))
    t.dma.freeCoherent(block)
    t.device.destroy()
    expect(t.checks()).toEqual([])
  })
})
