// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { DmaAttrs, DmaDirection, PAGE_SIZE, SgTable } from '../../../src/index.ts'
import { busRead, busWrite, makeBench, pattern } from '../../support.ts'

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = DmaDirection
const modes = ['strict', 'lazy', 'passthrough'] as const

function setUp(iommuMode: (typeof modes)[number], coherent: boolean, checked = false) {
  const bench = makeBench(64, { checked })
  const device = bench.device({ iommuMode, coherent })
  const frame = bench.memory.allocContiguous(8)
  const table = new SgTable()
  for (let i = 3; i >= 0; i--) table.append(frame + 2 * i, 0, PAGE_SIZE)
  const cpuRead = (at: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    bench.memory.read(table.physAddrAt(Math.floor(at / PAGE_SIZE)) + (at % PAGE_SIZE), bytes)
    return bytes
  }
  const cpuWrite = (at: number, bytes: Uint8Array): void =>
    bench.memory.write(table.physAddrAt(Math.floor(at / PAGE_SIZE)) + (at % PAGE_SIZE), bytes)
  /** Device address of a byte of the buffer. */
  const dmaOf = (at: number): number =>
    table.nents === 1
      ? table.dmaAddressAt(0) + at
      : table.dmaAddressAt(Math.floor(at / PAGE_SIZE)) + (at % PAGE_SIZE)
  return { ...bench, device, table, cpuRead, cpuWrite, dmaOf }
}

describe.each(modes)('syncs of a coherent device, %s', (iommuMode) => {
  it('R-NVME-3: count and cost nothing else', () => {
    const t = setUp(iommuMode, true)
    t.device.dma.mapSgtable(t.table, BIDIRECTIONAL)
    t.device.dma.syncSingleForDevice(t.dmaOf(0), 512, BIDIRECTIONAL)
    t.device.dma.syncSingleForCpu(t.dmaOf(512), 100, BIDIRECTIONAL)
    expect(t.device.dma.stats).toMatchObject({
      syncsForDevice: 1,
      syncsForCpu: 1,
      syncBytes: 612,
      syncCopyBytes: 0,
    })
    t.cpuWrite(0, pattern(512, 1))
    expect(busRead(t.device, t.dmaOf(0), 512)).toEqual(pattern(512, 1))
    expect(t.memory.regions[0]?.deviceSide).toBe(t.memory.regions[0])
    t.device.dma.unmapSgtable(t.table, BIDIRECTIONAL)
    t.device.destroy()
  })
})

