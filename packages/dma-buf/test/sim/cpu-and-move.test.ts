// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection, PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert, type Op, type Task, yieldNow } from '@iolayers/kernel'
import { expect, it } from 'vitest'
import { createMovableHeap, type DmaBuf, DmaResvUsage } from '../../src/index.ts'
import { createRig, errorCode, expectNothingOutstanding, type Rig, withLock } from '../support.ts'
import { createFence } from './explore-rig.ts'
import { DeviceView } from './importer.ts'

const DIRECTION = DmaDirection.BIDIRECTIONAL

function* firstWord(dmabuf: DmaBuf, change: (words: Int32Array) => void): Op<void> {
  const view = yield* dmabuf.vmap()
  const [segment] = view.segments
  assert(segment !== undefined, 'an empty view')
  change(new Int32Array(segment.buffer, segment.byteOffset, 1))
  dmabuf.vunmap()
}

function finish(rig: Rig, dmabuf: DmaBuf): void {
  dmabuf.put()
  expectNothingOutstanding(rig)
}

it('what the CPU wrote between begin and end is not lost when the buffer moves', () => {
  const rig = createRig({ ramBytes: 64 * 1024 })
  const device = rig.device('cached', { coherent: false })
  const heap = createMovableHeap(rig)
  const dmabuf = heap.allocate(PAGE_SIZE)
  // It lets go of its addresses when it is told to, and unmaps them later.
  const attachment = dmabuf.dynamicAttach(device, {
    allowPeer2peer: false,
    *invalidateMappings() {},
  })
  const body = function* (): Op<void> {
    const table = yield* withLock(dmabuf, () => dmabuf.mapAttachment(attachment, DIRECTION))
    yield* dmabuf.beginCpuAccess(DIRECTION)
    yield* firstWord(dmabuf, (words) => {
      words[0] = 42
    })
    assert(yield* heap.move(dmabuf), 'not moved')
    yield* dmabuf.endCpuAccess(DIRECTION)
    yield* firstWord(dmabuf, (words) => expect(words[0]).toBe(42))
    yield* dmabuf.resv.lock(null)
    dmabuf.unmapAttachment(attachment, table, DIRECTION)
    dmabuf.resv.unlock()
  }
  rig.run(body())
  dmabuf.detach(attachment)
  finish(rig, dmabuf)
  device.destroy()
})

it('an access of the CPU that was interrupted before it began takes nothing from a device', () => {
  const rig = createRig({ ramBytes: 64 * 1024 })
  const device = rig.device('busy')
  const dmabuf = createMovableHeap(rig).allocate(PAGE_SIZE)
  const attachment = dmabuf.attach(device)
  const body = function* (): Op<void> {
    const table = yield* withLock(dmabuf, () => dmabuf.mapAttachment(attachment, DIRECTION))
    const view = new DeviceView(device, table, null)
    const fence = createFence(rig)
    yield* dmabuf.resv.lock(null)
    dmabuf.resv.reserveFences(1)
    dmabuf.resv.addFence(fence, DmaResvUsage.WRITE)
    dmabuf.resv.unlock()
    const cpu: Task<string> = rig.scheduler.spawn('cpu', begin(dmabuf))
    yield* yieldNow(rig.scheduler)
    cpu.signal()
    // The DMA goes on while the CPU gives up.
    yield* view.increment(0, false, () => yieldNow(rig.scheduler))
    expect(cpu.outcome).toEqual({ ok: true, value: 'ERESTARTSYS' })
    yield* view.increment(0, false, () => yieldNow(rig.scheduler))
    fence.signal()
    fence.put()
    yield* dmabuf.resv.lock(null)
    dmabuf.unmapAttachment(attachment, table, DIRECTION)
    dmabuf.resv.unlock()
  }
  rig.run(body())
  dmabuf.detach(attachment)
  finish(rig, dmabuf)
  device.destroy()
})

function* begin(dmabuf: DmaBuf): Op<string> {
  try {
    yield* dmabuf.beginCpuAccess(DIRECTION)
    return 'begun'
  } catch (error) {
    return errorCode(() => {
      throw error
    })
  }
}
