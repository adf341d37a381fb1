// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Kernel } from '@iolayers/kernel'
import {
  BlkEhTimerReturn,
  type BlkMqHwCtx,
  type BlkMqOps,
  BlkStatus,
  blkMqMapQueues,
  blkMqStartRequest,
  blkRqActivateDmabuf,
  createDisk,
  createTagSet,
  type Disk,
  type QueueLimitsInit,
  type Request,
  type TagSet,
} from '../src/index.ts'

/** A driver that keeps what it is given until the test says what becomes of it, and notes when it was asked about time. */
export class PatientDriver implements BlkMqOps<number> {
  readonly held: Request<number>[] = []
  /** Sector and time of each question. */
  readonly asked: { readonly sector: number; readonly atNs: number }[] = []
  /** Called for a started request; the status is what `queueRq` returns. */
  onQueue: (rq: Request<number>) => BlkStatus = () => BlkStatus.OK
  onTimeout: (rq: Request<number>) => BlkEhTimerReturn = () => BlkEhTimerReturn.DONE
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  initRequest(): number {
    return 0
  }

  queueRq(_hctx: BlkMqHwCtx, rq: Request<number>): BlkStatus {
    if (rq.dmabufMap !== null) {
      const status = blkRqActivateDmabuf(rq)
      if (status !== BlkStatus.OK) return status
    }
    blkMqStartRequest(rq)
    this.held.push(rq)
    return this.onQueue(rq)
  }

  commitRqs(): void {}

  timeout(rq: Request<number>): BlkEhTimerReturn {
    this.asked.push({ sector: rq.sector, atNs: this.#kernel.scheduler.nowNs() })
    return this.onTimeout(rq)
  }

  /** The request at a sector, which the driver keeps no longer. */
  take(sector: number): Request<number> {
    const index = this.held.findIndex((rq) => rq.sector === sector)
    const [rq] = index < 0 ? [] : this.held.splice(index, 1)
    if (rq === undefined) throw new Error(`no request at sector ${sector}`)
    return rq
  }
}

export interface LifeSetup {
  readonly queueDepth?: number
  readonly nrHwQueues?: number
  readonly reservedTags?: number
  readonly hctxShared?: boolean
  readonly timeoutNs?: number
  readonly limits?: QueueLimitsInit
  /** One more hardware queue, for polled I/O. */
  readonly pollQueue?: boolean
}

export function makeTags(
  kernel: Kernel,
  ops: BlkMqOps<number>,
  setup: LifeSetup = {},
): TagSet<number> {
  const nrHwQueues = setup.nrHwQueues ?? 1
  const init = {
    ops,
    queueDepth: setup.queueDepth ?? 4,
    nrHwQueues,
    reservedTags: setup.reservedTags ?? 0,
    hctxShared: setup.hctxShared ?? false,
    ...(setup.timeoutNs === undefined ? {} : { timeoutNs: setup.timeoutNs }),
  }
  if (setup.pollQueue !== true) return createTagSet({ kernel }, init)
  return createTagSet(
    { kernel },
    {
      ...init,
      nrHwQueues: nrHwQueues + 1,
      nrCpus: nrHwQueues,
      nrMaps: 3,
      mapQueues: (maps) => {
        for (const [index, map] of maps.entries()) {
          map.nrQueues = [nrHwQueues, 0, 1][index] ?? 0
          map.queueOffset = index === 2 ? nrHwQueues : 0
          if (map.nrQueues > 0) blkMqMapQueues(map)
        }
      },
    },
  )
}

export function makeLifeDisk(
  kernel: Kernel,
  tagSet: TagSet<number>,
  limits: QueueLimitsInit = {},
): Disk {
  const init = { name: 'life', capacitySectors: 1 << 16, limits, noMerges: true }
  return createDisk({ kernel, tagSet }, init)
}
