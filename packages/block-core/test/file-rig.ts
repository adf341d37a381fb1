// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createDevice,
  createPhysicalMemory,
  DmaDirection,
  DmaSegmentTable,
  PAGE_SIZE,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import { type File, OpenFlags } from '@iolayers/kernel'
import {
  createBlockDeviceFile,
  createRamDisk,
  createStripedDisk,
  type Disk,
  type DmabufTokenFactory,
} from '../src/index.ts'
import { FakeMap, type Machine, makeMachine } from './support.ts'

export const DISK_BYTES: number = 32 * PAGE_SIZE
export const SLOTS: number = 6
export const SLOT_PAGES: number = 4
export const ARENA_BYTES: number = SLOTS * SLOT_PAGES * PAGE_SIZE
export const BUFFER_BYTES: number = 8 * PAGE_SIZE

export interface Limits {
  readonly block: number
  readonly dmaMask: number
  readonly maxHwSectors: number
}

/** Two segments for the device, the later page range first. */
export class PhysicalMap extends FakeMap {
  readonly table: DmaSegmentTable

  constructor(frame: number) {
    super(BUFFER_BYTES, 14)
    const half = BUFFER_BYTES / 2
    const addresses = Float64Array.of(frame * PAGE_SIZE + half, frame * PAGE_SIZE)
    this.table = new DmaSegmentTable(addresses, Float64Array.of(0, half, 2 * half))
  }

  override tryGetActive(): DmaSegmentTable | null {
    return super.tryGetActive() === null ? null : this.table
  }
}

export interface Rig extends Machine {
  readonly memory: PhysicalMemory
  readonly disk: Disk
  /** What lies below it, if it is striped. */
  readonly lowers: readonly Disk[]
  readonly file: File
  readonly arenaFrame: number
  readonly bufferFrame: number
  readonly map: FakeMap
}

/** Chunks of a striped disk. */
export const CHUNK_BYTES: number = PAGE_SIZE

/** A file over a RAM disk, or over four of them, striped. */
export function makeRig(limits: Limits, striped: boolean): Rig {
  const machine = makeMachine()
  const { kernel } = machine
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'ram', iommuMode: 'passthrough' },
  )
  device.bus.enabled = true
  const tokens: DmabufTokenFactory = {
    create() {
      throw new Error('not used')
    },
  }
  const ramDisk = (name: string, sizeBytes: number): Disk =>
    createRamDisk(
      { kernel, memory, device, tokens },
      {
        name,
        sizeBytes,
        limits: {
          logicalBlockSizeBytes: limits.block,
          dmaAlignmentMask: limits.dmaMask,
          maxHwSectors: limits.maxHwSectors,
          maxSegments: 64,
        },
      },
    )
  const lowers = striped ? [0, 1, 2, 3].map((n) => ramDisk(`ram${n}`, DISK_BYTES / 4)) : []
  const disk = striped
    ? createStripedDisk(
        { kernel },
        { name: 'striped0', disks: lowers, chunkSectors: CHUNK_BYTES / 512 },
      )
    : ramDisk('ram0', DISK_BYTES)
  const flags = OpenFlags.O_RDWR | OpenFlags.O_DIRECT
  const file = createBlockDeviceFile({ kernel, disk }, { flags, maxIos: 2 })
  const arenaFrame = memory.allocContiguous(ARENA_BYTES / PAGE_SIZE)
  const bufferFrame = memory.allocContiguous(BUFFER_BYTES / PAGE_SIZE)
  device.dma.mapSingle(bufferFrame * PAGE_SIZE, BUFFER_BYTES, DmaDirection.BIDIRECTIONAL)
  device.dma.syncSingleForCpu(bufferFrame * PAGE_SIZE, BUFFER_BYTES, DmaDirection.BIDIRECTIONAL)
  return {
    ...machine,
    memory,
    disk,
    lowers,
    file,
    arenaFrame,
    bufferFrame,
    map: new PhysicalMap(bufferFrame),
  }
}
