// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createDevice,
  createPhysicalMemory,
  DmaDirection,
  PAGE_POISON,
  PAGE_SIZE,
  SgTable,
} from '../../../src/index.ts'
import { busRead, busWrite, checksOf, makeBench } from '../../support.ts'

const { FROM_DEVICE, TO_DEVICE } = DmaDirection

describe('memory that was given back', () => {
  it('is reported when a device has it mapped, and at every access of the device after that', () => {
    const bench = makeBench(16, { checked: true, keep: true })
    const device = bench.device()
    const frame = bench.memory.allocPages(1)
    const table = new SgTable()
    table.append(frame, 0, 2 * PAGE_SIZE)
    device.dma.mapSgtable(table, FROM_DEVICE)
    const address = table.dmaAddressAt(0)
    expect(busWrite(device, address, new Uint8Array(10))).toBe(true)
    bench.memory.freePages(frame, 1)
    expect(checksOf(bench.kernel)).toEqual(['dma-free-mapped'])
    busWrite(device, address + PAGE_SIZE, new Uint8Array(10))
    expect(checksOf(bench.kernel)).toEqual(['dma-free-mapped', 'dma-given-back'])
    expect(bench.kernel.reports[1]?.message).toContain('memory that was given back')
    device.dma.unmapSgtable(table, FROM_DEVICE)
  })

  it('is reported without an IOMMU too, where no fault stops the access', () => {
    const bench = makeBench(16, { checked: true, keep: true })
    const device = bench.device({ iommuMode: 'passthrough' })
    const frame = bench.memory.allocContiguous(3)
    bench.memory.freeContiguous(frame, 3)
    busRead(device, frame * PAGE_SIZE + 5000, 16)
    expect(checksOf(bench.kernel)).toEqual(['dma-given-back'])
  })

  it('is reported when a device maps it, or the CPU touches it', () => {
    const bench = makeBench(16, { checked: true, keep: true })
    const device = bench.device()
    bench.memory.allocPages(0)
    const frame = bench.memory.allocPages(0)
    const addr = frame * PAGE_SIZE
    bench.memory.freePages(frame, 0)
    const dma = device.dma.mapSingle(addr + 8, 16, TO_DEVICE)
    expect(checksOf(bench.kernel)).toEqual(['dma-given-back'])
    device.dma.unmapSingle(dma, 16, TO_DEVICE)
    bench.memory.read(addr, new Uint8Array(4))
    bench.memory.write(addr - 4, new Uint8Array(8))
    bench.memory.write(addr - 4, new Uint8Array(4))
    expect(checksOf(bench.kernel).slice(1)).toEqual(['cpu-given-back', 'cpu-given-back'])
    expect(bench.memory.allocPages(0)).toBe(frame)
    bench.memory.write(addr, new Uint8Array(8))
    expect(bench.kernel.reports).toHaveLength(3)
  })

  it('is not what nobody ever allocated', () => {
    const bench = makeBench(16, { checked: true })
    const base = bench.memory.regions[0]?.baseAddr ?? 0
    bench.memory.write(base, new Uint8Array(8))
    bench.memory.freePages(bench.memory.allocPages(0), 0)
    bench.memory.write(base + 8 * PAGE_SIZE, new Uint8Array(8))
    expect(bench.kernel.reports).toEqual([])
  })
})

describe('page poisoning', () => {
  function poisoned() {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const kernel = createKernel({ scheduler }, { onReport: () => undefined })
    const init = { ramBytes: 8 * PAGE_SIZE, backing: 'plain', pagePoisoning: true } as const
    return { kernel, memory: createPhysicalMemory({ kernel }, init) }
  }

  it('finds a write to a free page, by whatever way it came', () => {
    const { kernel, memory } = poisoned()
    const frame = memory.allocPages(1)
    const region = memory.regions[0]
    const offset = (frame - (region?.baseFrame ?? 0)) * PAGE_SIZE
    memory.freePages(frame, 1)
    expect(region?.bytes[offset]).toBe(PAGE_POISON)
    expect(memory.allocPages(1)).toBe(frame)
    expect(kernel.reports).toEqual([])
    memory.freePages(frame, 1)
    region?.bytes.fill(1, offset + PAGE_SIZE + 7, offset + PAGE_SIZE + 8)
    expect(memory.allocPages(1)).toBe(frame)
    expect(checksOf(kernel)).toEqual(['page-poison'])
    expect(kernel.reports[0]?.message).toContain(((frame + 1) * PAGE_SIZE + 7).toString(16))
  })

  it('watches the side of devices that do not snoop as well', () => {
    const { kernel, memory } = poisoned()
    createDevice(
      { kernel, memory, iommu: null },
      { name: 'dev', iommuMode: 'passthrough', coherent: false },
    )
    const region = memory.regions[0]
    const frame = memory.allocContiguous(2)
    memory.freeContiguous(frame, 2)
    const offset = (frame - (region?.baseFrame ?? 0)) * PAGE_SIZE
    region?.deviceSide.bytes.fill(1, offset, offset + 1)
    expect(memory.allocContiguous(2)).toBe(frame)
    expect(checksOf(kernel)).toEqual(['page-poison'])
  })
})

