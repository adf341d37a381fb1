// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createDmaBufCore,
  createMovableHeap,
  type DmaBufCore,
  type DmaBufCoreInit,
  type MovableHeap,
} from '@iolayers/dma-buf'
import {
  BusRange,
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  type Iommu,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import {
  createKernel,
  createVirtualScheduler,
  type Kernel,
  type VirtualInit,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import {
  type CountingTokenFactory,
  createDmabufTokenFactory,
  type TokenFactoryInit,
  type TokenParts,
} from '../src/index.ts'

export interface World {
  readonly range: BusRange
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly iommu: Iommu
  readonly core: DmaBufCore
  readonly heap: MovableHeap
  readonly device: Device
  readonly tokens: CountingTokenFactory
}

export function makeWorld(
  init: VirtualInit,
  tokenInit: TokenFactoryInit = {},
  coreInit: DmaBufCoreInit = {},
  parts: TokenParts = {},
): World {
  const scheduler = createVirtualScheduler(init)
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 512 * 1024, backing: 'plain' })
  const iommu = createIommu({ kernel })
  const core = createDmaBufCore({ kernel }, coreInit)
  const heap = createMovableHeap({ kernel, memory, core })
  const device = createDevice({ kernel, memory, iommu }, { name: 'dev', iommuMode: 'strict' })
  const tokens = createDmabufTokenFactory({ kernel, fences: core, parts }, tokenInit)
  return { range: new BusRange(), scheduler, kernel, memory, iommu, core, heap, device, tokens }
}

/** Nothing is left of what a test made. */
export function expectNothingLeft(world: World): void {
  world.scheduler.runUntilIdle()
  expect(world.scheduler.outstanding()).toEqual([])
  expect(world.tokens.stats.tokensLive).toBe(0)
  expect(world.tokens.stats.mapsLive).toBe(0)
  expect(world.core.stats.live).toBe(0)
  expect(world.memory.stats.pagesAllocated).toBe(0)
  expect(world.iommu.stats.maps).toBe(world.iommu.stats.unmaps)
  expect(world.iommu.stats.faults).toBe(0)
  expect(world.kernel.reports).toEqual([])
}
