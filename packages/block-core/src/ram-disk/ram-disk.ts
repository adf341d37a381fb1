// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Device, PhysicalMemory } from '@iolayers/dma-mapping'
import { DeferredCall, type Kernel, type Scheduler } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import { createDisk } from '../disk/blk-disk.ts'
import type { Disk } from '../disk/disk.ts'
import type { DmabufRegistrar, DmabufTokenFactory } from '../dmabuf/contracts.ts'
import type { QueueLimitsInit } from '../limits/validate-limits.ts'
import {
  blkMqAddToBatch,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqStartRequest,
} from '../mq/blk-mq.ts'
import type { BlkMqOps } from '../mq/blk-mq-ops.ts'
import type { BlkMqHwCtx } from '../mq/hw-ctx.ts'
import type { Request } from '../mq/request.ts'
import { blkRqActivateDmabuf } from '../mq/rq-active.ts'
import { RqList } from '../mq/rq-list.ts'
import { createTagSet } from '../mq/tag-set.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import { RamDiskMover } from './ram-disk-mover.ts'
import { SectorStore } from './sector-store.ts'

export interface RamDiskComponents {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  /** With both, the disk takes registered dma-bufs. */
  readonly device?: Device
  readonly tokens?: DmabufTokenFactory
}

export interface RamDiskInit {
  readonly name: string
  readonly sizeBytes: number
  readonly limits?: QueueLimitsInit
  readonly nrHwQueues?: number
  readonly queueDepth?: number
  readonly readOnly?: boolean
  /** `inline`: a request has ended before `queueRq` returns. `deferred`, the default: it ends in a call of its own, in batches. */
  readonly completion?: 'inline' | 'deferred'
}

class RamDiskDriver implements BlkMqOps<null> {
  readonly #mover: RamDiskMover
  readonly #scheduler: Scheduler
  readonly #deferred: boolean
  readonly #done: RqList<null>
  readonly #irq: DeferredCall

  constructor(scheduler: Scheduler, mover: RamDiskMover, deferred: boolean) {
    this.#mover = mover
    this.#scheduler = scheduler
    this.#deferred = deferred
    this.#done = new RqList()
    this.#irq = new DeferredCall('ram disk completion', () => blkMqEndRequestBatch(this.#done))
  }

  initRequest(): null {
    return null
  }

  queueRq(_hctx: BlkMqHwCtx, rq: Request<null>): BlkStatus {
    if (rq.dmabufMap !== null) {
      const status = blkRqActivateDmabuf(rq)
      if (status !== BlkStatus.OK) return status
    }
    blkMqStartRequest(rq)
    const status = this.#mover.move(rq)
    if (this.#deferred && blkMqAddToBatch(rq, this.#done, status)) {
      this.#scheduler.queue(this.#irq)
      return BlkStatus.OK
    }
    blkMqEndRequest(rq, status)
    return BlkStatus.OK
  }

  commitRqs(): void {}
}

/**
 * A disk in memory, the twin of a device, for tests of what is above it. Its pages come into being when they are written, so that a large
 * disk costs what is on it.
 * Data moves when the request is handed over. It copies by the CPU, for registered buffers through the device's bus.
 * @see drivers/block/brd.c
 */
export function createRamDisk(components: RamDiskComponents, init: RamDiskInit): Disk {
  const { kernel, memory, device, tokens } = components
  const mover = new RamDiskMover(memory, device ?? null, new SectorStore())
  const driver = new RamDiskDriver(kernel.scheduler, mover, init.completion !== 'inline')
  const tagSet = createTagSet(
    { kernel },
    { ops: driver, nrHwQueues: init.nrHwQueues ?? 1, queueDepth: init.queueDepth ?? 64 },
  )
  const canRegister = device !== undefined && tokens !== undefined
  const dmabuf: DmabufRegistrar | undefined = canRegister
    ? {
        createDmabufToken: (buffer, direction, options) =>
          tokens.create(device, buffer, direction, options),
      }
    : undefined
  return createDisk(
    { kernel, tagSet },
    {
      name: init.name,
      capacitySectors: Math.floor(init.sizeBytes / SECTOR_SIZE),
      limits: { ...RAM_DISK_LIMITS, ...init.limits },
      readOnly: init.readOnly ?? false,
      ...(dmabuf === undefined ? {} : { dmabuf }),
    },
  )
}

const RAM_DISK_LIMITS: QueueLimitsInit = {
  maxHwSectors: 0xffff_ffff,
  dmaAlignmentMask: 3,
  maxWriteZeroesSectors: 0xffff_ffff,
  maxHwDiscardSectors: 0xffff_ffff,
}
