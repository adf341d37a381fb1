// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createIommu, createPhysicalMemory } from '@iolayers/dma-mapping'
import { AssertionFailure, createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { expect, it } from 'vitest'
import { createDmaBufCore, createSystemHeap, DmaFence, DmaFenceArray } from '../../src/index.ts'

function setup(checked: boolean) {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler }, { checked })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 256 * 1024, backing: 'plain' })
  const core = createDmaBufCore({ kernel })
  const heap = createSystemHeap({ kernel, memory, core })
  const device = createDevice(
    { kernel, memory, iommu: createIommu({ kernel }) },
    { name: 'dev', iommuMode: 'strict' },
  )
  return { scheduler, kernel, core, heap, device }
}

function checkOf(run: () => void): string {
  try {
    run()
  } catch (error) {
    return error instanceof AssertionFailure ? error.check : String(error)
  }
  return 'nothing'
}

it('T1, T2: whoever looks at a freed buffer in checked mode is told so', () => {
  const { heap, device } = setup(true)
  const dmabuf = heap.allocate(4096)
  expect(dmabuf.name).toBe('')
  dmabuf.put()
  expect(checkOf(() => dmabuf.name)).toBe('use-after-free')
  expect(checkOf(() => dmabuf.attach(device))).toBe('use-after-free')
  expect(checkOf(() => dmabuf.get())).toBe('use-after-free')
})

it('without checked mode its name is still there', () => {
  const { heap } = setup(false)
  const dmabuf = heap.allocate(4096)
  dmabuf.put()
  expect(dmabuf.name).toBe('')
})

it('T3, H5: a freed fence can be looked up in a section that was open, and neither tried nor signalled after it', () => {
  const { kernel, core } = setup(true)
  const fence = new DmaFence(kernel, { getDriverName: () => 'gpu', getTimelineName: () => 'copy' })
  fence.init(core.fenceContextAlloc(1), 1)
  kernel.rcu.readLock()
  fence.put()
  expect(fence.tryGet()).toBe(false)
  kernel.rcu.readUnlock()
  expect(checkOf(() => fence.tryGet())).toBe('use-after-free')
  expect(checkOf(() => fence.signal())).toBe('use-after-free')
  expect(checkOf(() => fence.get())).toBe('use-after-free')
  expect(checkOf(() => fence.put())).toBe('refcount')
})

it('a fence says what it is, and whom it waits for while it is pending', () => {
  const { scheduler, kernel, core } = setup(true)
  const make = (dependsOn: () => readonly string[]): DmaFence => {
    const ops = { getDriverName: () => 'gpu', getTimelineName: () => 'copy', dependsOn }
    const fence = new DmaFence(kernel, ops)
    fence.init(core.fenceContextAlloc(1), 7)
    return fence
  }
  const first = make(() => ['the copy engine'])
  const second = make(() => [])
  expect(first.what).toBe(`dma_fence copy ${first.context}:7`)
  expect(first.blockers()).toEqual(['the copy engine'])
  first.get()
  second.get()
  const array = new DmaFenceArray(kernel, [first, second], { context: 9, seqno: 1 })
  expect(array.blockers()).toEqual([first, second])
  array.enableSignaling()
  second.signal()
  expect(array.blockers()).toEqual([first])
  first.signal()
  expect(first.blockers()).toEqual([])
  scheduler.runUntilIdle()
  expect(array.signaledFlag).toBe(true)
  for (const fence of [array, first, second]) fence.put()
})
