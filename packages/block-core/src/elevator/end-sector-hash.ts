// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { rqSectors } from '../merge/merge-limits.ts'
import { rqMergeable } from '../merge/merge-ok.ts'
import type { ElvRq } from './elv-rq.ts'

/** Finds the request that ends where a bio begins; of several the newest. @see block/elevator.c elv_rqhash_find */
export class EndSectorHash {
  readonly #byEnd: Map<number, ElvRq>

  constructor() {
    this.#byEnd = new Map()
  }

  /** By the request's present end. */
  add(node: ElvRq): void {
    const { rq } = node
    node.endSector = rq.sector + rqSectors(rq)
    node.hashNext = this.#byEnd.get(node.endSector) ?? null
    this.#byEnd.set(node.endSector, node)
  }

  /** Does nothing where it is not there. */
  remove(node: ElvRq): void {
    if (node.endSector < 0) return
    const first = this.#byEnd.get(node.endSector)
    if (first === node) this.#setFirst(node.endSector, node.hashNext)
    else {
      let before = first
      while (before !== undefined && before.hashNext !== node) before = before.hashNext ?? undefined
      if (before !== undefined) before.hashNext = node.hashNext
    }
    node.endSector = -1
    node.hashNext = null
  }

  reposition(node: ElvRq): void {
    this.remove(node)
    this.add(node)
  }

  /** Those that have become unmergeable are dropped on the way. */
  find(sector: number): ElvRq | null {
    for (;;) {
      const node = this.#byEnd.get(sector)
      if (node === undefined) return null
      if (rqMergeable(node.rq)) return node
      this.remove(node)
    }
  }

  #setFirst(endSector: number, node: ElvRq | null): void {
    if (node === null) this.#byEnd.delete(endSector)
    else this.#byEnd.set(endSector, node)
  }
}
