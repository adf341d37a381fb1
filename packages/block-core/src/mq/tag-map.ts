// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertOnce, type Kernel, type Op, WaitQueue } from '@iolayers/kernel'
import type { BlkMqOps } from './blk-mq-ops.ts'
import { Request } from './request.ts'
import { RqStamps } from './rq-stamps.ts'
import { RqTimes } from './rq-times.ts'
import { TagUser } from './tag-user.ts'

export interface TagMapInit {
  readonly hctxIndex: number
  /** Tags in all, reserved ones among them. */
  readonly depth: number
  readonly reserved: number
}

/** No share: a tag map has this many tags at most. */
const UNLIMITED = 0x3fff_ffff

/** A share is never less. @see block/blk-mq.h hctx_may_queue */
const SHARE_MIN = 4

/** Who found no tag and did not wait for one, but will come again, has its share kept for so long. */
const CLAIM_NS = 1_000_000_000

/**
 * The tags of one hardware queue with their requests, all made at once. Tags from 0 on are reserved ones, which only those get who ask
 * for them; those of the current depth and above are not given out.
 *
 * Who sleeps for a tag sleeps with its user, and a tag that comes back wakes one sleeper of one user that may take it, users in turn:
 * nobody is woken for a tag that its share forbids. A woken sleeper that cannot use the tag after all passes the wake on, so that
 * nobody sleeps while there is a tag for it.
 * @see include/linux/blk-mq.h struct blk_mq_tags
 */
export class TagMap<P = unknown> {
  readonly requests: readonly Request<P>[]
  readonly nrReservedTags: number
  readonly times: RqTimes
  readonly #kernel: Kernel
  readonly #ops: BlkMqOps<P>
  readonly #hctxIndex: number
  readonly #users: TagUser[]
  readonly #freeTags: Int32Array
  readonly #freeReserved: Int32Array
  readonly #reservedWait: WaitQueue
  /** Of tags at the depth and above: 1 where the tag is not in use. */
  readonly #withdrawn: Uint8Array
  #freeCount: number
  #freeReservedCount: number
  #depth: number
  #activeQueues: number
  #sleepers: number
  #nextUser: number
  #stamps: RqStamps | null

  constructor(kernel: Kernel, ops: BlkMqOps<P>, init: TagMapInit) {
    const { hctxIndex, depth, reserved } = init
    this.nrReservedTags = reserved
    this.times = new RqTimes(depth)
    this.#kernel = kernel
    this.#ops = ops
    this.#hctxIndex = hctxIndex
    this.#users = []
    this.#freeTags = new Int32Array(depth - reserved)
    this.#freeReserved = new Int32Array(reserved)
    this.#reservedWait = new WaitQueue(kernel.scheduler, `reserved tags of queue ${hctxIndex}`)
    this.#withdrawn = new Uint8Array(depth)
    for (let i = 0; i < depth - reserved; i++) this.#freeTags[i] = depth - 1 - i
    for (let i = 0; i < reserved; i++) this.#freeReserved[i] = reserved - 1 - i
    this.#freeCount = depth - reserved
    this.#freeReservedCount = reserved
    this.#depth = depth
    this.#activeQueues = 0
    this.#sleepers = 0
    this.#nextUser = 0
    this.#stamps = null
    this.requests = makeRequests(ops, hctxIndex, depth)
  }

  /** Tags that are free, reserved ones not among them. */
  get free(): number {
    return this.#freeCount
  }

  get freeReserved(): number {
    return this.#freeReservedCount
  }

  /** Tags below it are given out. */
  get depth(): number {
    return this.#depth
  }

  /** Users among whom the tags are divided. @see include/linux/blk-mq.h struct blk_mq_tags active_queues */
  get activeQueues(): number {
    return this.#activeQueues
  }

  get users(): readonly TagUser[] {
    return this.#users
  }

