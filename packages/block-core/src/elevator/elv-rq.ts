// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Request } from '../mq/request.ts'

/** What a scheduler keeps for one request. Made at its first insertion, and kept with the request. @see include/linux/blk-mq.h struct request, its elv */
export class ElvRq {
  readonly rq: Request
  /** Place in a `SectorTree`: its key, and the order of those with the same one. */
  sector: number
  sequence: number
  weight: number
  left: ElvRq | null
  right: ElvRq | null
  inTree: boolean
  /** Place in a `FifoList`, and when it expires there. */
  fifoTimeNs: number
  previous: ElvRq | null
  next: ElvRq | null
  inFifo: boolean
  /** Place in an `EndSectorHash`; -1: in none. */
  endSector: number
  hashNext: ElvRq | null
  /** Which priority it was counted for; -1: the scheduler does not have it. */
  prio: number

  constructor(rq: Request) {
    this.rq = rq
    this.sector = 0
    this.sequence = 0
    this.weight = 0
    this.left = null
    this.right = null
    this.inTree = false
    this.fifoTimeNs = 0
    this.previous = null
    this.next = null
    this.inFifo = false
    this.endSector = -1
    this.hashNext = null
    this.prio = -1
  }
}

/** A request's own, made when it is first asked for. */
export function elvRqOf(rq: Request): ElvRq {
  rq.elv ??= new ElvRq(rq)
  return rq.elv
}
