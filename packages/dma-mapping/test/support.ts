// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createKernel,
  createVirtualScheduler,
  type Kernel,
  type VirtualScheduler,
} from '@iolayers/kernel'
import {
  type BusAccess,
  BusRange,
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  type DeviceInit,
  type Iommu,
  PAGE_SIZE,
  type PhysicalMemory,
} from '../src/index.ts'

export interface Bench {
  scheduler: VirtualScheduler
  kernel: Kernel
  memory: PhysicalMemory
  iommu: Iommu
  device(init?: Partial<DeviceInit>): Device
}

/** Plain memory of `pages` pages, and devices by default behind a strict IOMMU. */
export function makeBench(pages: number, init: { checked?: boolean; keep?: boolean } = {}): Bench {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel(
    { scheduler },
    { checked: init.checked ?? false, ...(init.keep ? { onReport: () => undefined } : {}) },
  )
  const memory = createPhysicalMemory({ kernel }, { ramBytes: pages * PAGE_SIZE, backing: 'plain' })
  const iommu = createIommu({ kernel })
  return {
    scheduler,
    kernel,
    memory,
    iommu,
    device: (deviceInit) =>
      createDevice({ kernel, memory, iommu }, { name: 'dev0', iommuMode: 'strict', ...deviceInit }),
  }
}

/** The checks that were reported so far. */
export function checksOf(kernel: Kernel): string[] {
  return kernel.reports.map((report) => report.check)
}

/** The device moves bytes over the bus; how many it could. */
export function busTransfer(
  device: Device,
  busAddr: number,
  bytes: Uint8Array,
  access: BusAccess,
): number {
  const range = new BusRange()
  let done = 0
  while (done < bytes.length) {
    const count = device.bus.translate(busAddr + done, bytes.length - done, access, range)
    if (count === 0) break
    const memory = range.bytes.subarray(range.offset, range.offset + count)
    if (access === 1) bytes.set(memory, done)
    else memory.set(bytes.subarray(done, done + count))
    done += count
  }
  return done
}

export function busRead(device: Device, busAddr: number, length: number): Uint8Array | null {
  const bytes = new Uint8Array(length)
  return busTransfer(device, busAddr, bytes, 1) === length ? bytes : null
}

export function busWrite(device: Device, busAddr: number, bytes: Uint8Array): boolean {
  return busTransfer(device, busAddr, bytes, 2) === bytes.length
}

export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 17 + (i >> 8)) & 0xff
  return bytes
}

/** Byte by byte; quicker than an expectation over a whole array. */
export function same(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && a.length === b.length && a.every((byte, i) => byte === b[i])
}
