// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel, Op } from '@iolayers/kernel'
import { KernelError, Mutex } from '@iolayers/kernel'
import type { BlkStatus } from '../blk-status.ts'
import { createBioDisk } from '../disk/bio-disk.ts'
import { createDisk, type DiskInit } from '../disk/blk-disk.ts'
import type { Disk } from '../disk/disk.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'
import type { CpuMemory } from '../ram-disk/sector-store.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import type { Badblocks } from './badblocks.ts'
import { NullBioDriver } from './null-bio-driver.ts'
import {
  type NullBlkConfig,
  type NullBlkInit,
  NullQueueMode,
  nullBlkConfig,
} from './null-blk-init.ts'
import { NullBlkStorage } from './null-blk-storage.ts'
import { type NullBlkQueues, NullBlkTags, requireQueues } from './null-blk-tags.ts'
import { NullDevice } from './null-device.ts'
import { NullThrottle } from './null-throttle.ts'

const PAGE_SIZE = 4096
const UINT_MAX = 0xffff_ffff

export interface NullBlkComponents {
  readonly kernel: Kernel
  /** Where the buffers of I/O are; for a memory-backed device. */
  readonly memory?: CpuMemory
  /** Tags that it shares with other devices, see `createNullBlkTags`; its own number of queues and depth then mean nothing. */
  readonly sharedTags?: NullBlkTags
}

/** A device for tests of what is above it, that can be told to misbehave. @see drivers/block/null_blk/main.c struct nullb_device */
export interface NullBlk {
  readonly power: boolean
  /** Throws KernelError ENODEV while the power is off. A new one after each `powerOn`. */
  readonly disk: Disk
  readonly badblocks: Badblocks
  /** Pages that hold data, and those of the cache. */
  readonly pages: number
  readonly cachedPages: number
  /** Makes the disk; nothing where it has one. Throws KernelError where a hardware queue cannot be made. */
  powerOn(): void
  /** Removes the disk: new I/O ends with an error, what is in flight as it would have. What was in the cache is lost. */
  powerOff(): Op<void>
  /**
   * Ends what would have to time out, with a status of the caller's, as a driver does that resets its device: how many. Not in the
   * kernel's null_blk. @see drivers/nvme/host/core.c nvme_cancel_request
   */
  cancelHung(status: BlkStatus): number
  /** Throws KernelError EINVAL for a number out of range, and what making the queues throws: then it is what it was. */
  setSubmitQueues(submitQueues: number): Op<void>
  setPollQueues(pollQueues: number): Op<void>
  /** Powers off and forgets all data. Idempotent. */
  destroy(): Op<void>
}

/** What there is from `powerOn` to `powerOff`. */
interface Powered {
  readonly disk: Disk
  /** Null in bio mode. */
  readonly tags: NullBlkTags | null
}

class NullBlkDevice implements NullBlk {
  readonly #kernel: Kernel
  readonly #config: NullBlkConfig
  readonly #device: NullDevice
  readonly #storage: NullBlkStorage | null
  readonly #sharedTags: NullBlkTags | null
  readonly #lock: Mutex
  #queues: NullBlkQueues
  #powered: Powered | null

  constructor(
    components: NullBlkComponents,
    config: NullBlkConfig,
    storage: NullBlkStorage | null,
  ) {
    const { kernel, sharedTags } = components
    this.#kernel = kernel
    this.#config = config
    this.#storage = storage
    this.#device = new NullDevice(kernel.scheduler, config, storage)
    this.#sharedTags = sharedTags ?? null
    this.#lock = new Mutex(kernel.scheduler, config.name)
    this.#queues = { submitQueues: config.submitQueues, pollQueues: config.pollQueues }
    this.#powered = null
  }

  get power(): boolean {
    return this.#powered !== null
  }

