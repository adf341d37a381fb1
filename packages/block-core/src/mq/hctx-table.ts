// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { HwQueue, type HwQueueHome } from './hw-queue.ts'
import { type BlkMqQueueMap, blkMqGetHctxType, HctxType } from './queue-map.ts'
import { signallingOps } from './signalling-ops.ts'
import type { TagMap } from './tag-map.ts'
import type { TagSet } from './tag-set.ts'
import type { TagUser } from './tag-user.ts'

const HCTX_TYPES = [HctxType.DEFAULT, HctxType.READ, HctxType.POLL] as const

/** The hardware queues of a disk, and which of them takes what a CPU submits. */
export class HctxTable {
  /** All, mapped or not. */
  readonly hctxs: HwQueue[]
  readonly #home: HwQueueHome
  readonly #tagSet: TagSet
  /** The one of all, with host-wide tags. */
  #sharedUser: TagUser | null
  /** By kind, then by CPU. */
  #byCpu: readonly HwQueue[]
  #nrCpus: number
  #oneKind: boolean
  #canPoll: boolean

  constructor(home: HwQueueHome, tagSet: TagSet) {
    this.hctxs = []
    this.#home = home
    this.#tagSet = tagSet
    this.#sharedUser = null
    this.#byCpu = []
    this.#nrCpus = 1
    this.#oneKind = true
    this.#canPoll = false
  }

  /** Whether there are queues for polled I/O. @see block/blk-mq.h blk_mq_can_poll */
  get canPoll(): boolean {
    return this.#canPoll
  }

  /** @see block/blk-mq.h blk_mq_map_queue */
  mapQueue(cpu: number, opf: number): HwQueue {
    const ctx = cpu % this.#nrCpus
    const index = this.#oneKind ? ctx : blkMqGetHctxType(opf) * this.#nrCpus + ctx
    const hctx = this.#byCpu[index]
    assert(hctx !== undefined, 'hctx table: no such cpu')
    return hctx
  }

  /**
   * Makes the hardware queues as many as the tag set has; those that stay stay. No request is on one. Throws what `initHctx` throws, and
   * then has those that it had.
   * @see block/blk-mq.c blk_mq_realloc_hw_ctxs
   */
  realloc(): void {
    for (const hctx of this.hctxs) {
      assert(hctx.nrActive === 0, 'hctx table: queues change while there are requests')
    }
    const before = this.hctxs.length
    const { tagMaps } = this.#tagSet
    this.#exitDownTo(tagMaps.length)
    try {
      for (const tags of tagMaps.slice(before)) this.#init(tags)
    } catch (error) {
      this.#exitDownTo(before)
      throw error
    }
  }

  /** The disk is gone. */
  exit(): void {
    this.#exitDownTo(0)
  }

  /** Sends submitters to hardware queues as the maps of the tag set say. @see block/blk-mq.c blk_mq_map_swqueue */
  mapSwqueue(): void {
    const { map: maps, nrCpus } = this.#tagSet
    const byCpu: HwQueue[] = []
    for (const type of HCTX_TYPES) {
      const map = maps[type]
      for (let cpu = 0; cpu < nrCpus; cpu++) {
        byCpu.push(this.#hctxFor(map, cpu) ?? this.#fallback(byCpu, cpu))
      }
    }
    for (const hctx of this.hctxs) nameKind(hctx, byCpu, nrCpus)
    this.#byCpu = byCpu
    this.#nrCpus = nrCpus
    this.#oneKind = maps.length === 1
    this.#canPoll = (maps[HctxType.POLL]?.nrQueues ?? 0) > 0
  }

  #init(tags: TagMap): void {
    const { kernel, ops } = this.#tagSet
    const queueNum = this.hctxs.length
    const tagUser = this.#addUser(tags, queueNum)
    const hctx = new HwQueue(this.#home, signallingOps(kernel, ops), { queueNum, tags, tagUser })
    try {
      ops.initHctx?.(hctx, queueNum)
    } catch (error) {
      this.#removeUser(hctx)
      throw error
    }
    this.hctxs.push(hctx)
  }

  #exitDownTo(nrHctxs: number): void {
    while (this.hctxs.length > nrHctxs) {
      const hctx = this.hctxs.pop()
      assert(hctx !== undefined, 'hctx table: empty')
      hctx.dispatch.shutdown()
      hctx.ops.exitHctx?.(hctx, hctx.queueNum)
      this.#removeUser(hctx)
    }
  }

  #addUser(tags: TagMap, queueNum: number): TagUser {
    const { name } = this.#home.disk
    if (!this.#tagSet.hctxShared) return tags.addUser(`hardware queue ${queueNum} of ${name}`)
    this.#sharedUser ??= tags.addUser(name)
    return this.#sharedUser
  }

  /** Of one that is not in the table any more. */
  #removeUser(hctx: HwQueue): void {
    if (this.#sharedUser !== null && this.hctxs.length > 0) return
    this.#sharedUser = null
    hctx.tags.removeUser(hctx.tagUser)
  }

  #hctxFor(map: BlkMqQueueMap | undefined, cpu: number): HwQueue | null {
    if (map === undefined || map.nrQueues === 0) return null
    const hctx = this.hctxs[map.mqMap[cpu] ?? -1]
    assert(hctx !== undefined, 'hctx table: a map names a queue that is not there')
    return hctx
  }

  /** A kind without queues uses those of DEFAULT, which come first. */
  #fallback(byCpu: readonly HwQueue[], cpu: number): HwQueue {
    const hctx = byCpu[cpu]
    assert(hctx !== undefined, 'hctx table: the default map has no queue')
    return hctx
  }
}

/** A queue that several kinds share is of the first of them, and counts each CPU once. */
function nameKind(hctx: HwQueue, byCpu: readonly HwQueue[], nrCpus: number): void {
  const at = byCpu.indexOf(hctx)
  const cpus = new Set<number>()
  for (const [index, each] of byCpu.entries()) if (each === hctx) cpus.add(index % nrCpus)
  hctx.type = HCTX_TYPES[Math.floor(at / nrCpus)] ?? HctxType.DEFAULT
  hctx.nrCtx = cpus.size
}
