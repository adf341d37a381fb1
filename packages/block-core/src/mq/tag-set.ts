// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Kernel, KernelError, Mutex } from '@iolayers/kernel'
import type { RequestQueue } from '../disk/disk.ts'
import type { BlkMqOps } from './blk-mq-ops.ts'
import { type BlkMqQueueMap, HCTX_MAX_TYPES, type MapQueues, makeQueueMaps } from './queue-map.ts'
import { MqRqState, type Request } from './request.ts'
import { TagMap } from './tag-map.ts'

export interface TagSetInit<P> {
  readonly ops: BlkMqOps<P>
  readonly nrHwQueues: number
  /** Tags of each hardware queue, or of all together with `hctxShared`. */
  readonly queueDepth: number
  /** Of these, how many only those get who ask for a reserved one: tags from 0 on. Left out, none. */
  readonly reservedTags?: number
  /** How many kinds of hardware queues there are: DEFAULT, READ and POLL in that order. More than one needs `mapQueues`. Left out, 1. */
  readonly nrMaps?: number
  /** CPUs of the machine; `Plug.cpu` is taken modulo this. Left out, as many as there are hardware queues. */
  readonly nrCpus?: number
  /** Left out, `blkMqMapQueues` spreads the CPUs over the hardware queues. */
  readonly mapQueues?: MapQueues
  /** How long a driver may take for a request before its `timeout` is asked; 30 seconds by default. */
  readonly timeoutNs?: number
  /** The hardware queues share one lot of tags. @see include/linux/blk-mq.h BLK_MQ_F_TAG_HCTX_SHARED */
  readonly hctxShared?: boolean
}

/** @see include/linux/blk-mq.h BLK_MQ_MAX_DEPTH */
const BLK_MQ_MAX_DEPTH = 10_240
/** @see block/blk-mq.c blk_mq_init_allocated_queue: 30 * HZ */
const BLK_MQ_TIMEOUT_NS = 30_000_000_000
/** @see block/blk-mq.h BLK_MQ_NO_HCTX_IDX */
export const BLK_MQ_NO_HCTX_IDX = -1
export const NR_HW_QUEUES_MAX = 65_535

/** A disk as its tag set sees it. */
export interface TagSetQueue extends RequestQueue {
  /** Makes its hardware queues as many as the set has. Throws what the driver throws, and then has those that it had. */
  reallocHwCtxs(): void
  /** Sends submitters to hardware queues as the maps of the set say. */
  mapSwqueue(): void
}

/**
 * The tags and requests of a driver's hardware queues. Disks made over the same set share them.
 * @see include/linux/blk-mq.h struct blk_mq_tag_set
 */
export class TagSet<P = unknown> {
  readonly kernel: Kernel
  readonly ops: BlkMqOps<P>
  readonly queueDepth: number
  readonly timeoutNs: number
  readonly reservedTags: number
  readonly nrMaps: number
  /** Whether all hardware queues have the same tags: `tagMaps` then names one map many times. */
  readonly hctxShared: boolean
  /** Held while the number of hardware queues or of requests changes. @see include/linux/blk-mq.h struct blk_mq_tag_set update_nr_hwq_lock */
  readonly updateNrHwqLock: Mutex
  readonly #init: TagSetInit<P>
  readonly #queues: Set<TagSetQueue>
  #tagMaps: readonly TagMap<P>[]
  #map: readonly BlkMqQueueMap[]
  #nrRequests: number
  #stamping: boolean
  #destroyed: boolean

  constructor(kernel: Kernel, init: TagSetInit<P>) {
    this.kernel = kernel
    this.ops = init.ops
    this.queueDepth = init.queueDepth
    this.timeoutNs = init.timeoutNs ?? BLK_MQ_TIMEOUT_NS
    this.reservedTags = init.reservedTags ?? 0
    this.nrMaps = init.nrMaps ?? 1
    this.hctxShared = init.hctxShared ?? false
    this.updateNrHwqLock = new Mutex(kernel.scheduler, 'update_nr_hwq')
    this.#init = init
    this.#queues = new Set()
    this.#nrRequests = init.queueDepth
    this.#stamping = false
    this.#destroyed = false
    const nrHwQueues = this.clampNrHwQueues(init.nrHwQueues)
    this.#map = this.#makeMaps(nrHwQueues)
    this.#tagMaps = this.#resized([], nrHwQueues)
  }

