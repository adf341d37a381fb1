// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createIommu, createPhysicalMemory, PAGE_SIZE } from '@iolayers/dma-mapping'
import { createKernel, type VirtualScheduler } from '@iolayers/kernel'
import { createDmaBufCore, DmaFence, type DmaFenceOps } from '../../src/index.ts'
import { fenceOps, type Rig } from '../support.ts'

/** A rig on a scheduler that somebody else drives through all its schedules. */
export function createRigOn(scheduler: VirtualScheduler, ramPages = 1): Rig {
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory(
    { kernel },
    { ramBytes: ramPages * PAGE_SIZE, backing: 'plain' },
  )
  const iommu = createIommu({ kernel })
  return {
    scheduler,
    kernel,
    memory,
    core: createDmaBufCore({ kernel }),
    device: (name = 'dev', init = {}) =>
      createDevice({ kernel, memory, iommu }, { name, iommuMode: 'passthrough', ...init }),
    run: (op) => scheduler.runSync('test', op),
  }
}

/** A fence of a context of its own, ready to be signalled. */
export function createFence(rig: Rig, ops: Partial<DmaFenceOps> = {}): DmaFence {
  const fence = new DmaFence(rig.kernel, { ...fenceOps, ...ops })
  fence.init(rig.core.fenceContextAlloc(1), 1)
  return fence
}
