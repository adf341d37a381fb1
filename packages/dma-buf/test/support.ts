// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  type DeviceInit,
  type DmaDirection,
  PAGE_SIZE,
  type PhysicalMemory,
  SgTable,
} from '@iolayers/dma-mapping'
import {
  AssertionFailure,
  createKernel,
  createVirtualScheduler,
  fifoStrategy,
  type Kernel,
  KernelError,
  type Op,
  type UnhandledHook,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import {
  createDmaBufCore,
  type DmaBuf,
  type DmaBufAttachment,
  type DmaBufCore,
  type DmaBufCoreInit,
  type DmaBufOps,
} from '../src/index.ts'

export interface Rig {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly core: DmaBufCore
  device(name?: string, init?: Partial<DeviceInit>): Device
  run<T>(op: Op<T>): T
}

export interface RigInit extends DmaBufCoreInit {
  readonly seed?: number
  readonly ramBytes?: number
  readonly onUnhandled?: UnhandledHook
  /** Reports of checked mode are kept, and not thrown. */
  readonly lenient?: boolean
}

export function createRig(init: RigInit = {}): Rig {
  const { seed, ramBytes = 8 * 1024 * 1024, onUnhandled, lenient, ...coreInit } = init
  const scheduler = createVirtualScheduler({
    ...(seed === undefined ? { strategy: fifoStrategy() } : { seed }),
    ...(onUnhandled === undefined ? {} : { onUnhandled }),
  })
  const onReport = lenient === true ? { onReport: () => {} } : {}
  const kernel = createKernel({ scheduler }, { checked: true, ...onReport })
  const memory = createPhysicalMemory({ kernel }, { ramBytes, backing: 'plain' })
  const iommu = createIommu({ kernel })
  return {
    scheduler,
    kernel,
    memory,
    core: createDmaBufCore({ kernel }, coreInit),
    device: (name = 'dev', deviceInit = {}) =>
      createDevice({ kernel, memory, iommu }, { name, iommuMode: 'strict', ...deviceInit }),
    run: (op) => scheduler.runSync('test', op),
  }
}

/** Nothing is left: no task, call or timer, no buffer. */
export function expectNothingOutstanding(rig: Rig): void {
  rig.scheduler.runUntilIdle()
  expect(rig.scheduler.outstanding()).toEqual([])
  expect(rig.core.stats.live).toBe(0)
  expect(rig.core.stats.mapped).toBe(rig.core.stats.unmapped)
  expect(rig.kernel.reports).toEqual([])
}

export function errorCode(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    if (error instanceof AssertionFailure) return 'assertion'
    throw error
  }
  return 'none'
}

export const fenceOps = {
  getDriverName: (): string => 'driver',
  getTimelineName: (): string => 'timeline',
}

/** An exporter without memory: it writes down what it is asked for. */
export class RecordingExporter implements DmaBufOps {
  readonly calls: string[] = []
  /** Device address and length of each range of the tables that it gives out. */
  ranges: readonly (readonly [number, number])[] = [[0x1000, PAGE_SIZE]]
  failMap = false

  attach(_dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.calls.push(`attach ${attachment.device.name}`)
  }

  detach(_dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.calls.push(`detach ${attachment.device.name}`)
  }

  *mapDmaBuf(_attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    this.calls.push(`map ${direction}`)
    if (this.failMap) throw new KernelError('ENOMEM', 'no memory for the test')
    const table = new SgTable()
    for (const [address, length] of this.ranges) table.appendDma(address, length)
    return table
  }

  unmapDmaBuf(): void {
    this.calls.push('unmap')
  }

  release(dmabuf: DmaBuf): void {
    this.calls.push(`release ${dmabuf.inode}`)
  }
}

export class PinningExporter extends RecordingExporter {
  *pin(): Op<void> {
    this.calls.push('pin')
  }

  unpin(): void {
    this.calls.push('unpin')
  }
}

export function* withLock<T>(dmabuf: DmaBuf, body: () => Op<T>): Op<T> {
  yield* dmabuf.resv.lock(null)
  try {
    return yield* body()
  } finally {
    dmabuf.resv.unlock()
  }
}