  get nrHwQueues(): number {
    return this.#tagMaps.length
  }

  /** By hardware queue. */
  get tagMaps(): readonly TagMap<P>[] {
    return this.#tagMaps
  }

  /** By `HctxType`. */
  get map(): readonly BlkMqQueueMap[] {
    return this.#map
  }

  get nrCpus(): number {
    return this.#init.nrCpus ?? this.nrHwQueues
  }

  /** Of the disks over this set. */
  get queues(): ReadonlySet<TagSetQueue> {
    return this.#queues
  }

  /** Tags of each hardware queue that are given out, reserved ones among them. @see include/linux/blkdev.h struct request_queue nr_requests */
  get nrRequests(): number {
    return this.#nrRequests
  }

  /** The request that a tag stands for; null where the tag is free or out of range. @see block/blk-mq.c blk_mq_tag_to_rq */
  tagToRq(hctxIndex: number, tag: number): Request<P> | null {
    const rq = this.#tagMaps[hctxIndex]?.requests[tag]
    return rq === undefined || rq.mqHctx === null ? null : rq
  }

  /**
   * Visits every request that was handed to the driver and has not ended, by hardware queue and tag, reserved ones among them. The
   * visitor may end requests, this one and others, and submit new ones; those may be visited too.
   * @see block/blk-mq-tag.c blk_mq_tagset_busy_iter
   */
  busyIter(visit: (rq: Request<P>) => void): void {
    for (const tags of this.#distinctMaps(this.#tagMaps)) {
      for (const rq of tags.requests) if (rq.state !== MqRqState.IDLE) visit(rq)
    }
  }

