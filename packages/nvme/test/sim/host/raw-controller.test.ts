// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createMemoryStore, createNvmeController } from '../../../src/controller/index.ts'
import { openRawController, type RawController } from '../../../src/host/index.ts'
import { AdminOpcode, Cns, NvmOpcode, SqeOffset, setUint64 } from '../../../src/spec/index.ts'
import { pattern } from './rig.ts'

function makeStack() {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 8 << 20, backing: 'plain' })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'nvme0', iommuMode: 'passthrough' },
  )
  const controller = createNvmeController(
    { kernel, bus: device.bus },
    { maxQueuePairs: 2, maxQueueEntries: 64 },
  )
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: 1 << 20 })
  controller.addNamespace(1, { store })
  const components = { kernel, device, bar: controller.bar }
  const run = <T>(op: Op<T>): T => scheduler.runSync('test', op)
  return {
    components,
    controller,
    store,
    run,
    scheduler,
    close(raw: RawController): void {
      run(raw.close())
      run(raw.close())
      controller.destroy()
      run(store.close())
      scheduler.runUntilIdle()
      expect(device.bus.enabled).toBe(false)
      device.destroy()
      expect(kernel.reports).toEqual([])
      expect(memory.stats.pagesAllocated).toBe(0)
    },
  }
}

function entry(opcode: number, commandId: number, init: Readonly<Record<number, number>> = {}) {
  const bytes = new Uint8Array(64)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, opcode | (commandId << 16), true)
  view.setUint32(SqeOffset.NSID, 1, true)
  for (const [at, value] of Object.entries(init)) view.setUint32(Number(at), value, true)
  return { bytes, view }
}

describe('raw queues', () => {
  it('an entry is posted, rung and reaped, each when the caller says', () => {
    const stack = makeStack()
    const raw = stack.run(openRawController(stack.components))
    const block = raw.allocate(4096)
    const { bytes, view } = entry(AdminOpcode.IDENTIFY, 7, {
      [SqeOffset.CDW10]: Cns.CONTROLLER,
      [SqeOffset.NSID]: 0,
    })
    setUint64(view, SqeOffset.PRP1, block.dmaAddr)
    raw.admin.post(bytes)
    stack.scheduler.runUntilIdle()
    expect(raw.admin.reap()).toEqual([])
    raw.admin.ring()
    stack.scheduler.runUntilIdle()
    expect(raw.admin.reap()).toEqual([{ commandId: 7, status: 0, result: 0, sqHead: 1 }])
    const serial = block.region.bytes.subarray(block.offset + 4, block.offset + 16)
    expect(new TextDecoder().decode(serial)).toBe('IOLAYERS0001')
    stack.close(raw)
  })

  it('I/O queues go round and round; what no driver would send gets its status', () => {
    const stack = makeStack()
    const raw = stack.run(openRawController(stack.components))
    const io = stack.run(raw.createQueuePair(1, 4))
    const block = raw.allocate(4096)
    const bytes = pattern(512, 5)
    block.region.bytes.set(bytes, block.offset)
    for (let round = 0; round < 10; round++) {
      const write = entry(NvmOpcode.WRITE, round, { [SqeOffset.CDW10]: round })
      setUint64(write.view, SqeOffset.PRP1, block.dmaAddr)
      io.post(write.bytes)
      // Fused, second, without a first.
      const lone = entry(NvmOpcode.WRITE, 0x100 + round)
      lone.bytes[1] = 2
      io.post(lone.bytes)
      io.ring()
      const ends = [stack.run(io.next()), stack.run(io.next())]
      expect(ends.map(({ commandId }) => commandId)).toEqual([round, 0x100 + round])
      expect(ends.map(({ status }) => status & 0x7ff)).toEqual([0, 0x00a])
    }
    expect(stack.store.segments[0]?.slice(9 * 512, 10 * 512)).toEqual(bytes)
    stack.close(raw)
  })

  it('refuses what does not fit a queue', () => {
    const stack = makeStack()
    const raw = stack.run(openRawController(stack.components, { timeoutNs: 1e6 }))
    expect(() => raw.admin.post(new Uint8Array(63))).toThrow(/63.*64 bytes/)
    expect(() => stack.run(raw.createQueuePair(1, 65))).toThrow(/65.*2 to 64/)
    expect(() => stack.run(raw.createQueuePair(3, 4))).toThrow(/completion queue 3: SCT 1h SC 01h/)
    const io = stack.run(raw.createQueuePair(2, 3))
    io.post(entry(NvmOpcode.FLUSH, 1).bytes)
    io.post(entry(NvmOpcode.FLUSH, 2).bytes)
    expect(() => io.post(entry(NvmOpcode.FLUSH, 3).bytes)).toThrow(/all 2 are in use/)
    io.ring()
    stack.scheduler.runUntilIdle()
    expect(io.reap().map(({ status }) => status)).toEqual([0, 0])
    expect(() => stack.run(io.next())).toThrow(/no completion within 1 ms/)
    stack.close(raw)
  })

  it('holds nothing where there is no controller to open', () => {
    const stack = makeStack()
    const gone = { read32: () => 0xffff_ffff, write32: () => {} }
    const components = { ...stack.components, bar: { ...stack.components.bar, ...gone } }
    expect(() => stack.run(openRawController(components))).toThrow(/no controller answers/)
    stack.close(stack.run(openRawController(stack.components)))
  })
})
