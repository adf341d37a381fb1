// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createKernel,
  createPrng,
  createVirtualScheduler,
  joinTask,
  type Op,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  DmaDirection,
  IommuMode,
  PAGE_SIZE,
  SgTable,
} from '../../src/index.ts'
import { busRead, busWrite, pattern, same } from '../support.ts'

const { BIDIRECTIONAL, TO_DEVICE } = DmaDirection
const SECTORS = 8
const SECTOR = 512

/**
 * One registered buffer of one page; a task a sector reads and writes it again and again through a device that does not
 * snoop, each with exact syncs. Other tasks map and unmap a page of their own a request. Returns the trace.
 */
function simulate(seed: number, iommuMode: IommuMode): string[] {
  const scheduler = createVirtualScheduler({ seed })
  const kernel = createKernel({ scheduler }, { checked: true })
  const trace: string[] = []
  kernel.tracer.subscribe(
    () => true,
    (event) => void trace.push(`${event.task} ${event.point} ${event.values.join(' ')}`),
  )
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 32 * PAGE_SIZE, backing: 'plain' })
  const iommu = createIommu({ kernel })
  const device = createDevice({ kernel, memory, iommu }, { name: 'd', iommuMode, coherent: false })
  const frame = memory.allocPages(0)
  const table = new SgTable(1)
  table.append(frame, 0, PAGE_SIZE)
  device.dma.mapSgtable(table, BIDIRECTIONAL)
  device.dma.syncSgtableForCpu(table, BIDIRECTIONAL)

  function* sector(index: number): Op<void> {
    const prng = createPrng(seed * 100 + index)
    const cpu = frame * PAGE_SIZE + index * SECTOR
    const dma = table.dmaAddressAt(0) + index * SECTOR
    for (let round = 0; round < 6; round++) {
      const bytes = pattern(SECTOR, prng.below(1000))
      const read = prng.below(2) === 0
      if (!read) memory.write(cpu, bytes)
      device.dma.syncSingleForDevice(dma, SECTOR, BIDIRECTIONAL)
      yield* yieldNow(scheduler)
      const half = prng.below(SECTOR)
      if (read) {
        expect(busWrite(device, dma, bytes.subarray(0, half))).toBe(true)
        yield* yieldNow(scheduler)
        expect(busWrite(device, dma + half, bytes.subarray(half))).toBe(true)
      } else expect(same(busRead(device, dma, SECTOR), bytes)).toBe(true)
      yield* yieldNow(scheduler)
      device.dma.syncSingleForCpu(dma, SECTOR, BIDIRECTIONAL)
      const seen = new Uint8Array(SECTOR)
      memory.read(cpu, seen)
      expect(same(seen, bytes)).toBe(true)
      yield* yieldNow(scheduler)
    }
  }

  function* mapper(index: number): Op<void> {
    for (let round = 0; round < 6; round++) {
      const page = memory.allocPages(0)
      const bytes = pattern(100, index + round)
      memory.write(page * PAGE_SIZE + 7, bytes)
      const dma = device.dma.mapSingle(page * PAGE_SIZE + 7, 100, TO_DEVICE)
      yield* yieldNow(scheduler)
      expect(same(busRead(device, dma, 100), bytes)).toBe(true)
      device.dma.unmapSingle(dma, 100, TO_DEVICE)
      yield* yieldNow(scheduler)
      memory.freePages(page, 0)
    }
  }

  function* all(): Op<void> {
    const tasks = Array.from({ length: SECTORS }, (_, i) => scheduler.spawn(`s${i}`, sector(i)))
    for (let i = 0; i < 3; i++) tasks.push(scheduler.spawn(`m${i}`, mapper(i)))
    for (const task of tasks) yield* joinTask(scheduler, task)
  }

  scheduler.runSync('all', all())
  device.dma.unmapSgtable(table, BIDIRECTIONAL)
  device.destroy()
  memory.freePages(frame, 0)
  scheduler.runUntilIdle()
  expect(memory.stats.pagesAllocated).toBe(0)
  expect(memory.debug?.count).toBe(0)
  expect(iommu.stats.maps).toBe(iommu.stats.unmaps)
  expect(iommu.stats.faults).toBe(0)
  expect(scheduler.outstanding()).toEqual([])
  expect(kernel.reports).toEqual([])
  return trace
}

describe('requests that share a segment', () => {
  it.each(Object.values(IommuMode))(
    'R-NVME-3: %s: no seed loses a byte, and one seed gives one trace',
    (mode) => {
      for (let seed = 1; seed <= 60; seed++) {
        const trace = simulate(seed, mode)
        if (seed % 20 === 0)
          expect(simulate(seed, mode).join('\n') === trace.join('\n'), `seed ${seed}`).toBe(true)
      }
    },
  )
})