  get disk(): Disk {
    if (this.#powered !== null) return this.#powered.disk
    throw new KernelError('ENODEV', `${this.#config.name}: the power is off`)
  }

  get badblocks(): Badblocks {
    return this.#device.badblocks
  }

  get pages(): number {
    return this.#storage?.pages ?? 0
  }

  get cachedPages(): number {
    return this.#storage?.cachedPages ?? 0
  }

  powerOn(): void {
    if (this.#powered !== null) return
    const isBioBased = this.#config.queueMode === NullQueueMode.BIO
    this.#powered = isBioBased ? { disk: this.#makeBioDisk(), tags: null } : this.#makeMqDisk()
  }

  *powerOff(): Op<void> {
    yield* this.#lock.lock()
    try {
      if (this.#powered === null) return
      const { disk, tags } = this.#powered
      disk.markDead()
      this.#device.throttle?.stop()
      yield* disk.destroy()
      if (tags !== null) this.#release(tags)
      this.#device.throttle = null
      this.#storage?.dropCache()
      this.#powered = null
    } finally {
      this.#lock.unlock()
    }
  }

  cancelHung(status: BlkStatus): number {
    return this.#powered?.tags?.cancelHung(this.#powered.disk, status) ?? 0
  }

  setSubmitQueues(submitQueues: number): Op<void> {
    return this.#updateQueues({ submitQueues })
  }

  setPollQueues(pollQueues: number): Op<void> {
    return this.#updateQueues({ pollQueues })
  }

  *destroy(): Op<void> {
    yield* this.powerOff()
    this.#storage?.clear()
  }

  *#updateQueues(change: Partial<NullBlkQueues>): Op<void> {
    yield* this.#lock.lock()
    try {
      const tags = this.#powered?.tags ?? null
      const queues = { ...(tags?.queues ?? this.#queues), ...change }
      requireQueues(queues, this.#config)
      if (tags !== null) yield* tags.update(queues)
      this.#queues = queues
    } finally {
      this.#lock.unlock()
    }
  }

  #makeMqDisk(): Powered {
    const kernel = this.#kernel
    const tags = this.#sharedTags ?? new NullBlkTags(kernel, { ...this.#config, ...this.#queues })
    tags.ops.attaching = this.#device
    try {
      const disk = createDisk({ kernel, tagSet: tags.tagSet }, this.#diskInit())
      this.#device.throttle = this.#makeThrottle(disk)
      return { disk, tags }
    } catch (error) {
      this.#release(tags)
      throw error
    } finally {
      tags.ops.attaching = null
    }
  }

  #makeBioDisk(): Disk {
    const nrRequests = this.#config.hwQueueDepth * this.#queues.submitQueues
    const driver = new NullBioDriver(this.#kernel.scheduler, this.#device, nrRequests)
    const init = { ...this.#diskInit(), driver, nrRequests }
    const disk = createBioDisk({ kernel: this.#kernel }, init)
    driver.disk = disk
    return disk
  }

  #diskInit(): Pick<DiskInit, 'name' | 'capacitySectors' | 'limits'> {
    const { name, sizeBytes } = this.#config
    return { name, capacitySectors: sizeBytes / SECTOR_SIZE, limits: limitsOf(this.#config) }
  }

  #release(tags: NullBlkTags): void {
    if (tags !== this.#sharedTags) tags.tagSet.destroy()
  }

  #makeThrottle(disk: Disk): NullThrottle | null {
    const { mbps } = this.#config
    if (mbps === 0) return null
    return new NullThrottle(this.#kernel.scheduler, mbps, () => disk.queue.runHwQueues())
  }
}

function limitsOf(config: NullBlkConfig): QueueLimitsInit {
  const { blockSizeBytes, maxSectors, cacheSizeBytes, fua, discard, virtBoundary } = config
  return {
    logicalBlockSizeBytes: blockSizeBytes,
    physicalBlockSizeBytes: blockSizeBytes,
    maxHwSectors: maxSectors,
    dmaAlignmentMask: 1,
    virtBoundaryMask: virtBoundary ? PAGE_SIZE - 1 : 0,
    maxHwDiscardSectors: discard ? Math.floor(UINT_MAX / SECTOR_SIZE) : 0,
    writeCache: cacheSizeBytes > 0,
    fua: cacheSizeBytes > 0 && fua,
  }
}

/**
 * Makes a device and its disk. It takes no dma-bufs: registering one fails with EOPNOTSUPP. Left out of the kernel's: zones, `blocking`,
 * since `queueRq` never sleeps here, and memory nodes. Throws KernelError EINVAL for parameters out of range or that do not go together.
 * @see drivers/block/null_blk/main.c; Documentation/block/null_blk.rst
 */
export function createNullBlk(components: NullBlkComponents, init: NullBlkInit): NullBlk {
  const config = nullBlkConfig(init)
  const { memory } = components
  if (config.memoryBacked && memory === undefined) {
    throw new KernelError('EINVAL', 'null_blk: memoryBacked needs the component memory')
  }
  const keeps = config.memoryBacked && memory !== undefined
  const storage = keeps ? new NullBlkStorage(memory, config.cacheSizeBytes) : null
  const device = new NullBlkDevice(components, config, storage)
  device.powerOn()
  return device
}
