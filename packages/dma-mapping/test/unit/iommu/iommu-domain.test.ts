// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createVirtualScheduler, KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { BusAccess, BusRange, createIommu, PAGE_SIZE, SgTable } from '../../../src/index.ts'
import { FlushQueue } from '../../../src/iommu/flush-queue.ts'
import { Iotlb } from '../../../src/iommu/iotlb.ts'
import { entryFrame, entryPerms, PageTable } from '../../../src/iommu/page-table.ts'
import { busRead, busWrite, makeBench } from '../../support.ts'

describe('page table', () => {
  it('maps to the ends of its range, with permissions', () => {
    const table = new PageTable()
    table.map(2 ** 30 - 2, 2 ** 30 - 2, 2, 3)
    table.map(1, 5, 3000, 1)
    expect(entryFrame(table.lookup(2 ** 30 - 1))).toBe(2 ** 30 - 1)
    expect(entryPerms(table.lookup(2 ** 30 - 1))).toBe(3)
    expect(entryFrame(table.lookup(3000))).toBe(3004)
    expect(entryPerms(table.lookup(3000))).toBe(1)
    expect(table.lookup(3001)).toBe(0)
    expect(table.lookup(0)).toBe(0)
    expect(table.mapped).toBe(3002)
    table.unmap(1, 3000)
    expect(table.lookup(2000)).toBe(0)
    table.map(1024, 7, 1024, 2)
    expect(entryFrame(table.lookup(2047))).toBe(1030)
    expect(entryPerms(table.lookup(2047))).toBe(2)
    table.unmap(1024, 1024)
    expect(table.lookup(1024)).toBe(0)
    table.unmap(2 ** 30 - 2, 2)
    expect(table.mapped).toBe(0)
  })

  it('asserts that nothing is mapped or unmapped twice', () => {
    const table = new PageTable()
    table.map(10, 1, 2, 1)
    expect(() => table.map(11, 1, 1, 1)).toThrow('already')
    expect(() => table.unmap(12, 1)).toThrow('not mapped')
    expect(() => table.unmap(50_000, 1)).toThrow('not mapped')
    expect(() => table.map(20, 2 ** 30, 1, 1)).toThrow('frame')
    expect(() => table.map(20, 1, 1, 0)).toThrow('permissions')
    expect(() => table.map(2 ** 30, 1, 1, 1)).toThrow('page number')
  })
})

describe('IOTLB', () => {
  it('serves page 0 and frame 0 only when they were entered', () => {
    const tlb = new Iotlb()
    expect(tlb.lookup(0)).toBe(-1)
    const table = new PageTable()
    expect(tlb.fill(0, table)).toBe(-1)
    table.map(0, 0, 1, 1)
    expect(tlb.lookup(0)).toBe(-1)
    const slot = tlb.fill(0, table)
    expect(tlb.lookup(0)).toBe(slot)
    expect(tlb.frame(slot, 0)).toBe(0)
    tlb.flushRange(0, 1)
    expect(tlb.lookup(0)).toBe(-1)
  })

  it('serves no entry of an old generation after the count of flushes began anew', () => {
    const table = new PageTable()
    const tlb = new Iotlb()
    table.map(7, 70, 1, 3)
    tlb.fill(7, table)
    let served = 0
    for (let flushes = 0; flushes < 0x1_0005; flushes++) {
      tlb.flushAll()
      if (tlb.lookup(7) >= 0) served++
    }
    expect(served).toBe(0)
    expect(tlb.lookup(tlb.fill(7, table) >= 0 ? 7 : -1)).toBeGreaterThanOrEqual(0)
  })

  it('forgets a run that began before the range, and nothing of another window', () => {
    const table = new PageTable()
    const tlb = new Iotlb()
    table.map(256, 1000, 256, 3)
    table.map(512, 5000, 256, 3)
    table.map(16, 90, 4, 3)
    tlb.fill(256, table)
    tlb.fill(512, table)
    tlb.fill(16, table)
    expect(tlb.end(tlb.lookup(300))).toBe(512)
    tlb.flushRange(511, 1)
    expect(tlb.lookup(256)).toBe(-1)
    expect(tlb.lookup(600)).toBeGreaterThanOrEqual(0)
    tlb.flushRange(18, 1)
    expect(tlb.lookup(16)).toBe(-1)
    tlb.fill(16, table)
    tlb.flushRange(0, 100_000)
    expect(tlb.lookup(600)).toBe(-1)
    expect(tlb.lookup(16)).toBe(-1)
  })
})