describe('a copy that is under way', () => {
  it('is reported to whoever touches its target before it ends', () => {
    const bench = makeBench(16, { checked: true, keep: true })
    const device = bench.device({ iommuMode: 'passthrough' })
    const addr = bench.memory.allocPages(1) * PAGE_SIZE
    const id = bench.memory.debug?.copyBegins('copy engine', addr + PAGE_SIZE, PAGE_SIZE) ?? -1
    busRead(device, addr, PAGE_SIZE)
    bench.memory.read(addr, new Uint8Array(PAGE_SIZE))
    expect(bench.kernel.reports).toEqual([])
    busRead(device, addr + PAGE_SIZE - 4, 8)
    bench.memory.read(addr + PAGE_SIZE, new Uint8Array(1))
    expect(checksOf(bench.kernel)).toEqual(['dma-unfinished-copy', 'dma-unfinished-copy'])
    expect(bench.kernel.reports[0]?.message).toContain('which copy engine is still to write')
    bench.memory.debug?.copyEnds(id)
    busRead(device, addr + PAGE_SIZE, 8)
    expect(bench.kernel.reports).toHaveLength(2)
  })

  it('is reported when its target is given back before it ends', () => {
    const bench = makeBench(16, { checked: true, keep: true })
    const frame = bench.memory.allocPages(1)
    const id = bench.memory.debug?.copyBegins('copy engine', frame * PAGE_SIZE, PAGE_SIZE) ?? -1
    bench.memory.freePages(frame, 1)
    expect(checksOf(bench.kernel)).toEqual(['dma-unfinished-copy'])
    bench.memory.debug?.copyEnds(id)
  })
})

describe('P3: the window of a device on the bus', () => {
  it('P3 refuses to map beyond it, and faults an access there', () => {
    const bench = makeBench(16, { checked: true })
    const apertureBytes = 4 * PAGE_SIZE
    const vram = bench.memory.addRegion({
      frames: 8,
      kind: 'device',
      backing: 'plain',
      apertureBytes,
    })
    expect(vram.apertureBytes).toBe(apertureBytes)
    const device = bench.device({ peerToPeer: true })
    const frame = bench.memory.allocContiguous(8, vram)
    const inside = new SgTable()
    inside.append(frame, 0, apertureBytes)
    device.dma.mapSgtable(inside, FROM_DEVICE)
    device.dma.unmapSgtable(inside, FROM_DEVICE)
    const across = new SgTable()
    across.append(frame, 0, apertureBytes + PAGE_SIZE)
    expect(() => device.dma.mapSgtable(across, FROM_DEVICE)).toThrow('beyond the window')
    const end = vram.baseAddr + apertureBytes
    expect(device.dma.mapSingle(end - 16, 16, FROM_DEVICE)).toBe(end - 16)
    expect(device.dma.mapSingle(end - 16, 17, FROM_DEVICE)).toBe(-1)
    expect(busWrite(device, end - 16, new Uint8Array(16))).toBe(true)
    expect(busWrite(device, end - 16, new Uint8Array(17))).toBe(false)
    expect(device.bus.faultCount).toBe(1)
    device.dma.unmapSingle(end - 16, 16, FROM_DEVICE)
    bench.memory.freeContiguous(frame, 8)
    for (const bad of [-PAGE_SIZE, 100, 9 * PAGE_SIZE]) {
      const init = { frames: 8, kind: 'device', backing: 'plain', apertureBytes: bad } as const
      expect(() => bench.memory.addRegion(init)).toThrow('apertureBytes')
    }
  })
})

describe('allocation on a path that signals', () => {
  it('is reported for pages, ranges and coherent memory, and not for a mapping of a single request', () => {
    const bench = makeBench(64, { checked: true, keep: true })
    const device = bench.device()
    const addr = bench.memory.allocPages(0) * PAGE_SIZE
    const section = bench.kernel.signalling.begin('test')
    const dma = device.dma.mapSingle(addr, 16, TO_DEVICE)
    device.dma.unmapSingle(dma, 16, TO_DEVICE)
    expect(bench.kernel.reports).toEqual([])
    bench.memory.freePages(bench.memory.allocPages(0), 0)
    bench.memory.freeContiguous(bench.memory.allocContiguous(3), 3)
    device.dma.freeCoherent(device.dma.allocCoherent(100))
    bench.kernel.signalling.end(section)
    expect(checksOf(bench.kernel)).toEqual(['dma-fence', 'dma-fence', 'dma-fence'])
    expect(bench.kernel.reports[0]?.message).toContain('alloc_pages')
  })
})
