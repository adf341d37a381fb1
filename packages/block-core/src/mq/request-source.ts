// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The requests of some disks as a list that can be walked while I/O goes on: what a BPF iterator target is made over.
//
// The kernel's walk over busy tags (block/blk-mq-tag.c bt_iter, blk_mq_find_and_get_req) holds a reference on each request while its
// callback runs: a request that ends meanwhile keeps its tag until the last reference is put. That is sound there because the callback may
// not sleep. The program of an iterator may, and between two reads of an iterator lies whatever the reader does: a reference held for so
// long would keep a tag from all I/O, for ever if the reader stops. So nothing is held here. An item is a copy, taken in one
// uninterrupted piece of code, with the place where it was found; the walk goes on behind the place, and right before a program sees
// an item, `live` copies anew, or says that this use of the tag is over.

import type { Disk } from '../disk/disk.ts'
import { reqOp } from '../req-flags.ts'
import type { Request } from './request.ts'
import { blkMqRqStateName, blkOpStr, type MqRqStateName } from './rq-names.ts'
import type { RqStamps } from './rq-stamps.ts'

/**
 * A request as it was when it was last looked at.
 * @see block/blk-mq-debugfs.c __blk_mq_debugfs_rq_show
 */
export class InFlightRequest {
  readonly device: string
  /** Hardware queue of its disk; with the tag it names the request. */
  readonly hctx: number
  readonly tag: number
  op: string
  /** Of 512 bytes, on the disk. */
  sector: number
  bytes: number
  /** `idle`: it has a tag, and the driver has not started it, or gave it back. */
  state: MqRqStateName
  /** Whether its data is a registered dma-buf. */
  dmabuf: boolean
  /** Since it was allocated; null for one that was allocated before anybody had looked at requests of its tag set. */
  ageNs: number | null
  readonly #walk: readonly Disk[]
  readonly #diskIndex: number
  readonly #rq: Request
  readonly #stamps: RqStamps
  readonly #use: number

  constructor(walk: readonly Disk[], place: Place, rq: Request, stamps: RqStamps) {
    this.device = walk[place.disk]?.name ?? ''
    this.hctx = place.hctx
    this.tag = rq.tag
    this.op = ''
    this.sector = 0
    this.bytes = 0
    this.state = 'idle'
    this.dmabuf = false
    this.ageNs = null
    this.#walk = walk
    this.#diskIndex = place.disk
    this.#rq = rq
    this.#stamps = stamps
    this.#use = stamps.usesOf(rq.tag)
    this.#copy()
  }

  /** The first one on any of the disks. */
  static first(walk: readonly Disk[]): InFlightRequest | null {
    return find(walk, { disk: 0, hctx: 0, tag: 0 })
  }

  /** The first one behind the place of this, whatever has become of this. */
  following(): InFlightRequest | null {
    return find(this.#walk, { disk: this.#diskIndex, hctx: this.hctx, tag: this.tag + 1 })
  }

  /** Copies anew; false when it has ended, also where its tag is in use again. */
  refresh(): boolean {
    const ended = this.#rq.mqHctx === null || this.#stamps.usesOf(this.tag) !== this.#use
    if (!ended) this.#copy()
    return !ended
  }

  #copy(): void {
    const rq = this.#rq
    this.op = blkOpStr(reqOp(rq.cmdFlags))
    this.sector = rq.sector
    this.bytes = rq.dataBytes
    this.state = blkMqRqStateName(rq.state)
    this.dmabuf = rq.dmabufMap !== null
    this.ageNs = this.#stamps.ageNsOf(rq.tag)
  }
}

interface Place {
  disk: number
  hctx: number
  tag: number
}

/** The first request at the place or behind it. */
function find(walk: readonly Disk[], place: Place): InFlightRequest | null {
  for (; place.disk < walk.length; place.disk++, place.hctx = 0) {
    const disk = walk[place.disk]
    if (disk === undefined) return null
    for (; place.hctx < (disk.queue.tagSet?.nrHwQueues ?? 0); place.hctx++, place.tag = 0) {
      const found = findBusy(walk, place, disk)
      if (found !== null) return found
    }
  }
  return null
}

/** Disks share tags, and with host-wide tags hardware queues too: one has to be in use for this place. */
function findBusy(walk: readonly Disk[], place: Place, disk: Disk): InFlightRequest | null {
  const tags = disk.queue.tagSet?.tagMaps[place.hctx]
  if (tags === undefined) return null
  for (; place.tag < tags.requests.length; place.tag++) {
    const rq = tags.requests[place.tag]
    const hctx = rq?.mqHctx ?? null
    if (rq === undefined || hctx?.disk !== disk || hctx.queueNum !== place.hctx) continue
    return new InFlightRequest(walk, place, rq, tags.stampRequests())
  }
  return null
}

/**
 * An iterator source: what `bpf-iter` declares as `IterSource`. Walks the disks in the order given, their hardware queues, and the tags of each.
 *
 * A request that is there from the beginning to the end of a walk is listed once, one that ends before it is shown is not, and one that
 * begins during the walk is if its tag lies ahead. Nothing is held, so a reader that stops half-way holds up no I/O and no
 * disk.
 */
export interface RequestSource {
  /** Null when no disk has a request. From the first call on, requests of their tag sets carry the time at which they were allocated. */
  begin(): InFlightRequest | null
  next(current: InFlightRequest): InFlightRequest | null
  /** Nothing is held. */
  put(item: InFlightRequest): void
  /** Copies the request anew; false when it has ended. */
  live(item: InFlightRequest): boolean
  /** One line, `name=value` with a space in between; an age that nobody knows is `-`. */
  show(item: InFlightRequest): string
}

/**
 * The requests of all of `disks`, which is looked at when a walk begins.
 * @see block/blk-mq-tag.c blk_mq_queue_tag_busy_iter
 */
export function createRequestSource(disks: () => Iterable<Disk>): RequestSource {
  return {
    begin() {
      const walk = [...disks()]
      for (const disk of walk) disk.queue.tagSet?.stampRequests()
      return InFlightRequest.first(walk)
    },
    next: (current) => current.following(),
    put: () => undefined,
    live: (item) => item.refresh(),
    show: formatRequest,
  }
}

function formatRequest(rq: InFlightRequest): string {
  const { device, hctx, tag, op, sector, bytes, state, dmabuf, ageNs } = rq
  return `dev=${device} hctx=${hctx} tag=${tag} op=${op} sector=${sector} bytes=${bytes} state=${state} dmabuf=${dmabuf ? 1 : 0} age_ns=${ageNs ?? '-'}\n`
}