describe('flush queue', () => {
  it('flushes when it is full and when its timer fires', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    let flushes = 0
    const freed: number[] = []
    const queue = new FlushQueue(scheduler, {
      flushIotlb: () => void flushes++,
      freeIova: (pfn) => void freed.push(pfn),
    })
    queue.flush()
    expect(flushes).toBe(0)
    for (let i = 0; i < 255; i++) queue.add(i, 1)
    expect(flushes).toBe(0)
    queue.add(256, 1)
    expect([flushes, freed.length, queue.count]).toEqual([1, 255, 1])
    scheduler.runUntilIdle()
    expect([flushes, freed.length, queue.count]).toEqual([2, 256, 0])
    expect(scheduler.nowNs()).toBe(10_000_000)
    queue.add(1, 1)
    queue.destroy()
    expect([flushes, freed.length]).toEqual([3, 257])
    scheduler.runUntilIdle()
    expect(scheduler.nowNs()).toBe(10_000_000)
  })
})

describe('a device behind the IOMMU', () => {
  it('strict: an unmapped address faults at once, and every unmap is a flush', () => {
    const bench = makeBench(16)
    const device = bench.device()
    const addr = bench.memory.allocPages(0) * PAGE_SIZE
    const dma = device.dma.mapSingle(addr + 100, 50, 0)
    expect(dma % PAGE_SIZE).toBe(100)
    expect(busWrite(device, dma, new Uint8Array(50))).toBe(true)
    device.dma.unmapSingle(dma, 50, 0)
    expect(bench.iommu.stats).toMatchObject({ maps: 1, unmaps: 1, iotlbFlushes: 1, faults: 0 })
    expect(busRead(device, dma, 1)).toBeNull()
    expect(bench.iommu.faults).toEqual([
      { deviceName: 'dev0', busAddr: dma, length: 1, access: BusAccess.READ, reason: 'unmapped' },
    ])
    expect(device.bus.faultCount).toBe(1)
    device.destroy()
  })

  it('lazy: what the IOTLB holds is served until the flush, and its address is not reused before', () => {
    const bench = makeBench(16, { checked: true })
    const device = bench.device({ iommuMode: 'lazy' })
    const addr = bench.memory.allocPages(0) * PAGE_SIZE
    const dma = device.dma.mapSingle(addr, 64, 2)
    expect(busWrite(device, dma, new Uint8Array(64))).toBe(true)
    device.dma.unmapSingle(dma, 64, 2)
    expect(bench.iommu.stats.iotlbFlushes).toBe(0)
    expect(busWrite(device, dma, new Uint8Array(64))).toBe(true)
    expect(bench.iommu.stats.staleHits).toBe(1)
    const other = device.dma.mapSingle(addr, 64, 2)
    expect(other).not.toBe(dma)
    bench.scheduler.runUntilIdle()
    expect(bench.iommu.stats.iotlbFlushes).toBe(1)
    expect(busWrite(device, dma, new Uint8Array(64))).toBe(false)
    expect(device.dma.mapSingle(addr + 1024, 64, 2)).toBe(dma + 1024)
    device.dma.unmapSingle(other, 64, 2)
    device.dma.unmapSingle(dma + 1024, 64, 2)
    device.destroy()
    expect(bench.scheduler.outstanding()).toEqual([])
  })

  it('lazy: flushes early rather than run out of addresses', () => {
    const bench = makeBench(64)
    const device = bench.device({ iommuMode: 'lazy', dmaMaskBits: 17 })
    const addr = bench.memory.allocContiguous(32) * PAGE_SIZE
    for (let i = 0; i < 40; i++) {
      const dma = device.dma.mapSingle(addr, 8 * PAGE_SIZE, 0)
      expect(dma).toBeGreaterThan(0)
      device.dma.unmapSingle(dma, 8 * PAGE_SIZE, 0)
    }
    expect(bench.iommu.stats.iotlbFlushes).toBeGreaterThan(5)
    device.destroy()
  })

  it('fails without device addresses: -1 for one buffer, ENOMEM for a table, and leaves nothing', () => {
    const bench = makeBench(64)
    const device = bench.device({ dmaMaskBits: 16 })
    const frame = bench.memory.allocContiguous(32)
    expect(device.dma.mapSingle(frame * PAGE_SIZE, 17 * PAGE_SIZE, 0)).toBe(-1)
    const table = new SgTable()
    table.append(frame, 0, 17 * PAGE_SIZE)
    expect(() => device.dma.mapSgtable(table, 0)).toThrow(KernelError)
    expect(table.mapping).toBeNull()
    expect(() => device.dma.allocCoherent(17 * PAGE_SIZE)).toThrow('no device address')
    expect(() => device.dma.allocCoherent(0)).toThrow('coherent')
    expect(() => device.dma.allocCoherent(64 * PAGE_SIZE)).toThrow('no contiguous memory')
    expect(bench.iommu.stats.maps).toBe(0)
    expect(bench.memory.stats.pagesAllocated).toBe(32)
    device.destroy()
  })

  it('refuses the wrong direction, disabled bus mastering, and addresses that cannot be', () => {
    const seen: string[] = []
    const bench = makeBench(16)
    const device = bench.device({ onFault: (fault) => void seen.push(fault.reason) })
    const dma = device.dma.mapSingle(bench.memory.allocPages(0) * PAGE_SIZE, 4096, 1)
    expect(busRead(device, dma, 4)).not.toBeNull()
    expect(busWrite(device, dma, new Uint8Array(4))).toBe(false)
    for (const addr of [0, -1, 2 ** 63, Number.NaN, dma - 1]) {
      expect(busRead(device, addr, 4)).toBeNull()
    }
    device.bus.enabled = false
    expect(busRead(device, dma, 4)).toBeNull()
    device.bus.enabled = true
    expect(busRead(device, dma, 4)).not.toBeNull()
    const out = new BusRange()
    expect(() => device.bus.translate(dma, 0, 1, out)).toThrow('positive')
    expect(out.region.frames).toBe(0)
    expect(seen).toEqual(['permission', ...new Array(5).fill('unmapped'), 'disabled'])
    expect(bench.iommu.stats.faults).toBe(7)
    device.dma.unmapSingle(dma, 4096, 1)
    device.destroy()
    expect(busRead(device, dma, 4)).toBeNull()
  })

  it('keeps the latest faults only, and calls whoever asked', () => {
    const bench = makeBench(1)
    let calls = 0
    const iommu = createIommu({ kernel: bench.kernel }, { onFault: () => void calls++ })
    for (let i = 0; i < 300; i++) {
      iommu.reportFault({ deviceName: 'd', busAddr: i, length: 1, access: 1, reason: 'unmapped' })
    }
    expect([calls, iommu.stats.faults, iommu.faults.length]).toEqual([300, 300, 256])
    expect(iommu.faults[0]?.busAddr).toBe(44)
    expect(() => iommu.createDomain('strict', 12)).toThrow('13 to 64')
  })

  it('traces faults', () => {
    const bench = makeBench(1)
    const events: unknown[] = []
    bench.kernel.tracer.subscribe(
      (name) => name === 'iommu:io_page_fault',
      (event) => void events.push([...event.values]),
    )
    busRead(bench.device(), 4096, 8)
    expect(events).toEqual([['dev0', 4096, 8, 1, 'unmapped']])
  })
})
