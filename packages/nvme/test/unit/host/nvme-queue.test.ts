// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createPhysicalMemory, PAGE_SIZE } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NvmeQueue } from '../../../src/host/queue/nvme-queue.ts'
import { HostCounters } from '../../../src/host/stats.ts'

const ENTRIES = 4
const SQ_DOORBELL = 0x1008
const CQ_DOORBELL = 0x100c

describe('the rings of a queue', () => {
  let memory: ReturnType<typeof createPhysicalMemory>
  let queue: NvmeQueue
  let written: [offset: number, value: number][]
  let handled: number[]

  beforeEach(() => {
    const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
    memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
    const device = createDevice(
      { kernel, memory, iommu: null },
      { name: 'nvme0', iommuMode: 'passthrough' },
    )
    written = []
    handled = []
    const bar = {
      sizeBytes: PAGE_SIZE * 2,
      read32: () => 0,
      write32: (offset: number, value: number) => void written.push([offset, value]),
    }
    queue = new NvmeQueue(
      { device, bar, counters: new HostCounters() },
      {
        qid: 1,
        entries: ENTRIES,
        vector: 1,
        sqDoorbell: SQ_DOORBELL,
        cqDoorbell: CQ_DOORBELL,
      },
    )
  })

  afterEach(() => queue.destroy())

  /** What the controller would write: an entry with a phase bit. */
  function complete(at: number, commandId: number, phase: number): void {
    const entry = new Uint8Array(16)
    const view = new DataView(entry.buffer)
    view.setUint16(12, commandId, true)
    view.setUint16(14, phase, true)
    memory.write(queue.cqDmaAddr + at * 16, entry)
  }

  const reap = (): number => queue.reap({ handleCqe: (_, id) => void handled.push(id) })

  it('tell the controller once of all that was posted, and not twice of the same', () => {
    queue.advance()
    queue.advance()
    expect(written).toEqual([])
    queue.ring()
    queue.ring()
    expect(written).toEqual([[SQ_DOORBELL, 2]])
  })

  it('tell it by themselves before they would wrap round to what it knows', () => {
    for (let posted = 0; posted < ENTRIES - 1; posted++) queue.advance()
    expect(written).toEqual([[SQ_DOORBELL, ENTRIES - 1]])
  })

  it('end where the phase does: nothing is seen twice over a wrap', () => {
    // One entry less than there are is all that a completion queue holds at a time.
    for (let at = 0; at < ENTRIES - 1; at++) complete(at, at, 1)
    expect(reap()).toBe(ENTRIES - 1)
    expect(reap()).toBe(0)
    complete(ENTRIES - 1, 3, 1)
    expect(reap()).toBe(1)
    expect(reap()).toBe(0)
    complete(0, 9, 0)
    expect(reap()).toBe(1)
    expect(handled).toEqual([0, 1, 2, 3, 9])
    expect(written).toEqual([
      [CQ_DOORBELL, ENTRIES - 1],
      [CQ_DOORBELL, 0],
      [CQ_DOORBELL, 1],
    ])
  })

  it('write no doorbell of a queue that the controller does not know, and still give what it left', () => {
    queue.online = false
    queue.advance()
    queue.ring()
    complete(0, 7, 1)
    expect(reap()).toBe(1)
    expect(handled).toEqual([7])
    expect(written).toEqual([])
  })

  it('are as new after a reset of the controller', () => {
    queue.advance()
    queue.ring()
    complete(0, 7, 1)
    reap()
    complete(1, 8, 1)
    queue.online = false
    written.length = 0
    queue.reinit()
    expect([queue.sqTail, queue.sqHead, queue.online]).toEqual([0, 0, true])
    expect(reap()).toBe(0)
    queue.advance()
    queue.ring()
    complete(0, 3, 1)
    expect(reap()).toBe(1)
    expect(written).toEqual([
      [SQ_DOORBELL, 1],
      [CQ_DOORBELL, 1],
    ])
  })
})