  /**
   * Null when all are in use, or where others share the tags and the user has its part of them. Reserved tags are not divided.
   * @see block/blk-mq-tag.c __blk_mq_get_tag
   */
  tryGet(user: TagUser, reserved: boolean): Request<P> | null {
    if (reserved) return this.#tryGetReserved(user)
    if (this.#freeCount === 0 || user.active >= user.limit) {
      if (!this.#admit(user)) return null
    }
    this.#freeCount--
    return this.#take(user, this.#freeTags[this.#freeCount] ?? -1)
  }

  put(user: TagUser, tag: number): void {
    user.active--
    if (tag < this.nrReservedTags) this.#putReserved(tag)
    else if (tag < this.#depth) {
      assertOnce(
        this.#freeCount < this.#depth - this.nrReservedTags,
        'tag map: a tag was put twice',
      )
      this.#freeTags[this.#freeCount] = tag
      this.#freeCount++
    } else this.#withdrawn[tag] = 1
    if (this.#sleepers !== 0) this.#wakeNext()
  }

  /**
   * Returns when the user may take a tag, which nobody keeps for it, when its hardware queue is gone, or when `giveUp` holds. In the last
   * two cases the caller calls `passWake`.
   */
  *waitTag(user: TagUser, reserved: boolean, giveUp: () => boolean): Op<void> {
    if (reserved) {
      const mayTake = () => this.#freeReservedCount > 0 || user.closed || giveUp()
      yield* this.#reservedWait.waitEventExclusive(mayTake)
      return
    }
    user.sleepers++
    this.#sleepers++
    try {
      const mayTake = () => user.closed || giveUp() || this.#admitOrPass(user)
      yield* user.wait.waitEventExclusive(mayTake)
    } finally {
      user.sleepers--
      this.#sleepers--
    }
  }

  /** A submitter that was woken for a tag and does not take it lets the next one have it. */
  passWake(): void {
    if (this.#sleepers !== 0 && this.#freeCount > 0) this.#wakeNext()
    if (this.#freeReservedCount > 0) this.#reservedWait.wakeUp()
  }

  /** Wakes all that sleep for a tag of this user; those whose `giveUp` holds leave. */
  wakeUser(user: TagUser): void {
    user.wait.wakeUpAll()
    this.#reservedWait.wakeUpAll()
  }

  /** @see block/blk-mq.c blk_mq_add_queue_tag_set */
  addUser(name: string): TagUser {
    const user = new TagUser(this.#kernel.scheduler, name)
    this.#users.push(user)
    for (const each of this.#users) each.busy ||= each.active > 0 || each.sleepers > 0
    this.#share()
    return user
  }

  /** Those who sleep with it leave. @see block/blk-mq.c blk_mq_del_queue_tag_set */
  removeUser(user: TagUser): void {
    const index = this.#users.indexOf(user)
    assert(index >= 0, 'tag map: a user was removed twice')
    assert(user.active === 0, 'tag map: a user was removed that has tags')
    this.#users.splice(index, 1)
    user.closed = true
    user.busy = false
    this.wakeUser(user)
    this.#share()
    this.#wakeAll()
  }

  /**
   * From now on tags below `depth` are given out. Those above that are in use come back when they come.
   * @see block/blk-mq-tag.c blk_mq_tag_update_depth; lib/sbitmap.c sbitmap_queue_resize
   */
  setDepth(depth: number): void {
    assert(depth > this.nrReservedTags && depth <= this.requests.length, 'tag map: bad depth')
    for (let tag = this.#depth; tag < depth; tag++) {
      if (this.#withdrawn[tag] === 0) continue
      this.#withdrawn[tag] = 0
      this.#freeTags[this.#freeCount] = tag
      this.#freeCount++
    }
    this.#depth = depth
    this.#withdraw()
    this.#share()
    this.#wakeAll()
  }

  /** Gives back the requests. */
  exit(): void {
    assert(this.#users.length === 0, 'tag map: gone while it has users')
    exitRequests(this.#ops, this.#hctxIndex, this.requests)
  }

  /** From now on every request is stamped when it is taken. */
  stampRequests(): RqStamps {
    this.#stamps ??= new RqStamps(this.#kernel.scheduler, this.requests.length)
    return this.#stamps
  }

  #take(user: TagUser, tag: number): Request<P> {
    const rq = this.requests[tag]
    assert(rq !== undefined, 'tag map: hole in the free list')
    user.active++
    if (this.#stamps !== null) this.#stamps.taken(tag)
    return rq
  }

  #tryGetReserved(user: TagUser): Request<P> | null {
    if (this.#freeReservedCount === 0) return null
    this.#freeReservedCount--
    return this.#take(user, this.#freeReserved[this.#freeReservedCount] ?? -1)
  }

  #putReserved(tag: number): void {
    assertOnce(this.#freeReservedCount < this.nrReservedTags, 'tag map: a tag was put twice')
    this.#freeReserved[this.#freeReservedCount] = tag
    this.#freeReservedCount++
    this.#reservedWait.wakeUp()
  }

  /** Takes tags at the depth and above off the free list. */
  #withdraw(): void {
    let kept = 0
    for (let i = 0; i < this.#freeCount; i++) {
      const tag = this.#freeTags[i] ?? -1
      if (tag >= this.#depth) this.#withdrawn[tag] = 1
      else this.#freeTags[kept++] = tag
    }
    this.#freeCount = kept
  }

  /** Whether there is a tag for the user, which counts as busy from now on. @see block/blk-mq-tag.c __blk_mq_tag_busy */
  #admit(user: TagUser): boolean {
    if (!user.busy && this.#users.length > 1) {
      user.busy = true
      this.#share()
    }
    if (user.active >= user.limit && !this.#retireIdle(user)) return false
    if (this.#freeCount > 0) return user.active < user.limit
    user.refusedNs = this.#kernel.scheduler.nowNs()
    return false
  }

  #admitOrPass(user: TagUser): boolean {
    if (this.#admit(user)) return true
    if (this.#freeCount > 0) this.#wakeOne()
    return false
  }

  /**
   * The user has its share and wants more, or somebody sleeps: those who have nothing and want nothing do not count any more. False where there are
   * none. @see block/blk-mq.c blk_mq_timeout_work, where a queue is idle when its timer finds no request
   */
  #retireIdle(user: TagUser | null): boolean {
    let retired = false
    for (const each of this.#users) {
      if (each === user || !this.#isIdle(each)) continue
      each.busy = false
      retired = true
    }
    if (!retired) return false
    this.#share()
    this.#wakeAll()
    return true
  }

  /** Divides the tags anew. @see block/blk-mq.h hctx_may_queue */
  #share(): void {
    const shared = this.#users.length > 1
    let busy = 0
    for (const user of this.#users) if (user.busy) busy++
    this.#activeQueues = busy
    const tags = this.#depth - this.nrReservedTags
    const share = tags === 1 ? UNLIMITED : Math.max(Math.ceil(tags / Math.max(busy, 1)), SHARE_MIN)
    for (const user of this.#users) user.limit = limitOf(user, shared, share)
  }

  /** Somebody sleeps, and there may be a tag for him, or more than before for all: users become idle when their last tag comes back. */
  #wakeNext(): void {
    if (!this.#retireIdle(null)) this.#wakeOne()
  }

  #wakeOne(): void {
    const nrUsers = this.#users.length
    for (let i = 0; i < nrUsers; i++) {
      const index = (this.#nextUser + i) % nrUsers
      const user = this.#users[index]
      if (user === undefined || !this.#mayWake(user)) continue
      this.#nextUser = index + 1
      user.wait.wakeUp()
      return
    }
  }

  /** The shares have changed. */
  #wakeAll(): void {
    if (this.#sleepers === 0) return
    for (const user of this.#users) if (this.#mayWake(user)) user.wait.wakeUpAll()
  }

  #isIdle(user: TagUser): boolean {
    if (!user.busy || user.active > 0 || user.sleepers > 0) return false
    return this.#kernel.scheduler.nowNs() - user.refusedNs >= CLAIM_NS
  }

  #mayWake(user: TagUser): boolean {
    return user.wait.hasWaiters && this.#freeCount > 0 && user.active < user.limit
  }
}

/** One that does not count yet is let in by `#admit`. */
function limitOf(user: TagUser, shared: boolean, share: number): number {
  if (!shared) return UNLIMITED
  return user.busy ? share : 0
}

/** Those made before a failure are given back. */
function makeRequests<P>(ops: BlkMqOps<P>, hctxIndex: number, depth: number): Request<P>[] {
  const requests: Request<P>[] = []
  try {
    for (let tag = 0; tag < depth; tag++) {
      requests.push(new Request(tag, ops.initRequest(hctxIndex, tag)))
    }
  } catch (error) {
    exitRequests(ops, hctxIndex, requests)
    throw error
  }
  return requests
}

function exitRequests<P>(
  ops: BlkMqOps<P>,
  hctxIndex: number,
  requests: readonly Request<P>[],
): void {
  for (const rq of requests) ops.exitRequest?.(rq, hctxIndex)
}