describe.each(modes)('a device that does not snoop, %s', (iommuMode) => {
  it('R-NVME-3: a missing sync gives stale bytes in both directions', () => {
    const t = setUp(iommuMode, false)
    t.cpuWrite(0, pattern(1024, 1))
    t.device.dma.mapSgtable(t.table, BIDIRECTIONAL)
    expect(busRead(t.device, t.dmaOf(0), 1024)).toEqual(pattern(1024, 1))
    t.cpuWrite(0, pattern(1024, 2))
    expect(busRead(t.device, t.dmaOf(0), 1024)).toEqual(pattern(1024, 1))
    t.device.dma.syncSingleForDevice(t.dmaOf(0), 1024, BIDIRECTIONAL)
    expect(busRead(t.device, t.dmaOf(0), 1024)).toEqual(pattern(1024, 2))
    expect(busWrite(t.device, t.dmaOf(0), pattern(1024, 3))).toBe(true)
    expect(t.cpuRead(0, 1024)).toEqual(pattern(1024, 2))
    t.device.dma.syncSingleForCpu(t.dmaOf(0), 1024, BIDIRECTIONAL)
    expect(t.cpuRead(0, 1024)).toEqual(pattern(1024, 3))
    t.device.dma.unmapSgtable(t.table, BIDIRECTIONAL)
    t.device.destroy()
  })

  it('R-NVME-3: byte-exact syncs of two requests in one page lose nothing, a widened one does', () => {
    const t = setUp(iommuMode, false)
    const { dma } = t.device
    dma.mapSgtable(t.table, BIDIRECTIONAL)
    // Request A is a read at 0, request B a read at 512: both are under way.
    dma.syncSingleForDevice(t.dmaOf(0), 512, BIDIRECTIONAL)
    dma.syncSingleForDevice(t.dmaOf(512), 512, BIDIRECTIONAL)
    busWrite(t.device, t.dmaOf(0), pattern(512, 1))
    busWrite(t.device, t.dmaOf(512), pattern(256, 2))
    // A ends, and the CPU reuses its bytes while B goes on.
    dma.syncSingleForCpu(t.dmaOf(0), 512, BIDIRECTIONAL)
    expect(t.cpuRead(0, 512)).toEqual(pattern(512, 1))
    t.cpuWrite(0, pattern(512, 9))
    dma.syncSingleForDevice(t.dmaOf(0), 512, BIDIRECTIONAL)
    busWrite(t.device, t.dmaOf(768), pattern(512, 2).subarray(256))
    dma.syncSingleForCpu(t.dmaOf(512), 512, BIDIRECTIONAL)
    expect(t.cpuRead(512, 512)).toEqual(pattern(512, 2))
    expect(t.cpuRead(0, 512)).toEqual(pattern(512, 9))
    // The same with the page in place of the bytes: the sync of A writes stale bytes over what the device wrote for B.
    busWrite(t.device, t.dmaOf(512), pattern(512, 5))
    dma.syncSingleForDevice(t.dmaOf(0), PAGE_SIZE, BIDIRECTIONAL)
    dma.syncSingleForCpu(t.dmaOf(512), 512, BIDIRECTIONAL)
    expect(t.cpuRead(512, 512)).not.toEqual(pattern(512, 5))
    dma.unmapSgtable(t.table, BIDIRECTIONAL)
    t.device.destroy()
  })

  it('unmap gives the bytes to the CPU, unless data only went to the device', () => {
    for (const direction of [FROM_DEVICE, BIDIRECTIONAL, TO_DEVICE]) {
      const t = setUp(iommuMode, false)
      t.cpuWrite(4096, pattern(4096, 1))
      t.device.dma.mapSgtable(t.table, direction)
      const side = t.memory.regions[0]?.deviceSide
      side?.bytes.fill(5)
      t.device.dma.unmapSgtable(t.table, direction)
      const want = direction === TO_DEVICE ? pattern(4096, 1) : new Uint8Array(4096).fill(5)
      expect(t.cpuRead(4096, 4096)).toEqual(want)
      t.device.destroy()
    }
  })

  it('single mappings sync too', () => {
    const t = setUp(iommuMode, false)
    const addr = t.table.physAddrAt(0)
    t.memory.write(addr + 50, pattern(100, 1))
    const out = t.device.dma.mapSingle(addr + 50, 100, TO_DEVICE)
    expect(busRead(t.device, out, 100)).toEqual(pattern(100, 1))
    t.device.dma.unmapSingle(out, 100, TO_DEVICE)
    const back = t.device.dma.mapSingle(addr + 50, 100, FROM_DEVICE)
    busWrite(t.device, back, pattern(100, 2))
    expect(t.cpuRead(50, 100)).toEqual(pattern(100, 1))
    t.device.dma.unmapSingle(back, 100, FROM_DEVICE)
    expect(t.cpuRead(50, 100)).toEqual(pattern(100, 2))
    expect(t.device.dma.stats).toMatchObject({ maps: 2, unmaps: 2, syncCopyBytes: 300 })
    t.device.destroy()
  })

  it('a mapping that skips syncs moves nothing until a sync says so', () => {
    const t = setUp(iommuMode, false)
    t.cpuWrite(0, pattern(100, 1))
    t.device.dma.mapSgtable(t.table, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    expect(busRead(t.device, t.dmaOf(0), 100)).toEqual(new Uint8Array(100))
    t.device.dma.syncSgtableForDevice(t.table, BIDIRECTIONAL)
    expect(busRead(t.device, t.dmaOf(0), 100)).toEqual(pattern(100, 1))
    busWrite(t.device, t.dmaOf(0), pattern(100, 2))
    t.device.dma.syncSgtableForCpu(t.table, BIDIRECTIONAL)
    expect(t.cpuRead(0, 100)).toEqual(pattern(100, 2))
    busWrite(t.device, t.dmaOf(0), pattern(100, 3))
    t.device.dma.unmapSgtable(t.table, BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    expect(t.cpuRead(0, 100)).toEqual(pattern(100, 2))
    t.device.destroy()
  })
})

describe('a device that does not snoop', () => {
  it('finds RAM that was added after it, and shares peer memory with everyone', () => {
    const bench = makeBench(4)
    const device = bench.device({ coherent: false, peerToPeer: true })
    const late = bench.memory.addRegion({ frames: 4, kind: 'ram', backing: 'plain' })
    expect(late.deviceSide).not.toBe(late)
    const bar = bench.memory.addRegion({ frames: 1, kind: 'device', backing: 'plain' })
    expect(bar.deviceSide).toBe(bar)
    const dma = device.dma.mapSingle(bar.baseAddr, 64, BIDIRECTIONAL)
    busWrite(device, dma, pattern(64, 1))
    device.dma.unmapSingle(dma, 64, BIDIRECTIONAL)
    expect(bar.bytes.subarray(0, 64)).toEqual(pattern(64, 1))
    expect(device.dma.stats.syncCopyBytes).toBe(0)
    device.destroy()
  })

  it('asserts that what is synced is mapped', () => {
    const bench = makeBench(4)
    const device = bench.device({ coherent: false })
    expect(() => device.dma.syncSingleForCpu(4096, 4, BIDIRECTIONAL)).toThrow('not mapped')
    const direct = bench.device({ coherent: false, iommuMode: 'passthrough' })
    expect(() => direct.dma.syncSingleForCpu(4096, 4, BIDIRECTIONAL)).toThrow('no memory')
    device.destroy()
    direct.destroy()
  })
})

describe('tracepoints of the DMA operations', () => {
  it('name the device, direction, addresses and bytes', () => {
    const t = setUp('passthrough', true)
    const events: string[] = []
    t.kernel.tracer.subscribe(
      (name) => name.startsWith('dma:'),
      (event) => void events.push(`${event.point} ${event.values.join(' ')}`),
    )
    const { dma } = t.device
    const addr = t.table.physAddrAt(0)
    dma.mapSgtable(t.table, TO_DEVICE)
    dma.syncSingleForDevice(addr, 8, TO_DEVICE)
    dma.syncSingleForCpu(addr, 8, TO_DEVICE)
    dma.unmapSgtable(t.table, TO_DEVICE)
    dma.unmapSingle(dma.mapSingle(addr, 16, FROM_DEVICE), 16, FROM_DEVICE)
    const block = dma.allocCoherent(100)
    dma.freeCoherent(block)
    const at = block.physAddr
    expect(events).toEqual([
      `dma:dma_map_sg dev0 TO_DEVICE 4 4 ${addr} 16384`,
      `dma:dma_sync_single_for_device dev0 TO_DEVICE ${addr} 8`,
      `dma:dma_sync_single_for_cpu dev0 TO_DEVICE ${addr} 8`,
      `dma:dma_unmap_sg dev0 TO_DEVICE 4 4 ${addr} 16384`,
      `dma:dma_map_phys dev0 FROM_DEVICE ${addr} ${addr} 16`,
      `dma:dma_unmap_phys dev0 FROM_DEVICE ${addr} 16`,
      `dma:dma_alloc dev0 ${at} ${at} 100`,
      `dma:dma_free dev0 ${at} ${at} 100`,
    ])
    t.device.destroy()
  })
})
