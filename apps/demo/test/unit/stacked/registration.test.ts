// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createBlockDeviceFile,
  createLinearDisk,
  createNullBlk,
  type Disk,
  dmabufFile,
} from '@iolayers/block-core'
import { DmaDirection } from '@iolayers/dma-mapping'
import { createVirtualScheduler, type Op, OpenFlags } from '@iolayers/kernel'
import { createMemoryStore } from '@iolayers/nvme/controller'
import { expect, it } from 'vitest'
import { createStack, destroyStack, type Stack } from '../../../src/index.ts'
import { attachController } from '../../stacked/controllers.ts'

const SIZE = 64 * 1024

function* register(stack: Stack, disk: Disk): Op<void> {
  const flags = OpenFlags.O_RDWR | OpenFlags.O_DIRECT
  const file = createBlockDeviceFile({ kernel: stack.kernel, disk }, { flags })
  const dmabuf = stack.systemHeap.allocate(SIZE)
  try {
    const registered = file.query(dmabufFile)?.createDmabufToken(dmabuf, DmaDirection.TO_DEVICE)
    if (registered === undefined) throw new Error('a block device file takes dma-bufs')
    yield* (yield* registered).release()
  } finally {
    dmabuf.put()
    file.put()
  }
}

it('a stacked disk takes registered buffers where all disks below do, and says which one does not', () => {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const stack = createStack(scheduler, {
    ramBytes: 512 * 1024,
    queueMemoryBytes: 512 * 1024,
    pageDescriptors: 8,
    iommu: 'strict',
    checked: true,
    backing: 'plain',
    ringEntries: 8,
  })
  const { kernel, memory, tokens } = stack
  function* scene(): Op<void> {
    const stores = [createMemoryStore({ kernel, memory }, { sizeBytes: SIZE })]
    const init = { name: 'nvme0', instance: 0, stores, queueDepth: 4 }
    const controller = yield* attachController(stack, init)
    const [disk] = controller.disks
    if (disk === undefined) throw new Error('one namespace was there')
    const nullBlk = createNullBlk({ kernel, memory }, { name: 'nullb0', sizeBytes: SIZE })
    nullBlk.powerOn()
    const mixed = [{ disk }, { disk: nullBlk.disk }]
    const able = createLinearDisk({ kernel, tokens }, { name: 'able', targets: [{ disk }] })
    const unable = createLinearDisk({ kernel, tokens }, { name: 'unable', targets: mixed })
    const without = createLinearDisk({ kernel }, { name: 'without', targets: [{ disk }] })
    yield* register(stack, able)
    expect(tokens.stats).toMatchObject({ tokens: 2, tokensLive: 0 })
    for (const [refusing, message] of [
      [unable, 'unable: nullb0 takes no registered dma-bufs'],
      [without, 'without: this disk takes no registered dma-bufs'],
    ] as const) {
      let said: unknown = null
      try {
        yield* register(stack, refusing)
      } catch (error) {
        said = error
      }
      expect(said).toMatchObject({ code: 'EOPNOTSUPP', message })
    }
    expect(tokens.stats).toMatchObject({ tokens: 2, tokensLive: 0 })
    for (const each of [able, unable, without]) yield* each.destroy()
    yield* nullBlk.destroy()
    yield* controller.close()
    yield* destroyStack(stack)
  }
  scheduler.runSync('scene', scene())
  scheduler.runUntilIdle()
  expect(scheduler.outstanding()).toEqual([])
  expect(memory.stats.pagesAllocated).toBe(0)
})
