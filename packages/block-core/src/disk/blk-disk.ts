// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { BlkStatus } from '../blk-status.ts'
import type { DmabufRegistrar } from '../dmabuf/contracts.ts'
import { type IoschedTunables, type SchedulerName, schedulerName } from '../elevator/elevator.ts'
import { QueueSched } from '../elevator/queue-sched.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { type QueueLimitsInit, validateLimits } from '../limits/validate-limits.ts'
import { HctxTable } from '../mq/hctx-table.ts'
import { Passthrough } from '../mq/passthrough.ts'
import type { Plug } from '../mq/plug.ts'
import { QueueGate } from '../mq/queue-gate.ts'
import { RequeueList } from '../mq/requeue-list.ts'
import { RqTimeouts } from '../mq/rq-timeouts.ts'
import { BioSubmitter } from '../mq/submit.ts'
import type { TagSet, TagSetQueue } from '../mq/tag-set.ts'
import { BlockTrace } from './block-trace.ts'
import type { Disk, RequestQueue } from './disk.ts'
import { DiskClaim } from './disk-claim.ts'
import { DiskCounters } from './disk-counters.ts'
import type { DiskStats } from './disk-stats.ts'

export interface DiskInit {
  readonly name: string
  readonly capacitySectors: number
  /** What the device can take; what is left out gets the kernel's defaults. */
  readonly limits?: QueueLimitsInit
  readonly readOnly?: boolean
  /** No bio becomes part of another's request. @see Documentation/ABI/stable/sysfs-block nomerges */
  readonly noMerges?: boolean
  /** Left out, `none`. */
  readonly scheduler?: SchedulerName
  /** Left out where the device cannot do dmabuf I/O. */
  readonly dmabuf?: DmabufRegistrar
}

/** A submitter that waits for a tag holds a fragment that has none. */
const SUBMITTERS = 64

class BlkDisk implements Disk, TagSetQueue {
  readonly name: string
  readonly limits: QueueLimits
  readonly dmabuf: DmabufRegistrar | null
  readonly tagSet: TagSet
  readonly claim: DiskClaim
  readonly bioBased: null
  readonly passthrough: Passthrough
  readonly #counters: DiskCounters
  readonly #gate: QueueGate
  readonly #sched: QueueSched
  readonly #table: HctxTable
  readonly #requeues: RequeueList
  readonly #submitter: BioSubmitter
  #capacitySectors: number
  #readOnly: boolean
  #destroyed: boolean

  constructor(kernel: Kernel, tagSet: TagSet, init: DiskInit) {
    this.name = init.name
    this.#readOnly = init.readOnly ?? false
    this.limits = validateLimits(init.limits ?? {})
    this.dmabuf = init.dmabuf ?? null
    this.#capacitySectors = 0
    this.setCapacity(init.capacitySectors)
    this.#counters = new DiskCounters(kernel.scheduler)
    this.#gate = new QueueGate(kernel, init.name)
    this.tagSet = tagSet
    this.claim = new DiskClaim(init.name)
    this.bioBased = null
    const shared = {
      kernel,
      disk: this,
      gate: this.#gate,
      counters: this.#counters,
      trace: new BlockTrace(kernel.tracer, init.name),
    }
    this.#sched = new QueueSched(shared, init.noMerges ?? false)
    this.#sched.switchTo(schedulerName(init.scheduler ?? 'none'))
    this.#requeues = new RequeueList(kernel.scheduler, init.name)
    const timeouts = new RqTimeouts(
      {
        scheduler: kernel.scheduler,
        name: init.name,
        gate: this.#gate,
        io: this.#counters.io,
      },
      tagSet,
    )
    const home = { ...shared, sched: this.#sched, requeues: this.#requeues, timeouts }
    this.#table = new HctxTable(home, tagSet)
    timeouts.watch(this.#table.hctxs)
    this.passthrough = new Passthrough(init.name, this.#gate, this.#table)
    this.#table.realloc()
    this.#table.mapSwqueue()
    this.#submitter = new BioSubmitter(home, this.#table, this.nrRequests + SUBMITTERS)
    this.#destroyed = false
    tagSet.addQueue(this)
  }

  get capacitySectors(): number {
    return this.#capacitySectors
  }

  get dying(): boolean {
    return this.#gate.dying
  }

  get readOnly(): boolean {
    return this.#readOnly
  }

  get nrRequests(): number {
    const { nrHwQueues, nrRequests, reservedTags, hctxShared } = this.tagSet
    return (nrRequests - reservedTags) * (hctxShared ? 1 : nrHwQueues)
  }

  get scheduler(): SchedulerName {
    return this.#sched.name
  }

  get iosched(): IoschedTunables | null {
    return this.#sched.elevator?.tunables ?? null
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

  setReadOnly(readOnly: boolean): void {
    this.#readOnly = readOnly
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
    for (const { tags, tagUser } of this.#table.hctxs) tags.wakeUser(tagUser)
    this.#sched.wakeAll()
  }

  *destroy(): Op<void> {
    if (this.#destroyed) return
    this.#destroyed = true
    this.markDead()
    // What waits there for its next attempt, perhaps for long, has none.
    this.kickRequeueList()
    yield* this.freeze()
    this.tagSet.removeQueue(this)
    this.#table.exit()
    this.#requeues.shutdown()
    yield* this.#submitter.drain()
  }

  *setScheduler(name: string): Op<void> {
    const wanted = schedulerName(name)
    yield* this.freeze()
    try {
      if (this.#destroyed) throw new KernelError('ENOENT', `${this.name}: the disk was destroyed`)
      if (wanted !== this.scheduler) this.#sched.switchTo(wanted)
    } finally {
      this.unfreeze()
    }
  }

  freeze(): Op<void> {
    return this.#gate.freeze()
  }

  freezeStart(): void {
    this.#gate.freezeStart()
  }

  freezeWait(timeoutNs: number): Op<boolean> {
    return this.#gate.freezeWait(timeoutNs)
  }

  unfreeze(): void {
    this.#gate.unfreeze()
  }

  quiesce(): void {
    this.#gate.quiesce()
  }

  waitQuiesceDone(): Op<void> {
    return this.#gate.waitQuiesceDone()
  }

  unquiesce(): void {
    if (this.#gate.unquiesce()) this.runHwQueues()
  }

  runHwQueues(): void {
    for (const hctx of this.#table.hctxs) hctx.dispatch.kick()
  }

  delayRunHwQueues(delayNs: number): void {
    for (const hctx of this.#table.hctxs) hctx.dispatch.delayRun(delayNs)
  }

  kickRequeueList(): void {
    this.#requeues.kick()
  }

  delayKickRequeueList(delayNs: number): void {
    this.#requeues.delayKick(delayNs)
  }

  reallocHwCtxs(): void {
    this.#table.realloc()
  }

  mapSwqueue(): void {
    this.#table.mapSwqueue()
  }

  poll(): number {
    let found = 0
    for (const hctx of this.#table.hctxs) found += hctx.ops.poll?.(hctx) ?? 0
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