  /** From now on requests carry the time at which they were allocated. Idempotent. @see block/blk-stat.c blk_stat_enable_accounting */
  stampRequests(): void {
    this.#stamping = true
    for (const tags of this.#tagMaps) tags.stampRequests()
  }

  /** @see block/blk-mq.c blk_mq_quiesce_tagset */
  quiesce(): void {
    for (const queue of this.#queues) queue.quiesce()
  }

  unquiesce(): void {
    for (const queue of this.#queues) queue.unquiesce()
  }

  /** For disks. @see block/blk-mq.c blk_mq_add_queue_tag_set */
  addQueue(queue: TagSetQueue): void {
    assert(!this.#destroyed, 'tag set: a disk over a destroyed set')
    this.#queues.add(queue)
  }

  removeQueue(queue: TagSetQueue): void {
    this.#queues.delete(queue)
  }

  /** Gives back all requests. No disk may be left. Idempotent. @see block/blk-mq.c blk_mq_free_tag_set */
  destroy(): void {
    assert(this.#queues.size === 0, 'tag set: destroyed with disks')
    if (this.#destroyed) return
    this.#destroyed = true
    this.#exitMaps(this.#tagMaps, [])
  }

  /** There is no use for more hardware queues of one kind than CPUs. @see block/blk-mq.c blk_mq_alloc_tag_set */
  clampNrHwQueues(wanted: number): number {
    const nrCpus = this.#init.nrCpus ?? wanted
    return this.nrMaps === 1 ? Math.min(wanted, nrCpus) : wanted
  }

  /**
   * For `blkMqUpdateNrHwQueues`, with all disks frozen. Maps of queues that stay stay. On an error from the driver all is as it was.
   * @see block/blk-mq.c blk_mq_realloc_tag_set_tags
   */
  resize(nrHwQueues: number): void {
    const before = this.#tagMaps
    const map = this.#makeMaps(nrHwQueues)
    this.#tagMaps = this.#resized(before, nrHwQueues)
    try {
      for (const queue of this.#queues) queue.reallocHwCtxs()
    } catch (error) {
      const failed = this.#tagMaps
      this.#tagMaps = before
      for (const queue of this.#queues) queue.reallocHwCtxs()
      this.#exitMaps(failed, before)
      throw error
    }
    this.#map = map
    for (const queue of this.#queues) queue.mapSwqueue()
    this.#exitMaps(before, this.#tagMaps)
  }

  /** For `blkMqUpdateNrRequests`. */
  setNrRequests(nrRequests: number): void {
    this.#nrRequests = nrRequests
    for (const tags of this.#distinctMaps(this.#tagMaps)) tags.setDepth(nrRequests)
  }

  #makeMaps(nrHwQueues: number): readonly BlkMqQueueMap[] {
    const nrCpus = this.#init.nrCpus ?? nrHwQueues
    const mapQueues = this.#init.mapQueues ?? null
    return makeQueueMaps({ nrMaps: this.nrMaps, nrCpus, nrHwQueues, mapQueues })
  }

  #resized(before: readonly TagMap<P>[], nrHwQueues: number): readonly TagMap<P>[] {
    const tagMaps = before.slice(0, nrHwQueues)
    try {
      for (let index = tagMaps.length; index < nrHwQueues; index++) {
        const first = this.hctxShared ? tagMaps[0] : undefined
        tagMaps.push(first ?? this.#makeTagMap(this.hctxShared ? BLK_MQ_NO_HCTX_IDX : index))
      }
    } catch (error) {
      this.#exitMaps(tagMaps, before)
      throw error
    }
    return tagMaps
  }

  #makeTagMap(hctxIndex: number): TagMap<P> {
    const init = { hctxIndex, depth: this.queueDepth, reserved: this.reservedTags }
    const tags = new TagMap<P>(this.kernel, this.ops, init)
    if (this.#nrRequests < this.queueDepth) tags.setDepth(this.#nrRequests)
    if (this.#stamping) tags.stampRequests()
    return tags
  }

  /** Gives back the requests of maps that are not among those that stay. */
  #exitMaps(maps: readonly TagMap<P>[], stay: readonly TagMap<P>[]): void {
    for (const tags of this.#distinctMaps(maps)) if (!stay.includes(tags)) tags.exit()
  }

  #distinctMaps(maps: readonly TagMap<P>[]): readonly TagMap<P>[] {
    return this.hctxShared ? maps.slice(0, 1) : maps
  }
}

/**
 * Makes all requests of a driver, `initRequest` called for each. One kind of hardware queues has at most as many as there are CPUs.
 * Throws KernelError EINVAL for a depth or a number of queues, maps or CPUs out of range, or for a map that names a queue that is not
 * there, and what `initRequest` throws.
 * @see block/blk-mq.c blk_mq_alloc_tag_set
 */
export function createTagSet<P>(components: { kernel: Kernel }, init: TagSetInit<P>): TagSet<P> {
  const reserved = init.reservedTags ?? 0
  requireRange('nrHwQueues', init.nrHwQueues, 1, NR_HW_QUEUES_MAX)
  requireRange('reservedTags', reserved, 0, BLK_MQ_MAX_DEPTH - 1)
  requireRange('queueDepth', init.queueDepth, reserved + 1, BLK_MQ_MAX_DEPTH)
  requireRange('timeoutNs', init.timeoutNs ?? 1, 1, Number.MAX_SAFE_INTEGER)
  requireRange('nrMaps', init.nrMaps ?? 1, 1, HCTX_MAX_TYPES)
  requireRange('nrCpus', init.nrCpus ?? 1, 1, NR_HW_QUEUES_MAX)
  if ((init.nrMaps ?? 1) > 1 && init.mapQueues === undefined) {
    throw new KernelError('EINVAL', `tag set: nrMaps is ${init.nrMaps}, and needs mapQueues`)
  }
  return new TagSet(components.kernel, init)
}

export function requireRange(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  const bounds = `must be from ${least} to ${most}`
  throw new KernelError('EINVAL', `tag set: ${name} is ${value}, but ${bounds}`)
}
