// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError } from '@iolayers/kernel'
import { PAGE_SIZE } from '../constants.ts'
import type { Iommu } from '../iommu/iommu.ts'
import type { IommuDomain } from '../iommu/iommu-domain.ts'
import type { PhysicalMemory } from '../memory/physical-memory.ts'
import type { BusMaster } from './bus.ts'
import { BusMasterImpl } from './bus-master.ts'
import { type Device, type DeviceInit, type DmaOps, IommuMode } from './device.ts'
import { DmaOpsImpl } from './dma-ops.ts'
import { FaultReporter } from './fault-reporter.ts'

/** 2^32 - 1 */
const U32_MAX = 0xffff_ffff

export interface DeviceComponents {
  kernel: Kernel
  memory: PhysicalMemory
  /** Null only in passthrough mode. */
  iommu: Iommu | null
}

class DeviceImpl implements Device {
  readonly name: string
  readonly coherent: boolean
  readonly iommuMode: IommuMode
  readonly dmaMask: number
  readonly maxSegmentSizeBytes: number
  readonly segBoundaryMask: number
  readonly peerToPeer: boolean
  readonly dma: DmaOps
  readonly bus: BusMaster
  readonly #memory: PhysicalMemory
  readonly #domain: IommuDomain | null
  #destroyed = false

  constructor(components: DeviceComponents, init: DeviceInit) {
    const { kernel, memory, iommu } = components
    this.name = init.name
    this.coherent = init.coherent ?? true
    this.iommuMode = init.iommuMode
    this.dmaMask = 2 ** (init.dmaMaskBits ?? 64) - 1
    this.maxSegmentSizeBytes = init.maxSegmentSizeBytes ?? U32_MAX
    this.segBoundaryMask = init.segBoundaryMask ?? U32_MAX
    this.peerToPeer = init.peerToPeer ?? false
    this.#memory = memory
    this.#domain = createDomain(iommu, init)
    if (!this.coherent) memory.separateDeviceSides()
    memory.debug?.register(this, init.name)
    this.dma = new DmaOpsImpl({
      kernel,
      memory,
      name: this.name,
      domain: this.#domain,
      coherent: this.coherent,
      limits: this,
      owner: this,
    })
    this.bus = new BusMasterImpl({
      memory,
      domain: this.#domain,
      coherent: this.coherent,
      peerToPeer: this.peerToPeer,
      faults: new FaultReporter(this.name, iommu, init.onFault ?? null),
      debug: memory.debug,
      owner: this,
    })
  }

  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.bus.enabled = false
    this.#domain?.destroy()
    this.#memory.debug?.ownerGone(this)
  }
}

function createDomain(iommu: Iommu | null, init: DeviceInit): IommuDomain | null {
  if (init.iommuMode === IommuMode.PASSTHROUGH) return null
  if (iommu === null)
    throw new KernelError('ENODEV', 'no IOMMU for the device', {
      value: init.iommuMode,
      accepted: IommuMode.PASSTHROUGH,
    })
  return iommu.createDomain(init.iommuMode, init.dmaMaskBits ?? 64)
}

function checkInit(init: DeviceInit): void {
  const bits = init.dmaMaskBits ?? 64
  if (!(Number.isInteger(bits) && bits > 12 && bits <= 64))
    throw new KernelError('EINVAL', 'dmaMaskBits', { value: bits, accepted: '13 to 64' })
  const size = init.maxSegmentSizeBytes ?? U32_MAX
  if (!(Number.isSafeInteger(size) && size >= PAGE_SIZE))
    throw new KernelError('EINVAL', 'maxSegmentSizeBytes', {
      value: size,
      accepted: `${PAGE_SIZE} and more`,
    })
  const boundary = (init.segBoundaryMask ?? U32_MAX) + 1
  if (!(boundary >= PAGE_SIZE && Number.isInteger(Math.log2(boundary))))
    throw new KernelError('EINVAL', 'segBoundaryMask', {
      value: boundary - 1,
      accepted: `2^n - 1, at least ${PAGE_SIZE - 1}`,
    })
}

/** A device on the bus of `memory`. Throws EINVAL for limits that cannot be, ENODEV without the IOMMU that its mode needs. */
export function createDevice(components: DeviceComponents, init: DeviceInit): Device {
  checkInit(init)
  return new DeviceImpl(components, init)
}
