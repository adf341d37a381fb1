// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { BlkStatus } from '../blk-status.ts'
import type { DmabufRegistrar } from '../dmabuf/contracts.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { type QueueLimitsInit, validateLimits } from '../limits/validate-limits.ts'
import { HwQueue } from '../mq/hw-queue.ts'
import type { Plug } from '../mq/plug.ts'
import { QueueGate } from '../mq/queue-gate.ts'
import { BioSubmitter } from '../mq/submit.ts'
import type { TagSet } from '../mq/tag-set.ts'
import { BlockTrace } from './block-trace.ts'
import type { Disk, RequestQueue } from './disk.ts'
import { DiskCounters } from './disk-counters.ts'
import type { DiskStats } from './disk-stats.ts'

export interface DiskInit {
  readonly name: string
  readonly capacitySectors: number
  /** What the device can take; what is left out gets the kernel's defaults. */
  readonly limits?: QueueLimitsInit
  readonly readOnly?: boolean
  /** Left out where the device cannot do dmabuf I/O. */
  readonly dmabuf?: DmabufRegistrar
}

/** A submitter that waits for a tag holds a fragment that has none. */
const SUBMITTERS = 64

class BlkDisk implements Disk, RequestQueue {
  readonly name: string
  readonly readOnly: boolean
  readonly limits: QueueLimits
  readonly dmabuf: DmabufRegistrar | null
  readonly nrRequests: number
  readonly tagSet: TagSet
  readonly #counters: DiskCounters
  readonly #gate: QueueGate
  readonly #hctxs: HwQueue[]
  readonly #submitter: BioSubmitter
  #capacitySectors: number
  #destroyed: boolean

  constructor(kernel: Kernel, tagSet: TagSet, init: DiskInit) {
    this.name = init.name
    this.readOnly = init.readOnly ?? false
    this.limits = validateLimits(init.limits ?? {})
    this.dmabuf = init.dmabuf ?? null
    this.nrRequests = tagSet.nrHwQueues * tagSet.queueDepth
    this.#capacitySectors = 0
    this.setCapacity(init.capacitySectors)
    this.#counters = new DiskCounters()
    this.#gate = new QueueGate(kernel, init.name)
    this.tagSet = tagSet
    const home = {
      kernel,
      disk: this,
      gate: this.#gate,
      counters: this.#counters,
      trace: new BlockTrace(kernel.tracer, init.name),
    }
    this.#hctxs = tagSet.tagMaps.map((tags, index) => new HwQueue(home, tagSet.ops, tags, index))
    this.#submitter = new BioSubmitter(home, this.#hctxs, this.nrRequests + SUBMITTERS)
    this.#destroyed = false
    tagSet.queues.add(this)
  }

  get capacitySectors(): number {
    return this.#capacitySectors
  }

  get queue(): RequestQueue {
    return this
  }

  get stats(): DiskStats {
    return this.#counters
  }

  submitBio(bio: Bio, plug: Plug | null): BlkStatus {
    return this.#submitter.submit(bio, plug)
  }

  submitBioWait(bio: Bio, plug: Plug | null): Op<void> {
    return this.#submitter.submitWait(bio, plug)
  }

  setCapacity(sectors: number): void {
    if (!Number.isSafeInteger(sectors) || sectors < 0) {
      throw new KernelError(
        'EINVAL',
        `${this.name}: capacity is ${sectors} sectors, but must be an integer of at least 0`,
      )
    }
    this.#capacitySectors = sectors
  }

  markDead(): void {
    this.#gate.markDying()
    for (const { tags } of this.#hctxs) tags.wait.wakeUpAll()
  }

  *destroy(): Op<void> {
    if (this.#destroyed) return
    this.#destroyed = true
    this.markDead()
    yield* this.freeze()
    this.tagSet.queues.delete(this)
    for (const hctx of this.#hctxs) hctx.shutdown()
    assert(this.#submitter.idle, 'disk destroyed with fragments outstanding')
  }

  freeze(): Op<void> {
    return this.#gate.freeze()
  }

  unfreeze(): void {
    this.#gate.unfreeze()
  }

  quiesce(): void {
    this.#gate.quiesce()
  }

  unquiesce(): void {
    if (this.#gate.unquiesce()) this.runHwQueues()
  }

  runHwQueues(): void {
    for (const hctx of this.#hctxs) hctx.kick()
  }

  poll(): number {
    let found = 0
    for (const hctx of this.#hctxs) found += hctx.ops.poll?.(hctx) ?? 0
    return found
  }
}

/**
 * Makes a disk over a driver's tag set. Throws KernelError EINVAL for limits that contradict themselves.
 * @see block/genhd.c
 */
export function createDisk(components: { kernel: Kernel; tagSet: TagSet }, init: DiskInit): Disk {
  return new BlkDisk(components.kernel, components.tagSet, init)
}
