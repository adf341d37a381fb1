// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { attemptMerge } from '../merge/bio-merge.ts'
import { ElvMerge } from '../merge/elv-merge.ts'
import { blkDiscardMergable } from '../merge/merge-limits.ts'
import { blkRqMergeOk } from '../merge/merge-ok.ts'
import { blkAttemptReqMerge } from '../merge/req-merge.ts'
import type { Request } from '../mq/request.ts'
import type { RqList } from '../mq/rq-list.ts'
import { opIsWrite, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import {
  DD_BE_PRIO,
  DD_PRIO_MAX,
  DD_READ,
  DD_RT_PRIO,
  DD_WRITE,
  type DdDir,
  DdPerPrio,
  ddPrioOf,
} from './dd-prio.ts'
import { DdSettings } from './dd-settings.ts'
import type { Elevator, ElevatorHost, IoschedTunables } from './elevator.ts'
import { type ElvRq, elvRqOf } from './elv-rq.ts'
import { FifoList } from './fifo-list.ts'
import { MergeIndex } from './merge-index.ts'

function dirOf(opf: number): DdDir {
  return opIsWrite(opf) ? DD_WRITE : DD_READ
}

/**
 * The deadline scheduler: requests go in batches by sector, reads before writes, but none waits for ever. Each direction of each
 * priority has its requests twice, by sector and by age.
 *
 *   at the head of all: what was inserted there
 *   then requests of a lower priority that are older than prio_aging_expire
 *   then the highest priority that has any request here or with the driver:
 *     a batch goes on with the next sector of its direction, up to fifo_batch requests;
 *     a new one takes reads, unless writes were passed over writes_starved times;
 *     it begins at the oldest request if that has expired, or if nothing lies ahead of the last one
 *
 * @see block/mq-deadline.c; Documentation/block/deadline-iosched.rst
 */
class MqDeadline implements Elevator {
  readonly name = 'mq-deadline'
  readonly tunables: IoschedTunables
  readonly #host: ElevatorHost
  readonly #settings: DdSettings
  readonly #index: MergeIndex
  readonly #perPrio: readonly [DdPerPrio, DdPerPrio, DdPerPrio]
  /** Inserted at the head. */
  readonly #dispatch: FifoList
  #lastDir: DdDir
  #batching: number
  #starved: number

  constructor(host: ElevatorHost) {
    this.#host = host
    this.#settings = new DdSettings(host)
    this.tunables = this.#settings.tunables
    this.#index = new MergeIndex(host.limits)
    this.#perPrio = [new DdPerPrio(), new DdPerPrio(), new DdPerPrio()]
    this.#dispatch = new FifoList()
    this.#lastDir = DD_WRITE
    this.#batching = 0
    this.#starved = 0
  }

  insertRequests(_hctxIndex: number, list: RqList, atHead: boolean): void {
    const nowNs = this.#host.nowNs()
    for (let rq = list.pop(); rq !== null; rq = list.pop()) this.#insert(rq, atHead, nowNs)
  }

  hasWork(): boolean {
    const [rt, be, idle] = this.#perPrio
    return this.#dispatch.head !== null || rt.hasWork || be.hasWork || idle.hasWork
  }

  /** @see block/mq-deadline.c dd_dispatch_request */
  dispatchRequest(): Request | null {
    const first = this.#dispatch.head
    if (first !== null) {
      this.#dispatch.remove(first)
      return this.#start(first)
    }
    if (!this.hasWork()) return null
    const nowNs = this.#host.nowNs()
    const aged = this.#dispatchAged(nowNs)
    if (aged !== null) return aged
    for (const perPrio of this.#perPrio) {
      const rq = this.#dispatchFrom(perPrio, nowNs, nowNs)
      if (rq !== null) return rq
      if (perPrio.queued > 0) return null
    }
    return null
  }

  /** @see block/mq-deadline.c dd_bio_merge; block/blk-mq-sched.c blk_mq_sched_try_merge */
  bioMerge(bio: Bio): ElvMerge {
    const way = this.#findMerge(bio)
    const rq = this.#index.found
    this.#index.found = null
    if (way === ElvMerge.NO_MERGE || rq === null) return ElvMerge.NO_MERGE
    if (!attemptMerge(rq, bio, this.#host.limits, way)) return ElvMerge.NO_MERGE
    if (way === ElvMerge.BACK_MERGE) this.#mergedBehind(rq)
    else if (way === ElvMerge.FRONT_MERGE) this.#mergedInFront(rq)
    return way
  }

  /** @see block/mq-deadline.c dd_finish_request */
  completed(rq: Request): void {
    const node = elvRqOf(rq)
    if (node.prio < 0) return
    this.#prioOf(node).completed++
    node.prio = -1
  }

  /** @see block/mq-deadline.c dd_limit_depth */
  mayAllocate(opf: number, nrActive: number): boolean {
    return reqOp(opf) === ReqOp.READ || nrActive < this.#settings.asyncDepth
  }

  #prioOf(node: ElvRq): DdPerPrio {
    const [rt, be, idle] = this.#perPrio
    if (node.prio === DD_BE_PRIO) return be
    return node.prio === DD_RT_PRIO ? rt : idle
  }

  /** @see block/mq-deadline.c dd_insert_request */
  #insert(rq: Request, atHead: boolean, nowNs: number): void {
    const node = elvRqOf(rq)
    if (node.prio < 0) {
      node.prio = ddPrioOf(rq.bio?.biIoprio ?? 0)
      this.#prioOf(node).inserted++
    }
    if (atHead) {
      node.fifoTimeNs = nowNs
      this.#dispatch.addHead(node)
      return
    }
    if (!this.#host.noMerges && this.#insertMerge(rq)) return
    const dir = dirOf(rq.cmdFlags)
    const queue = this.#prioOf(node).of(dir)
    queue.sorted.add(node)
    this.#index.add(node)
    node.fifoTimeNs = nowNs + this.#settings.fifoExpireNs(dir)
    queue.fifo.addTail(node)
  }

  /** The request that it joins may then join the one ahead of it. @see block/elevator.c elv_attempt_insert_merge */
  #insertMerge(rq: Request): boolean {
    const last = this.#index.mergeIntoLast(rq)
    if (last !== null) {
      this.#requestsMerged(last, rq)
      return true
    }
    let merged = rq
    let ahead = this.#index.mergeIntoAhead(merged)
    while (ahead !== null) {
      this.#requestsMerged(ahead, merged)
      merged = ahead
      ahead = this.#index.mergeIntoAhead(merged)
    }
    return merged !== rq
  }

  #findMerge(bio: Bio): ElvMerge {
    const way = this.#index.find(bio)
    if (way !== ElvMerge.NO_MERGE || !this.#settings.frontMerges) return way
    return this.#findFront(bio)
  }

  /** @see block/mq-deadline.c dd_request_merge */
  #findFront(bio: Bio): ElvMerge {
    const { biSector, biSize } = bio.biIter
    const end = biSector + biSize / SECTOR_SIZE
    const perPrio = this.#perPrio[ddPrioOf(bio.biIoprio)]
    const node = perPrio?.of(dirOf(bio.biOpf)).sorted.atOrAfter(end) ?? null
    if (node === null || node.sector !== end || !blkRqMergeOk(node.rq, bio)) {
      return ElvMerge.NO_MERGE
    }
    this.#index.found = node.rq
    const { limits } = this.#host
    return blkDiscardMergable(node.rq, limits) ? ElvMerge.DISCARD_MERGE : ElvMerge.FRONT_MERGE
  }

  /** It may reach the next one now. @see block/blk-merge.c attempt_back_merge */
  #mergedBehind(rq: Request): void {
    const node = elvRqOf(rq)
    const next = this.#queueOf(node).sorted.latter(node)?.rq ?? null
    if (next !== null && blkAttemptReqMerge(rq, next, this.#host.limits)) {
      this.#requestsMerged(rq, next)
    } else this.#index.grown(rq)
  }

  /** It may reach the one before now, else it has a new place. @see block/blk-merge.c attempt_front_merge */
  #mergedInFront(rq: Request): void {
    const node = elvRqOf(rq)
    const { sorted } = this.#queueOf(node)
    const previous = sorted.former(node)?.rq ?? null
    if (previous !== null && blkAttemptReqMerge(previous, rq, this.#host.limits)) {
      this.#requestsMerged(previous, rq)
      return
    }
    sorted.remove(node)
    sorted.add(node)
    this.#index.grown(rq)
  }

  /** `rq` has taken over the bios of `next`, and with them its time. @see block/mq-deadline.c dd_merged_requests */
  #requestsMerged(rq: Request, next: Request): void {
    const node = elvRqOf(rq)
    const gone = elvRqOf(next)
    if (gone.inFifo && gone.fifoTimeNs < node.fifoTimeNs) {
      this.#queueOf(node).fifo.moveBehind(node, gone)
      node.fifoTimeNs = gone.fifoTimeNs
    }
    this.#remove(gone)
    this.#index.grown(rq)
    this.#host.freeMerged(next)
  }

  #queueOf(node: ElvRq): DdPerPrio['read'] {
    return this.#prioOf(node).of(dirOf(node.rq.cmdFlags))
  }

  /** One that is being inserted is not there yet. @see block/mq-deadline.c deadline_remove_request */
  #remove(node: ElvRq): void {
    const queue = this.#queueOf(node)
    if (node.inFifo) queue.fifo.remove(node)
    if (node.inTree) queue.sorted.remove(node)
    this.#index.remove(node)
  }

  /** @see block/mq-deadline.c dd_dispatch_prio_aged_requests */
  #dispatchAged(nowNs: number): Request | null {
    let busy = 0
    for (const perPrio of this.#perPrio) if (perPrio.queued > 0) busy++
    if (busy < 2) return null
    const latestNs = nowNs - this.#settings.prioAgingExpireNs
    for (let prio = DD_BE_PRIO; prio <= DD_PRIO_MAX; prio++) {
      const perPrio = this.#perPrio[prio]
      const rq = perPrio === undefined ? null : this.#dispatchFrom(perPrio, nowNs, latestNs)
      if (rq !== null) return rq
    }
    return null
  }

  /** The best request of a priority, unless it came after `latestNs`. @see block/mq-deadline.c __dd_dispatch_request */
  #dispatchFrom(perPrio: DdPerPrio, nowNs: number, latestNs: number): Request | null {
    const following = perPrio.of(this.#lastDir).nextRequest
    if (following !== null && this.#batching < this.#settings.fifoBatch) {
      return this.#dispatchNode(following, latestNs)
    }
    const dir = this.#chooseDir(perPrio)
    if (dir === null) return null
    const queue = perPrio.of(dir)
    const oldest = queue.fifo.head
    const expired = oldest !== null && oldest.fifoTimeNs <= nowNs
    const node = expired ? oldest : (queue.nextRequest ?? oldest)
    if (node === null) return null
    this.#lastDir = dir
    this.#batching = 0
    return this.#dispatchNode(node, latestNs)
  }

  #chooseDir(perPrio: DdPerPrio): DdDir | null {
    const writes = perPrio.write.fifo.head !== null
    if (perPrio.read.fifo.head !== null) {
      if (!writes) return DD_READ
      const starved = this.#starved
      this.#starved++
      if (starved < this.#settings.writesStarved) return DD_READ
    } else if (!writes) return null
    this.#starved = 0
    return DD_WRITE
  }

  #dispatchNode(node: ElvRq, latestNs: number): Request | null {
    const startNs = node.fifoTimeNs - this.#settings.fifoExpireNs(dirOf(node.rq.cmdFlags))
    if (startNs > latestNs) return null
    this.#batching++
    this.#remove(node)
    return this.#start(node)
  }

  /** @see block/mq-deadline.c dd_start_request */
  #start(node: ElvRq): Request {
    this.#queueOf(node).latestPos = node.rq.sector
    return node.rq
  }
}

/** @see block/mq-deadline.c dd_init_sched */
export function createMqDeadline(host: ElevatorHost): Elevator {
  return new MqDeadline(host)
}
